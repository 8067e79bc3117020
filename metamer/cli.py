"""The `metamer` command. What codes, trains and evaluates is imported only when called.

Exit status: 0 done, 1 something failed (each failure is a line on stderr), 2 the command line is wrong, 3 a damaged file
was salvaged in part, 130 and 143 ended by
SIGINT (Ctrl-C) and SIGTERM.
"""

import contextlib
import dataclasses
import functools
import importlib
import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from metamer.codec import container, files, jobs, limits, terminal
from metamer.codec.errors import FileError, MetamerError

STREAM_SUFFIX = ".mtm"
DAMAGED = 3  # exit status of a decode that salvaged
INTERRUPTED, TERMINATED = 128 + 2, 128 + 15  # as shells give it

WORKSHOP = {  # commands that live elsewhere
    "metrics": "metamer.commands.metrics", "plot": "metamer.commands.plot", "report": "metamer.commands.report",
    "toy": "metamer.commands.toy", "weights": "metamer.commands.weights",
}


class Commands(click.Group):
    """Turns errors that are the input's fault into one line and exit status 1; `--debug` shows where they arose."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [*super().list_commands(context), *WORKSHOP]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in WORKSHOP:
            return getattr(importlib.import_module(WORKSHOP[name]), name)
        return super().get_command(context, name)

    def invoke(self, context: click.Context) -> object:
        terminal.occupy()
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that what cleans up does
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except KeyboardInterrupt:
            click.echo("metamer: interrupted", err=True)
            context.exit(INTERRUPTED)
        except (MetamerError, MemoryError, ImportError, OSError, ValueError) as problem:
            if context.params.get("debug") or not is_input_fault(problem):
                raise
            say(f"metamer: {explain(problem)}")
            context.exit(1)
        finally:
            signal.signal(signal.SIGTERM, before)


def is_input_fault(problem: Exception) -> bool:
    """Whether an error tells of the input rather than of a mistake here: of all ValueErrors, those of `perception` alone."""
    if not isinstance(problem, ValueError) or isinstance(problem, MetamerError):
        return True
    from metamer.perception.errors import PerceptionError

    return isinstance(problem, PerceptionError)


def explain(problem: Exception) -> str:
    """One line for a person."""
    if isinstance(problem, MemoryError):
        return "not enough memory"
    if isinstance(problem, ImportError):
        return f"this command needs the extras [train,evaluate,judges]: {problem.name or problem} is missing"
    return " ".join(str(problem).split())


def say(line: str) -> None:
    """A line on standard error, without what a terminal would obey."""
    click.echo(terminal.printable(line), err=True)


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
@click.version_option(package_name="metamer")
def main(debug: bool) -> None:
    """Metamer: photographs to small files and back."""


def each(names: Iterable[str], description: str, work: jobs.Work, count: int = 1, quiet: bool = False) -> None:
    """Calls ``work(name)`` for every name, in ``count`` processes, with a progress bar for several names.

    Failures are named and end with status 1; notices that ``work`` reports are, and end with status 3. Who watches is told
    what was done, unless ``quiet``.
    """
    from tqdm import tqdm

    failed = noticed = 0
    names = list(names)
    debug = click.get_current_context().find_root().params["debug"]
    watched = terminal.watched() and not quiet
    progress = tqdm(total=len(names), desc=description, unit="file", disable=not watched or len(names) == 1, leave=False)
    with progress as bar, contextlib.closing(jobs.outcomes(work, names, count)) as outcomes:
        for name, report, problem in outcomes:
            bar.update()
            if problem and debug:
                raise problem
            lines = [f"metamer: {name}: {line}" for line in ([explain(problem)] if problem else report.notices)]
            if watched and report.summary:
                lines.append(f"{report.summary}, {report.seconds:.1f} s")
            if lines:
                bar.clear()
            for line in lines:
                say(line)
            failed += bool(problem)
            noticed += bool(report.notices)
    if failed or noticed:
        click.get_current_context().exit(1 if failed else DAMAGED)


quiet_option = click.option("--quiet", is_flag=True, help="Tell of failures alone, a terminal too.")
force_option = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
max_pixels_option = click.option("--max-pixels", type=click.IntRange(1), help="How many pixels a picture may have. Default: "
                                 f"{limits.MAX_PIXELS}, and of a small file fewer.")
threads_option = click.option("--threads", type=click.IntRange(0), default=0,
                              help="Threads to use, of all jobs together; 0 means every core. Results do not depend on it.")
jobs_option = click.option("-j", "--jobs", "count", type=click.IntRange(0), default=1, show_default=True,
                           help="Files to work on at once, each in a process of its own; 0 means as many as there are cores.")
files_argument = click.argument("names", nargs=-1, required=True, metavar="FILE…", type=click.Path(allow_dash=True))


def complete_models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For shells: the shipped models by name, and files."""
    from metamer.codec.model import shipped

    names = (path.stem for path in shipped())
    # files first: click's script for bash forgets what comes before them
    return [CompletionItem(incomplete, type="file"), *(CompletionItem(name) for name in names if name.startswith(incomplete))]


@main.command()
@files_argument
@click.option("-o", "--output", type=click.Path(allow_dash=True),
              help="File or folder to write; - for standard output. Default: beside the input.")
@click.option("-q", "--quality", type=Finite(0, 100), help="0 (smallest) to 100 (best); default 50.")
@click.option("--lossless", is_flag=True, help="Keep every pixel as it is. Without it, text and drawings are kept so where "
              "that is the better trade.")
@click.option("--bpp", type=Finite(0, min_open=True), help="Best quality within this many bits a pixel.")
@click.option("--max-bytes", type=click.IntRange(1), help="Best quality within this many bytes.")
@click.option("--model", default="base", show_default=True, help="Shipped model, or a model file.",
              shell_complete=complete_models)
@click.option("--icc", type=click.Choice(["convert", "keep"]), default="convert", show_default=True,
              help="Convert colours to sRGB, or code them as they are with their profile.")
@click.option("--metadata", type=click.Choice(["keep", "strip"]), default="keep", show_default=True,
              help="Whether the file holds the picture's EXIF and XMP.")
@click.option("--first-frame", is_flag=True, help="Take the first frame of animations, the first page of documents.")
@click.option("--alpha-quality", type=click.IntRange(0, 100), default=100, show_default=True,
              help="100 keeps transparency exactly; less, with fewer levels.")
@click.option("--tile", is_flag=True, help="Code tiles of 1024x1024 pixels apart, each with a checksum: parts can be "
              "decoded and salvaged by themselves. Large pictures always are.")
@click.option("--effort", type=click.IntRange(0, 9), default=0, show_default=True, help="Time for smaller or better "
              "files; each from 4 on takes about twice as long as the one before, and needs the extra [train].")
@click.option("--distortion", "distances", multiple=True, metavar="NAME[:OPTION=VALUE,…]", help="With --effort 4 and more: "
              "the distance to lower, of `metamer metrics list`; repeatable. Default: what the model was trained on.")
@max_pixels_option
@jobs_option
@threads_option
@force_option
@quiet_option
def encode(names, output, quality, lossless, bpp, max_bytes, distances, count, threads, force, quiet, **options) -> None:
    """Encode pictures to .mtm files."""
    if sum(option is not None for option in (quality, lossless or None, bpp, max_bytes)) > 1:
        raise click.UsageError("give one of --quality, --lossless, --bpp and --max-bytes")
    targets = files.targets_for(names, output, STREAM_SUFFIX)
    rate = {"quality": quality, "lossless": lossless or None, "bpp": bpp, "max_bytes": max_bytes}
    options |= {key: value for key, value in rate.items() if value is not None}
    options["distortion"] = dict.fromkeys(distances, 1.0) or None
    work = functools.partial(encode_file, shown=len(targets) == 1 and not quiet)
    coded(work, targets, "encoding", count, threads, force, quiet, options)


def encode_file(name: str, targets: dict[str, str], force: bool, options: dict, shown: bool) -> jobs.Report:
    """One file; ``options``: `codec.encode`'s. shown: whether steps of --effort may be."""
    from metamer.codec import coding

    target = targets[name]
    files.check_free(target, force, name)
    source = files.read(name) if name == files.STREAM else name
    with steps_shown() if options["effort"] and shown else contextlib.nullcontext(lambda: None) as step:
        data = coding.encode(source, **options, progress=step)
    files.write(target, data, force)
    header = container.read_header(data)
    before = len(source) if isinstance(source, bytes) else os.stat(name).st_size
    return jobs.Report(summary=f"{name} → {target} {terminal.size(before)} → {terminal.size(len(data))}, "
                       f"{8 * len(data) / (header.width * header.height):.2f} bpp")


@contextlib.contextmanager
def steps_shown() -> Iterator[Callable[[], object]]:
    """A progress bar of unknown length, and what to call after each step."""
    from tqdm import tqdm

    with tqdm(desc="refining", unit="step", disable=None, leave=False) as bar:
        yield bar.update


def coded(
    work, targets: dict[str, str], description: str, count: int, threads: int, force: bool, quiet: bool, options: dict
) -> None:
    """Encodes or decodes all of ``targets`` with ``count`` jobs that share ``threads``; 0: all there are."""
    count = min(count or jobs.cores(), len(targets))
    options = options | {"threads": jobs.threads_each(threads, count)}
    work = functools.partial(work, targets=targets, force=force, options=options)
    debug = click.get_current_context().find_root().params["debug"]
    each(targets, description, work if debug else functools.partial(undisturbed, work), count, quiet)


def undisturbed(work: jobs.Work, name: str) -> jobs.Report:
    """``work(name)`` without what libraries print or warn of by themselves. This process is the command's own."""
    with terminal.only_ours(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(name)


@main.command()
@files_argument
@click.option("-o", "--output", type=click.Path(allow_dash=True),
              help="Picture or folder to write; - for standard output. Default: PNG beside the input.")
@click.option("--model", type=click.Path(), help="Model file to look in besides the shipped ones, which come first.")
@click.option("--decoder", help="Shipped decoder (`metamer info` names them), a decoder file, or a model file for "
              "its synthesis. Default: the model's own, which is closest to the original.")
@click.option("--realism", type=Finite(0, 1), help="How much texture to invent: 0 (none, as the model's own decoder) to 1. "
              "Default: 1 with a --decoder that knows realism, else 0. Without --decoder, uses the one named 'realism'.")
@click.option("--background", metavar="COLOUR", help="Put this behind transparent pictures: white, #336699, ….")
@click.option("--metadata", type=click.Choice(["keep", "strip"]), default="keep", show_default=True,
              help="Whether the picture gets the EXIF and XMP that the file holds.")
@click.option("--region", type=Region(), help="Decode only this part, in pixels; of a large picture, the tiles it lies in.")
@click.option("--preview", is_flag=True, help="Decode the coarse part alone, in less time.")
@click.option("--salvage", is_flag=True, help="Decode what is whole in a damaged file, cross out what is not, and say which. "
              f"Exit status {DAMAGED} if anything was.")
@max_pixels_option
@jobs_option
@threads_option
@force_option
@quiet_option
def decode(names, output, background, metadata, salvage, count, threads, force, quiet, **options) -> None:
    """Decode .mtm files to pictures (PNG unless the output's name says otherwise)."""
    targets = files.targets_for(names, output, ".png")
    work = functools.partial(decode_file, background=background, strip=metadata == "strip", salvage=salvage)
    coded(work, targets, "decoding", count, threads, force, quiet, options)


def decode_file(
    name: str, targets: dict[str, str], force: bool, options: dict, background: str | None, strip: bool, salvage: bool
) -> jobs.Report:
    """One file; ``options``: `codec.decode`'s. Notices of what was damaged, with ``salvage``."""
    from metamer.codec import coding, outputs

    target = targets[name]
    damage: tuple[str, ...] = ()
    format = outputs.find(".png" if target == files.STREAM else Path(target).suffix)
    files.check_free(target, force, name)
    data = files.read(name)
    if salvage:
        salvaged = coding.rescue(data, **options)
        picture, damage = salvaged.picture, salvaged.damage
    else:
        picture = coding.decode(data, **options)
    written = outputs.to_bytes(picture, format, background, strip)
    files.write(target, written, force)
    return jobs.Report(damage, f"{name} → {target} {terminal.size(len(data))} → {terminal.size(len(written))}, "
                       f"{picture.width}x{picture.height}")


@main.command()
@files_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def info(names, as_json) -> None:
    """Say what .mtm files hold, and which decoders they can be decoded with besides the model's own."""
    from metamer.codec import coding

    if sys.stdout is None:
        raise FileError("standard output is closed")

    def work(name: str) -> jobs.Report:
        found = coding.info(files.read(name))
        if as_json:
            click.echo(json.dumps({"file": name, **dataclasses.asdict(found), "bpp": round(found.bpp, 5)}))
        else:
            model = found.model or f"{found.model_id} (not installed)"
            how = "lossless" if found.lossless else f"quality {found.quality:g}, model {model}"
            some = [f"{count} {form}" for form, count in found.forms.items() if form != "networks" and not found.lossless]
            how += f" ({', '.join(some)})" if some else ""
            others = f", decoders {' '.join(found.decoders)}" if found.decoders else ""
            tiles = f" in {found.tiles} tiles" if found.tiles else ""
            kind = " grey" if found.grey else ""
            held = "".join(f", {kind} {size} bytes" for kind, size in found.sections.items())
            line = (f"{name}: {found.width}x{found.height}{kind}{tiles}, {found.bytes} bytes, {found.bpp:.3f} bpp, "
                    f"{how}, format {found.version}{held}{others}")
            click.echo(terminal.printable(line))
        return jobs.Report()

    each(names, "reading", work)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others can reach only what is "
              "not of this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="0 takes any that is free.")
def serve(folder, host, port) -> None:
    """Show the pictures of FOLDER, .mtm files among them, on a page for browsers of this machine. Ctrl-C ends it."""
    from metamer.codec import serving

    with serving.Server(folder, host, port) as server:
        click.echo(server.address)
        server.serve_forever()


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completions(shell: str) -> None:
    """Print what completes this command in SHELL.

    For bash: metamer completions bash > ~/.local/share/bash-completion/completions/metamer. For zsh: into a file _metamer in
    a folder of $fpath. For fish: > ~/.config/fish/completions/metamer.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "metamer", "_METAMER_COMPLETE").source())


data_option = click.option("--data", "folders", type=click.Path(path_type=Path), required=True, multiple=True,
                           help="Pictures to train on; its validation.txt is held out. Repeatable.")


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@data_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoint and log.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in --out.")
@click.option("--start", type=click.Path(path_type=Path), help="Begin from this shipped model, model file or checkpoint.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE",
              help="Another value for a key of the recipe, as YAML: --set 'distortion={dists: 1}', --set stages.0.steps=50.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=float("inf"), show_default=False,
              help="Stop after so many minutes of training, with a checkpoint; --resume goes on.")
def train(recipe, folders, out, resume, start, assignments, minutes) -> None:
    """Train a codec or a perceptual space as RECIPE says."""
    from metamer.train import command

    if resume and start:
        raise click.UsageError("--resume continues a run as it was begun; it takes no --start")
    command.train(recipe, folders, out, resume, start, assignments, minutes)


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@data_option
@click.option("--ratings", type=click.Path(path_type=Path), help="TID2013, or what `metamer metrics resimulate` wrote.")
@click.option("--encoders-only", is_flag=True, help="Score the decoders of plain reconstruction alone: half the time.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the trainings, figures and tables.")
def sweep(recipe, folders, ratings, encoders_only, out) -> None:
    """Train PerceptNet at every point of RECIPE's grid and score each layer against human RATINGS.

    What is finished stays, what was interrupted goes on.
    """
    from metamer.evaluation.probes import perceptnet_sweep as sweeps
    from metamer.train.spaces import sweep as trainings

    points = trainings.run(recipe, folders, out)
    if ratings:
        click.echo(sweeps.score_sweep(points, ratings, out, decoders=not encoders_only))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", "folders", type=click.Path(path_type=Path), multiple=True,
              help="Photographs to count a codec's coding tables on. Repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; default: in RUN.")
@click.option("--name", default="custom", show_default=True, help="The codec's or decoder's name.")
@click.option("--crops", type=click.IntRange(1), default=512, show_default=True, help="Crops to count tables on.")
@click.option("--slider/--no-slider", default=None, help="Whether a decoder keeps the model's own weights beside its own, for "
              "decode --realism. Default: if it was trained with a critic.")
@click.option("--tradeoff", "tradeoffs", type=Finite(0, min_open=True), multiple=True, help="What a squared quantiser step is "
              "worth in bits to a codec's encoder, from the lowest level up, the last for all above; repeatable; default 22.")
@click.option("--worth", type=Finite(0, min_open=True), multiple=True, help="How much more that is in each group of latents, "
              "from the coarsest on, times the square of its step; repeatable, once for each group. Default: all alike.")
@click.option("--masking", type=Finite(0, 2), help="How much a codec's encoder spares smooth places at the cost of texture; "
              "default 0, 1 as structural similarity does.")
@click.option("--web", is_flag=True, help="RUN is a shipped model or a model file: write it and its decoders as files for "
              "browsers, into the folder that --output names; default: models.")
@force_option
def export(run, folders, output, name, crops, slider, tradeoffs, worth, masking, web, force) -> None:
    """Turn a training run into a file.

    A codec becomes a model, which encode and decode load; where the decoder alone was trained, a decoder file, which decode
    loads; a perceptual space its weights.
    """
    if web:
        from metamer.train import web_export

        folder = output or Path("models")
        for file, size in web_export.export(str(run), folder).items():
            click.echo(f"{folder / file}: {size / 1e6:.2f} MB")
        return
    from metamer.codec import decoders
    from metamer.codec.model import SUFFIX
    from metamer.train import command

    kind = command.kind(run)
    if kind == "codec" and not folders:
        raise click.UsageError("a codec's coding tables are counted on photographs: give --data")
    if slider is not None and kind != "decoder":
        raise click.UsageError("--slider is for runs that trained a decoder alone")
    encoder = {key: value for key, value in
               (("tradeoff", list(tradeoffs)), ("worth", list(worth)), ("masking", masking)) if value not in ([], None)}
    if encoder and kind != "codec":
        raise click.UsageError("--tradeoff, --worth and --masking are for runs that trained an encoder")
    usual = {"codec": f"model{SUFFIX}", "decoder": f"synthesis{decoders.SUFFIX}", "space": "weights.safetensors"}
    output = output or run / usual[kind]
    files.check_free(str(output), force)
    if not output.parent.is_dir():
        raise FileError(f"{output.parent}: no such folder")
    click.echo(f"{output}: {command.export(run, folders, output, name, crops, slider, encoder)}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--codec", "codecs", multiple=True, metavar="CODEC",
              help="Repeatable: PEER or PEER:OPTION=VALUE,… (jpeg:subsampling=4:4:4); MODEL, MODEL+DECODER or "
              "MODEL+DECODER@REALISM; compressai:NETWORK[@CHECKPOINT]; a program's FILE.toml. Default: base and all PEERs.")
@click.option("-m", "--metric", "specs", multiple=True, metavar="NAME[:OPTION=VALUE,…]",
              help="Distance to measure by; repeatable. Default: psnr and ms-ssim.")
@click.option("--quality", "settings", multiple=True, metavar="[CODEC=]N,N,…",
              help="Settings to measure at, of all codecs or of one; repeatable. Default: some over a codec's range.")
@click.option("--bpp", "targets", type=Finite(0, min_open=True), multiple=True,
              help="Instead, encode every picture as near as can be to this many bits a pixel; repeatable.")
@click.option("--keep", is_flag=True, help="With --bpp: write what was decoded into OUT/decoded/CODEC@BPP/.")
@click.option("--realism", "with_realism", is_flag=True, help="With --bpp: also FID/256, KID and more, codec by codec.")
@click.option("--critic", type=click.Choice(["squeezenet", "alexnet", "vgg16"]), metavar="NETWORK",
              help="With --realism: also divergences that a critic finds, as of `metamer metrics realism`.")
@click.option("--sheet", type=Finite(0, min_open=True), metavar="BPP", help="With --bpp: draw crops at this one side by side.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for rows, table and figure.")
@click.option("--anchor", help="Codec that others are compared with; default: jpeg, with --bpp the first codec.")
@click.option("--published", "beside", multiple=True, metavar="NAME",
              help="On Kodak: draw and compare with published figures (vtm, elic2022, …); repeatable.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes, each with a picture of its own.")
def evaluate(folder, codecs, specs, settings, targets, keep, with_realism, critic, sheet, out, anchor, beside, jobs) -> None:
    """Measure rate and distortion on the pictures of FOLDER, against real peers.

    Over a range of settings, with BD-rates; or at equal rates (--bpp), with differences picture by picture.
    """
    from metamer.evaluation.codecs import registry as coders
    from metamer.evaluation.rate import matched_rates as matched
    from metamer.evaluation.rate import rate_distortion

    if (keep or sheet or with_realism) and not targets:
        raise click.UsageError("--keep, --realism and --sheet go with --bpp")
    if critic and not with_realism:
        raise click.UsageError("--critic goes with --realism")
    if (settings or beside) and targets:
        raise click.UsageError(f"give --{'quality' if settings else 'published'} or --bpp, not both")
    names, specs = codecs or ("base", *coders.pillow_codecs()), specs or rate_distortion.DEFAULT_METRICS
    if targets:
        click.echo(
            matched.evaluate_at_rates(folder, names, out, targets, anchor, specs, jobs, keep, sheet, with_realism, critic)
        )
    else:
        click.echo(rate_distortion.evaluate_over_settings(folder, names, out, anchor or "jpeg", specs, settings, jobs, beside))


@main.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--codec", "codecs", multiple=True, metavar="CODEC", help="As for evaluate; repeatable.")
@click.option("--bpp", type=Finite(0, min_open=True), default=0.5, show_default=True, help="Rate at which all are measured.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Runs that a median is taken of.")
@click.option("--threads", multiple=True, type=click.IntRange(1), default=(1, 2), show_default=True, help="Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="JSON, with versions and machine.")
def complexity(picture, codecs, bpp, runs, threads, as_json) -> None:
    """Measure what codecs take on PICTURE: multiply-accumulates a pixel, parameters, seconds and memory.

    Every codec runs in processes of its own. Leave the machine idle meanwhile.
    """
    from metamer.evaluation.codecs import registry as coders
    from metamer.evaluation.measure import complexity as measuring

    found = measuring.measure_complexity(codecs or ("base", *coders.pillow_codecs()), picture, bpp, runs, threads)
    click.echo(json.dumps(found, indent=1) if as_json else measuring.complexity_table(found))


if __name__ == "__main__":
    main()
