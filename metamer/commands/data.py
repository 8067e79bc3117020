"""`metamer data`: what to train on."""

from pathlib import Path

import click

from metamer.commands.options import advanced_option


@click.group()
def data() -> None:
    """Prepare photographs for training."""


@data.command("pack")
@click.argument(
    "folders", nargs=-1, required=True, metavar="FOLDER…", type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the shards.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    help="Bytes of all shards together; pieces of all photographs then come in turn.",
)
@click.option(
    "--side",
    type=click.IntRange(64),
    help="Cut photographs into even pieces of at most so many pixels a side, which decode quickly. "
    "Default: files as they are.",
)
@advanced_option(
    "--quality",
    type=click.IntRange(0, 100),
    help="With --side: of WebP, which is without loss by default.",
)
@advanced_option(
    "--shard-bytes",
    type=click.IntRange(1 << 14),
    default=100 << 20,
    show_default=True,
    help="Bytes of a shard, about.",
)
def pack_command(folders, out, max_bytes, side, quality, shard_bytes) -> None:
    """Pack photographs into shards of WebDataset, which `metamer train --data OUT` reads.

    Those that FOLDER's validation.txt holds out go into OUT/validation.tar; where there is none, a
    few are set aside.
    """
    from metamer.train.data.packing import Packing, pack

    if quality is not None and side is None:
        raise click.UsageError("--quality goes with --side")
    packed = pack(folders, out, Packing(side or 0, quality, shard_bytes, max_bytes))
    if packed.notice:
        click.echo(packed.notice, err=True)
    click.echo(
        f"{out}: {packed.pictures} pictures in {packed.shards} shards, {packed.held_out} held out, "
        f"{packed.size / 1e6:.1f} MB"
    )
