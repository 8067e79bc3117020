"""`metamer report`: a page about results, which opens offline."""

from pathlib import Path

import click

from metamer.commands.options import published_option, results_argument


@click.command()
@results_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the page. Default: report in the first of RESULTS.",
)
@click.option(
    "--pictures",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Pictures to look at, at most, spread over all; of each the original and all decodes are "
    "copied.",
)
@published_option
def report(folders, out, pictures, published_names) -> None:
    """Write a page about what `metamer evaluate` left in RESULTS, which opens offline in any
    browser.

    Curves, BD-rates, realism in its plane, a table of every picture, and, of what `evaluate --bpp
    --keep` decoded, a viewer.
    """
    from metamer.evaluation.report import page

    click.echo(page.write_page(folders, out or folders[0] / "report", pictures, published_names))
