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
        summary = info(files.read_file(name))
        if as_json:
            click.echo(
                json.dumps(
                    {"file": name, **dataclasses.asdict(summary), "bpp": round(summary.bpp, 5)}
                )
            )
        else:
            model = summary.model or f"{summary.model_id} (not installed)"
            how = "lossless" if summary.lossless else f"quality {summary.quality:g}, model {model}"
            some = [
                f"{count} {form}"
                for form, count in summary.forms.items()
                if form != "networks" and not summary.lossless
            ]
            how += f" ({', '.join(some)})" if some else ""
            others = f", decoders {' '.join(summary.decoders)}" if summary.decoders else ""
            tiles = f" in {summary.tiles} tiles" if summary.tiles else ""
            kind = " grey" if summary.grey else ""
            sections = "".join(f", {kind} {size} bytes" for kind, size in summary.sections.items())
            line = (
                f"{name}: {summary.width}x{summary.height}{kind}{tiles}, {summary.bytes} bytes, "
                f"{summary.bpp:.3f} bpp, "
                f"{how}, format {summary.version}{sections}{others}"
            )
            click.echo(terminal.printable(line))
        return jobs.Report()

    for_each_file(names, "reading", work)
