"""`metamer complexity`."""

import json
from pathlib import Path

import click

from metamer.commands.options import Finite


@click.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.option(
    "--codec", "codecs", multiple=True, metavar="CODEC", help="As for evaluate; repeatable."
)
@click.option(
    "--bpp",
    type=Finite(0, min_open=True),
    default=0.5,
    show_default=True,
    help="Rate at which all are measured.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Runs that a median is taken of.",
)
@click.option(
    "--threads",
    multiple=True,
    type=click.IntRange(1),
    default=(1, 2),
    show_default=True,
    help="Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, with versions and machine.")
def complexity(picture, codecs, bpp, runs, threads, as_json) -> None:
    """Measure what codecs take on PICTURE: multiply-accumulates a pixel, parameters, seconds and
    memory.

    Every codec runs in processes of its own. Leave the machine idle meanwhile.
    """
    from metamer.evaluation.codecs import registry as coders
    from metamer.evaluation.cost import complexity as measuring

    report = measuring.measure_complexity(
        codecs or ("base", *coders.pillow_codecs()), picture, bpp, runs, threads
    )
    click.echo(json.dumps(report, indent=1) if as_json else measuring.complexity_table(report))
