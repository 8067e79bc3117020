"""`metamer train`."""

from pathlib import Path

import click

from metamer.commands.options import Command, advanced_option, data_option


@click.command(cls=Command)
@click.argument("recipe", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoint and log."
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in --out.")
@advanced_option(
    "--start",
    type=click.Path(path_type=Path),
    help="Begin from this shipped model, model file or checkpoint.",
)
@advanced_option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a key of the recipe, as YAML: --set 'distortion={dists: 1}', --set "
    "stages.0.steps=50.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=float("inf"),
    show_default=False,
    help="Stop after so many minutes of training, with a checkpoint; --resume goes on.",
)
def train(recipe, folders, out, resume, start, assignments, minutes) -> None:
    """Train a codec or a perceptual space as RECIPE says."""
    from metamer.train import command

    if resume and start:
        raise click.UsageError("--resume continues a run as it was begun; it takes no --start")
    command.train(recipe, folders, out, resume, start, assignments, minutes)
