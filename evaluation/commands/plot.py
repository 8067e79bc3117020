"""`metamer plot` and `metamer report`."""

from pathlib import Path

import click

results_argument = click.argument("folders", nargs=-1, required=True, metavar="RESULTS…", type=click.Path(path_type=Path))
published_option = click.option("--published", "others", multiple=True, metavar="NAME",
                                help="Also what others published, on Kodak, dashed (vtm, elic2022, …); repeatable.")


@click.command()
@results_argument
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the figures. Default: the first of RESULTS.")
@click.option("--format", "formats", type=click.Choice(["png", "svg", "pdf"]), multiple=True, default=["png"],
              show_default=True, help="Repeatable.")
@click.option("-m", "--metric", "specs", multiple=True, metavar="NAME",
              help="Distance to draw, the first in the plane; repeatable. Default: all that were measured, psnr in the plane.")
@published_option
@click.option("--complexity", type=click.Path(path_type=Path), metavar="JSON",
              help="Also BD-rate against BPG over the decoder's work, on Kodak: what `metamer complexity --json` wrote.")
@click.option("--anchor", help="Codec that each picture's gain is against; default: jpeg if measured, else the first.")
def plot(folders, out, formats, specs, others, complexity, anchor) -> None:
    """Draw what `metamer evaluate` and `metamer train` left in RESULTS.

    Rate-distortion curves and what each picture gains; of matched rates, realism over rate and the distortion-realism plane; of
    training, its log.
    """
    from evaluation.report import figures

    out = out or (folders[0] if folders[0].suffix != ".jsonl" else folders[0].parent)
    for path in figures.draw_figures(folders, out, formats, specs, others, complexity, anchor):
        click.echo(path)


@click.command()
@results_argument
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the page. Default: report in the first of RESULTS.")
@click.option("--pictures", type=click.IntRange(1), default=8, show_default=True,
              help="Pictures to look at, at most, spread over all; of each the original and all decodes are copied.")
@published_option
def report(folders, out, pictures, others) -> None:
    """Write a page about what `metamer evaluate` left in RESULTS, which opens offline in any browser.

    Curves, BD-rates, realism in its plane, a table of every picture, and, of what `evaluate --bpp --keep` decoded, a viewer.
    """
    from evaluation.report import page

    click.echo(page.write_page(folders, out or folders[0] / "report", pictures, others))
