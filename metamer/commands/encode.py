"""`metamer encode`."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator

import click

from metamer.codec.format import container
from metamer.codec.system import files, jobs
from metamer.codec.system.terminal import format_size
from metamer.commands.file_jobs import code_files
from metamer.commands.options import (
    Command,
    Finite,
    MetricValue,
    advanced_option,
    complete_models,
    dask_option,
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
    help="File or folder to write; - for standard output. Default: beside the input.",
)
@click.option(
    "-q", "--quality", type=Finite(0, 100), help="0 (smallest) to 100 (best); default 50."
)
@click.option(
    "--lossless",
    is_flag=True,
    help="Keep every pixel as it is. Without it, text and drawings are kept so where "
    "that is the better trade.",
)
@click.option(
    "--bpp", type=Finite(0, min_open=True), help="Best quality within this many bits a pixel."
)
@click.option("--max-bytes", type=click.IntRange(1), help="Best quality within this many bytes.")
@click.option(
    "--target",
    type=MetricValue(),
    help="Smallest file whose decoded picture reaches this, as in psnr=38 or ssimulacra2=70; any "
    "distance of `metamer metrics list`. All but psnr need the extra [perception]; ssimulacra2, "
    "cvvdp and flip need [judges].",
)
@click.option(
    "--model",
    default="base",
    show_default=True,
    help="Shipped model, or a model file.",
    shell_complete=complete_models,
)
@advanced_option(
    "--icc",
    type=click.Choice(["convert", "keep"]),
    default="convert",
    show_default=True,
    help="Convert colours to sRGB, or code them as they are with their profile.",
)
@click.option(
    "--metadata",
    type=click.Choice(["keep", "strip"]),
    default="keep",
    show_default=True,
    help="Whether the file holds the picture's EXIF and XMP.",
)
@advanced_option(
    "--first-frame",
    is_flag=True,
    help="Take the first frame of animations, the first page of documents.",
)
@advanced_option(
    "--alpha-quality",
    type=click.IntRange(0, 100),
    default=100,
    show_default=True,
    help="100 keeps transparency exactly; less, with fewer levels.",
)
@advanced_option(
    "--tile",
    is_flag=True,
    help="Code tiles of 1024x1024 pixels apart, each with a checksum: parts can be "
    "decoded and salvaged by themselves. Large pictures always are.",
)
@click.option(
    "--effort",
    type=click.IntRange(0, 9),
    default=0,
    show_default=True,
    help="Time for smaller or better "
    "files; each from 4 on takes about twice as long as the one before, and needs the extra "
    "[train].",
)
@advanced_option(
    "--distortion",
    "distances",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,…]",
    help="With --effort 4 and more: "
    "the distance to lower, of `metamer metrics list`; repeatable. Default: what the model was "
    "trained on.",
)
@max_pixels_option
@jobs_option
@threads_option
@dask_option
@force_option
@quiet_option
def encode(
    names,
    output,
    quality,
    lossless,
    bpp,
    max_bytes,
    target,
    distances,
    count,
    threads,
    dask,
    force,
    quiet,
    **options,
) -> None:
    """Encode pictures to .mtm files."""
    rate = {
        "quality": quality,
        "lossless": lossless or None,
        "bpp": bpp,
        "max_bytes": max_bytes,
        "target": target,
    }
    rate = {key: value for key, value in rate.items() if value is not None}
    if len(rate) > 1:
        raise click.UsageError("give one of --quality, --lossless, --bpp, --max-bytes and --target")
    if distances and not options["effort"]:
        raise click.UsageError("--distortion goes with --effort")
    if dask:  # workers have folders of their own
        if files.STREAM in (*names, output):
            raise click.UsageError("--dask reads and writes files, not the standard streams")
        names = tuple(map(os.path.abspath, names))
        folder = os.sep if output and output.endswith(("/", os.sep)) else ""
        output = output and os.path.abspath(output) + folder
    targets = files.targets_for(names, output, container.SUFFIX)
    options |= rate
    options["distortion"] = dict.fromkeys(distances, 1.0) or None
    work = functools.partial(encode_file, shown=len(targets) == 1 and not quiet)
    code_files(work, targets, "encoding", count, threads, force, quiet, options, dask)


def encode_file(
    name: str, targets: dict[str, str], force: bool, options: dict, shown: bool
) -> jobs.Report:
    """One file; ``options``: `codec.encode`'s. shown: whether steps of --effort may be."""
    from metamer.codec.encode import encode

    target = targets[name]
    files.check_free(target, force, name)
    source = files.read_file(name) if name == files.STREAM else name
    with (
        steps_shown()
        if options["effort"] and shown
        else contextlib.nullcontext(lambda: None) as step
    ):
        data = encode(source, **options, progress=step)
    files.write_file(target, data, force)
    header = container.read_header(data)
    before = len(source) if isinstance(source, bytes) else os.stat(name).st_size
    return jobs.Report(
        summary=f"{name} → {target} {format_size(before)} → {format_size(len(data))}, "
        f"{8 * len(data) / (header.width * header.height):.2f} bpp"
    )


@contextlib.contextmanager
def steps_shown() -> Iterator[Callable[[], object]]:
    """A progress bar of unknown length, and what to call after each step."""
    from tqdm import tqdm

    with tqdm(desc="refining", unit="step", disable=None, leave=False) as bar:
        yield bar.update
