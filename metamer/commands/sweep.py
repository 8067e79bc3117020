"""`metamer sweep`."""

from pathlib import Path

import click

from metamer.commands.options import data_option


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@data_option()
@click.option(
    "--ratings",
    type=click.Path(path_type=Path),
    help="TID2013, or what `metamer metrics resimulate` wrote.",
)
@click.option(
    "--encoders-only",
    is_flag=True,
    help="Score the decoders of plain reconstruction alone: half the time.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the trainings, figures and tables.",
)
def sweep(recipe, folders, ratings, encoders_only, out) -> None:
    """Train PerceptNet at every point of RECIPE's grid and score each layer against human RATINGS.

    What is finished stays, what was interrupted goes on.
    """
    from metamer.evaluation.probes.perceptnet_sweep.sweep import score_sweep
    from metamer.train.perceptual_spaces.perceptnet import sweep as trainings

    points = trainings.run(recipe, folders, out)
    if ratings:
        click.echo(score_sweep(points, ratings, out, decoders=not encoders_only))
