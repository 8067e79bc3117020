"""`metamer info`."""

import dataclasses
import json
import sys

import click

from metamer.codec.errors import FileError
from metamer.codec.system import files, jobs, terminal
from metamer.commands.file_jobs import for_each_file
from metamer.commands.options import files_argument


@click.command()
@files_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def info(names, as_json) -> None:
    """Say what .mtm files hold, and which decoders they can be decoded with besides the model's
    own.
    """
    from metamer.codec.info import info

    if sys.stdout is None:
        raise FileError("standard output is closed")

    def work(name: str) -> jobs.Report:
        found = info(files.read_file(name))
        if as_json:
            click.echo(
                json.dumps({"file": name, **dataclasses.asdict(found), "bpp": round(found.bpp, 5)})
            )
        else:
            model = found.model or f"{found.model_id} (not installed)"
            how = "lossless" if found.lossless else f"quality {found.quality:g}, model {model}"
            some = [
                f"{count} {form}"
                for form, count in found.forms.items()
                if form != "networks" and not found.lossless
            ]
            how += f" ({', '.join(some)})" if some else ""
            others = f", decoders {' '.join(found.decoders)}" if found.decoders else ""
            tiles = f" in {found.tiles} tiles" if found.tiles else ""
            kind = " grey" if found.grey else ""
            held = "".join(f", {kind} {size} bytes" for kind, size in found.sections.items())
            line = (
                f"{name}: {found.width}x{found.height}{kind}{tiles}, {found.bytes} bytes, "
                f"{found.bpp:.3f} bpp, "
                f"{how}, format {found.version}{held}{others}"
            )
            click.echo(terminal.printable(line))
        return jobs.Report()

    for_each_file(names, "reading", work)
