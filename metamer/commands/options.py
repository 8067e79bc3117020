"""Options, arguments and their types that several commands share."""

import functools
import math
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from metamer.codec.errors import FileError
from metamer.codec.format import limits
from metamer.codec.system import files


class Region(click.ParamType):
    """Four whole numbers, as in 0,0,640,480."""

    name = "x,y,w,h"

    def convert(self, value, param, context):
        try:
            left, top, width, height = map(int, value.split(","))
        except ValueError:
            self.fail(f"'{value}' is not four whole numbers x,y,w,h", param, context)
        return left, top, width, height


class Finite(click.FloatRange):
    """A float range that takes neither infinity nor NaN."""

    def convert(self, value, param, context):
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number to work with", param, context)
        return number


class MetricValue(click.ParamType):
    """A distance and a value of it, as in psnr=38; a mapping of one."""

    name = "METRIC=VALUE"

    def convert(self, value, param, context):
        if isinstance(value, dict):
            return value
        metric, _, number = value.rpartition("=")
        try:
            target = float(number)
        except ValueError:
            target = math.nan
        if not metric or not math.isfinite(target):
            self.fail(f"'{value}' is not METRIC=VALUE, such as psnr=38", param, context)
        return {metric: target}


class AdvancedOption(click.Option):
    """One that most people never need: help and manual list it after the others."""


class Command(click.Command):
    """A command whose help tells basic from advanced options."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, options in sections(self, context):
            records = [option.get_help_record(context) for option in options]
            with formatter.section(title):
                formatter.write_dl([record for record in records if record])


def sections(
    command: click.Command, context: click.Context | None = None
) -> Iterator[tuple[str, list[click.Option]]]:
    """A command's options under their titles, with click's own `--help` if there is a context."""
    params = command.get_params(context) if context else command.params
    options = [option for option in params if isinstance(option, click.Option)]
    basic = [option for option in options if not isinstance(option, AdvancedOption)]
    advanced = [option for option in options if isinstance(option, AdvancedOption)]
    if basic:
        yield "Basic options" if advanced else "Options", basic
    if advanced:
        yield "Advanced options", advanced


advanced_option = functools.partial(click.option, cls=AdvancedOption)
quiet_option = click.option("--quiet", is_flag=True, help="Tell of failures alone, a terminal too.")
force_option = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
max_pixels_option = advanced_option(
    "--max-pixels",
    type=click.IntRange(1),
    help="How many pixels a picture may have. Default: "
    f"{limits.MAX_PIXELS}, and of a small file fewer.",
)
threads_option = advanced_option(
    "--threads",
    type=click.IntRange(0),
    default=0,
    help="Threads to use, of all jobs together; 0 means every core. Results do not depend on it.",
)
jobs_option = click.option(
    "-j",
    "--jobs",
    "count",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Files to work on at once, each in a process of its own; 0 means as many as there are "
    "cores.",
)
dask_option = advanced_option(
    "--dask",
    metavar="ADDRESS",
    help="Let the workers of a Dask cluster do it: its scheduler's address, tcp://HEAD:8786. They "
    "see the same folders, and results are the same. Needs the extra [scale].",
)
files_argument = click.argument(
    "names", nargs=-1, required=True, metavar="FILE…", type=click.Path(allow_dash=True)
)


def data_option(required: bool = True):
    """What to train on."""
    return click.option(
        "--data",
        "folders",
        required=required,
        multiple=True,
        metavar="DATA",
        help="Pictures to train on: a folder, whose validation.txt is held out; shards of "
        "WebDataset, as paths, URLs or a command ('shards/{000..012}.tar', 'pipe:CMD'); or a "
        "dataset of Hugging Face, hf:NAME[:SPLIT[:COLUMN]]. Repeatable.",
    )


metric_option = click.option(
    "-m",
    "--metric",
    "specs",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,…]",
    help="Distance to use; repeatable. `all` for every one that can be used here.",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for results.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
results_argument = click.argument(
    "folders", nargs=-1, required=True, metavar="RESULTS…", type=click.Path(path_type=Path)
)
published_option = click.option(
    "--published",
    "published_names",
    multiple=True,
    metavar="NAME",
    help="Also what others published, on Kodak, dashed (vtm, elic2022, …); repeatable.",
)


def make_folder(folder: Path) -> Path:
    """The folder, made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(f"{folder}: {files.reason(problem)}") from None
    return folder


def complete_models(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For shells: the shipped models by name, and files."""
    from metamer.codec.network.model import shipped_models

    names = (path.stem for path in shipped_models())
    # files first: click's script for bash forgets what comes before them
    return [
        CompletionItem(incomplete, type="file"),
        *(CompletionItem(name) for name in names if name.startswith(incomplete)),
    ]
