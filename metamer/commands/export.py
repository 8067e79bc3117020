"""`metamer export`."""

from pathlib import Path

import click

from metamer.codec.errors import FileError
from metamer.codec.system import files
from metamer.commands.options import Command, advanced_option, force_option


@click.command(cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "folders",
    multiple=True,
    metavar="DATA",
    help="Photographs to count a codec's coding tables on, as of `metamer train`. Repeatable.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write; default: in RUN."
)
@click.option("--name", default="custom", show_default=True, help="The codec's or decoder's name.")
@advanced_option(
    "--crops",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    help="Crops to count tables on.",
)
@advanced_option(
    "--slider",
    is_flag=True,
    help="Make a decoder that decode --realism mixes with the model's own, which must be of the "
    "same sizes.",
)
@advanced_option(
    "--model",
    "whole",
    is_flag=True,
    help="Make a model of a run that trained a decoder alone: that it started from, with this "
    "synthesis for its own.",
)
@advanced_option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a key of the recipe's `encoder`, what a codec's encoder goes by: "
    "--set encoder.masking=0.5.",
)
@advanced_option(
    "--web",
    is_flag=True,
    help="RUN is a shipped model or a model file: write it and its decoders as files for "
    "browsers, into the folder that --output names; default: models.",
)
@force_option
def export(run, folders, output, name, crops, slider, whole, assignments, web, force) -> None:
    """Turn a training run into a file.

    A codec becomes a model, which encode and decode load; where the decoder alone was trained, a
    decoder file, which decode loads; a perceptual space its weights; a network of CompressAI a
    checkpoint that CompressAI loads.
    """
    if web:
        from metamer.train.export.web.files import export_for_browsers

        folder = output or Path("models")
        for file, size in export_for_browsers(str(run), folder).items():
            click.echo(f"{folder / file}: {size / 1e6:.2f} MB")
        return
    from metamer.codec.network import decoders
    from metamer.codec.network.model import SUFFIX
    from metamer.train import command

    kind = command.kind(run)
    if kind == "codec" and not folders:
        raise click.UsageError("a codec's coding tables are counted on photographs: give --data")
    if (slider or whole) and kind != "decoder":
        raise click.UsageError("--slider and --model are for runs that trained a decoder alone")
    if slider and whole:
        raise click.UsageError("a model has one synthesis: give --slider or --model, not both")
    if whole:
        kind = "codec"
    if assignments and kind != "codec":
        raise click.UsageError("--set is for runs that trained an encoder")
    usual = {
        "codec": f"model{SUFFIX}",
        "decoder": f"synthesis{decoders.SUFFIX}",
        "space": "weights.safetensors",
        "network": "network.pth",
    }
    output = output or run / usual[kind]
    files.check_free(str(output), force)
    if not output.parent.is_dir():
        raise FileError(f"{output.parent}: no such folder")
    click.echo(
        f"{output}: "
        + command.export(run, folders, output, name, crops, slider, whole, assignments)
    )
