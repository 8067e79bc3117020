"""`metamer decode`."""

import functools
from pathlib import Path

import click

from metamer.codec.system import files, jobs
from metamer.codec.system.terminal import format_size
from metamer.commands.file_jobs import DAMAGED, code_files
from metamer.commands.options import (
    Command,
    Finite,
    Region,
    advanced_option,
    files_argument,
    force_option,
    jobs_option,
    max_pixels_option,
    quiet_option,
    threads_option,
)


@click.command(cls=Command)
@files_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    help="Picture or folder to write; - for standard output. Default: PNG beside the input.",
)
@advanced_option(
    "--model",
    type=click.Path(),
    help="Model file to look in besides the shipped ones, which come first.",
)
@advanced_option(
    "--decoder",
    help="Shipped decoder (`metamer info` names them), a decoder file, or a model file for "
    "its synthesis. Default: the model's own, which is closest to the original.",
)
@click.option(
    "--realism",
    type=Finite(0, 1),
    help="How much texture to invent: 0 (none, as the model's own decoder) to 1. "
    "Default: 1 with a --decoder that knows realism, else 0. Without --decoder, uses the one "
    "named 'realism', which ships for base's files alone.",
)
@click.option(
    "--background",
    metavar="COLOUR",
    help="Put this behind transparent pictures: white, #336699, ….",
)
@advanced_option(
    "--metadata",
    type=click.Choice(["keep", "strip"]),
    default="keep",
    show_default=True,
    help="Whether the picture gets the EXIF and XMP that the file holds.",
)
@click.option(
    "--region",
    type=Region(),
    help="Decode only this part, in pixels; of a large picture, the tiles it lies in.",
)
@click.option("--preview", is_flag=True, help="Decode the coarse part alone, in less time.")
@advanced_option(
    "--salvage",
    is_flag=True,
    help="Decode what is whole in a damaged file, cross out what is not, and say which. "
    f"Exit status {DAMAGED} if anything was.",
)
@max_pixels_option
@jobs_option
@threads_option
@force_option
@quiet_option
def decode(
    names, output, background, metadata, salvage, count, threads, force, quiet, **options
) -> None:
    """Decode .mtm files to pictures (PNG unless the output's name says otherwise)."""
    targets = files.targets_for(names, output, ".png")
    work = functools.partial(
        decode_file, background=background, strip=metadata == "strip", salvage=salvage
    )
    code_files(work, targets, "decoding", count, threads, force, quiet, options)


def decode_file(
    name: str,
    targets: dict[str, str],
    force: bool,
    options: dict,
    background: str | None,
    strip: bool,
    salvage: bool,
) -> jobs.Report:
    """One file; ``options``: `codec.decode`'s. Notices of what was damaged, with ``salvage``."""
    from metamer.codec.decode import decode, rescue
    from metamer.codec.picture.save import find_format, picture_bytes

    target = targets[name]
    damage: tuple[str, ...] = ()
    format = find_format(".png" if target == files.STREAM else Path(target).suffix)
    files.check_free(target, force, name)
    data = files.read_file(name)
    if salvage:
        salvaged = rescue(data, **options)
        picture, damage = salvaged.picture, salvaged.damage
    else:
        picture = decode(data, **options)
    written = picture_bytes(picture, format, background, strip)
    files.write_file(target, written, force)
    return jobs.Report(
        damage,
        f"{name} → {target} {format_size(len(data))} → {format_size(len(written))}, "
        f"{picture.width}x{picture.height}",
    )
