"""`metamer plot`: figures of results."""

from pathlib import Path

import click

from metamer.commands.options import published_option, results_argument


@click.command()
@results_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the figures. Default: the first of RESULTS.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "svg", "pdf"]),
    multiple=True,
    default=["png"],
    show_default=True,
    help="Repeatable.",
)
@click.option(
    "-m",
    "--metric",
    "specs",
    multiple=True,
    metavar="NAME",
    help="Distance to draw, the first in the plane; repeatable. Default: all that were measured, "
    "psnr in the plane.",
)
@published_option
@click.option(
    "--complexity",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Also BD-rate against BPG over the decoder's work, on Kodak: what `metamer complexity "
    "--json` wrote.",
)
@click.option(
    "--anchor",
    help="Codec that gains and bands are against; default: jpeg if measured, else the first.",
)
def plot(folders, out, formats, specs, published_names, complexity, anchor) -> None:
    """Draw what `metamer evaluate` and `metamer train` left in RESULTS.

    Rate-distortion curves and what each picture gains; of matched rates, realism over rate and the
    distortion-realism plane; of training, its log.
    """
    from metamer.evaluation.report import figures

    out = out or (folders[0] if folders[0].suffix != ".jsonl" else folders[0].parent)
    written, notes = figures.draw_figures(
        folders, out, formats, specs, published_names, complexity, anchor
    )
    for path in written:
        click.echo(path)
    for note in notes:
        click.echo(note, err=True)
