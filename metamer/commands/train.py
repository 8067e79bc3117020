"""`metamer train`."""

from pathlib import Path

import click

from metamer.commands.options import Command, Finite, advanced_option, data_option


def print_schema(context: click.Context, _: click.Option, wanted: bool) -> None:
    """Prints the schema, and ends the command."""
    if wanted:
        from metamer.train import command

        click.echo(command.schema())
        context.exit()


@click.command(cls=Command)
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@data_option(required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for checkpoints, recipe and log.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue from the checkpoint in --out; RECIPE and --data are those of the run.",
)
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
    "stages.0.steps=50; a * stands for all stages.",
)
@click.option(
    "--minutes",
    type=Finite(0, min_open=True),
    help="Stop after so many minutes of training, with a checkpoint; --resume goes on.",
)
@advanced_option(
    "--memory",
    type=click.IntRange(0),
    default=800,
    show_default=True,
    help="MiB of decoded photographs to keep; more are decoded anew, by other threads.",
)
@advanced_option(
    "--workers",
    type=click.IntRange(1),
    help="Threads that decode. Default: as many as there are cores to spare, at most 8.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything, take a few steps of each stage, and say what the run would need.",
)
@advanced_option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_schema,
    help="Print the JSON schema of recipes, by which editors complete and check them, and end.",
)
def train(
    recipe, folders, out, resume, start, assignments, minutes, memory, workers, dry_run
) -> None:
    """Train a codec or a perceptual space as RECIPE says.

    Ctrl-C and SIGTERM end it after the step under way, with a checkpoint.
    """
    from metamer.train import command

    if resume and start:
        raise click.UsageError("--resume continues a run as it was begun; it takes no --start")
    if not resume and not (recipe and folders):
        raise click.UsageError("give RECIPE and --data, or --resume")
    where = recipe, folders or None, out, resume, start, assignments
    options = {"memory": memory << 20, "workers": workers}
    if dry_run:
        for line in command.report_dry_run(*where, **options):
            click.echo(line)
    else:
        command.train(*where, float("inf") if minutes is None else minutes, **options)
