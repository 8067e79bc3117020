"""`metamer metrics`: distances listed, compared, judged, and searched for blind spots."""

import json
import math
from collections.abc import Collection, Iterable
from pathlib import Path

import click

from metamer.codec.errors import MetamerError
from metamer.commands.options import json_option, make_folder, metric_option, out_option
from metamer.perception.errors import PerceptionError
from metamer.perception.registry import from_spec
from metamer.perception.registry import metrics as registered

DEFAULT_METRICS = ("psnr", "cielab", "ms-ssim", "haarpsi", "lpips-squeeze")
OPINION_SETS = ("tid2013", "tid2008", "kadid-10k", "csiq", "live")
CHOICES = ("bapps-2afc", "bapps-jnd")


@click.group()
def metrics() -> None:
    """Distances between images: what there is, what they say, whom to trust."""


def usable_distances(names: Iterable[str], side: float) -> Iterable:
    """The distances of these names whose weights and packages are here and that take images of
    ``side`` pixels; the others are named on stderr.
    """
    for name in names:
        try:
            distance = from_spec(name)
            if distance.min_side <= side:
                yield distance
            else:
                click.echo(f"left out {name}: it needs {distance.min_side} pixels a side", err=True)
        except PerceptionError as problem:
            click.echo(f"left out {name}: {problem}", err=True)


def chosen_distances(
    specs: Collection[str], default: Iterable[str], side: float = math.inf
) -> list:
    """The distances asked for, once each; `all` and defaults mean those that are usable."""
    if not specs and "all" not in default:
        return list(usable_distances(default, side))
    distances = [
        d
        for spec in specs or default
        for d in (usable_distances(registered(), side) if spec == "all" else [from_spec(spec)])
    ]
    return list({distance.label: distance for distance in distances}.values())


def number_text(number: float) -> str:
    """A number to four significant digits, in few characters."""
    return "∞" if number == math.inf else "−∞" if number == -math.inf else f"{number:.4g}"


@metrics.command("list")
@json_option
def list_metrics(as_json: bool) -> None:
    """List every distance with what one must know of it."""
    rows = [
        {
            "name": m.name,
            "aliases": m.aliases,
            "title": m.title,
            "paper": m.paper,
            "family": m.family,
            "range": [None if math.isinf(end) else end for end in (m.low, m.high)],
            "identical": m.best,
            "better": "higher" if m.higher_is_better else "lower",
            "true_distance": m.true_distance,
            "trainable": m.trainable,
            "min_side": m.min_side,
            "weights": m.weights,
            "package": m.package,
        }
        for m in registered().values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    click.echo(
        f"{'name':<14} {'better':<7} {'range':<11} {'min side':>8}  {'train':<5} {'needs':<28} "
        "title (paper)"
    )
    for metric, row in zip(registered().values(), rows, strict=True):
        needs = ", ".join((*metric.weights, *filter(None, [metric.package]))) or "–"
        span = f"{number_text(metric.low)} … {number_text(metric.high)}"
        click.echo(
            f"{metric.name:<14} {row['better']:<7} {span:<11} {metric.min_side:>8}  "
            f"{'yes' if metric.trainable else 'no':<5} {needs:<28} {metric.title} ({metric.paper})"
        )


@metrics.command()
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE…"
)
@metric_option
@json_option
def compare(
    reference: Path, images: tuple[Path, ...], specs: tuple[str, ...], as_json: bool
) -> None:
    """Measure IMAGEs against REFERENCE."""
    import torch

    from metamer.evaluation.images import read_image, to_tensor

    original = to_tensor(read_image(reference))
    distances = chosen_distances(specs, DEFAULT_METRICS, min(original.shape[-2:]))
    rows = []
    for path in images:
        picture = to_tensor(read_image(path))
        if picture.shape != original.shape:
            sizes = [
                "{}x{}".format(*reversed(shape[-2:])) for shape in (picture.shape, original.shape)
            ]
            raise MetamerError(f"{path} has {sizes[0]} pixels, the reference {sizes[1]}")
        with torch.no_grad():
            rows.append(
                {
                    "image": str(path),
                    **{
                        distance.label: distance(original, picture).item() for distance in distances
                    },
                }
            )
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max(len(str(path)) for path in images)
    click.echo(
        " " * width
        + "".join(f"  {distance.label:>{max(9, len(distance.label))}}" for distance in distances)
    )
    for row in rows:
        values = (f"  {number_text(row[d.label]):>{max(9, len(d.label))}}" for d in distances)
        click.echo(f"{row['image']:<{width}}" + "".join(values))


@metrics.command()
@click.argument("dataset", type=click.Choice([*OPINION_SETS, *CHOICES]))
@click.argument("folder", type=click.Path(path_type=Path))
@metric_option
@click.option(
    "--layers",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Also every layer of this network, over all channels and by perceptual efficacy; "
    "repeatable.",
)
@click.option(
    "--kind", "kinds", multiple=True, help="Judge by this type of distortion alone; repeatable."
)
@out_option
def judge(
    dataset: str,
    folder: Path,
    specs: tuple[str, ...],
    networks: tuple[str, ...],
    kinds: tuple[str, ...],
    out: Path,
) -> None:
    """Score distances against the human ratings of DATASET, unpacked in FOLDER.

    Writes values.jsonl (an interrupted run continues), verdicts.json, table.txt and plots into
    --out.
    """
    from metamer.evaluation.images import read_image
    from metamer.evaluation.measure.panel import Panel
    from metamer.evaluation.ratings import datasets, judging, resimulation
    from metamer.evaluation.ratings import verdicts as reports
    from metamer.perception.distances.features import LayerSweep

    if dataset in OPINION_SETS:
        judged, work = datasets.load_opinions(dataset, folder), judging.judge_opinions
        first = judged.items[0].image
    elif dataset == "bapps-2afc":
        judged, work = datasets.load_triplets(folder), judging.judge_choices
        first = judged[0].first
    else:
        judged, work = datasets.load_pairs(folder), judging.judge_pairs
        first = judged[0].first
    side = min(read_image(first).size)
    panel = Panel(
        chosen_distances(specs, () if networks else ["all"], side), map(LayerSweep, networks)
    )
    verdicts = work(judged, panel, make_folder(out), kinds)
    title = resimulation.TITLE if (folder / resimulation.ENTRIES).exists() else dataset
    click.echo(reports.write_verdicts(verdicts, title, out, networks))


@metrics.command()
@click.argument("kodak", type=click.Path(path_type=Path))
@click.argument("ratings_folder", metavar="TID2013", type=click.Path(path_type=Path))
@out_option
def resimulate(kodak: Path, ratings_folder: Path, out: Path) -> None:
    """Re-create what can be of TID2013 from KODAK's photographs: an approximation, in TID2013's
    layout.

    TID2013 is the set's folder with mos_with_names.txt; where it has images.csv and images/, true
    pictures of the set, ours are compared with them.
    """
    from metamer.evaluation.ratings import resimulation

    resimulation.resimulate(kodak, ratings_folder, make_folder(out))
    if (ratings_folder / "images.csv").exists():
        click.echo(f"{'file':<14} {'made by':<8} {'level':>5} {'PSNR dB':>8}  values that differ")
        for row in resimulation.validate(kodak, ratings_folder):
            click.echo(
                f"{row['file']:<14} {row['made']:<8} {row['level']:>5} {row['psnr']:>8.3f}  "
                f"{row['differing']:.1%}"
            )


@metrics.command()
@click.argument("reference", type=click.Path(path_type=Path))
@metric_option
@click.option(
    "--start",
    type=click.Choice(["noise", "jpeg"]),
    default="noise",
    show_default=True,
    help="Image to start from.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Steps of gradient descent.",
)
@click.option(
    "--side",
    type=click.IntRange(161),
    default=176,
    show_default=True,
    help="Size of the central crop that is used.",
)
@out_option
def recover(
    reference: Path, specs: tuple[str, ...], start: str, steps: int, side: int, out: Path
) -> None:
    """Search for blind spots: recover REFERENCE from noise by minimising each distance alone (Ding
    et al. 2021).

    Writes a picture for each distance, recoveries-START.json and a contact sheet into --out;
    results already there are kept.
    """
    from metamer.evaluation.probes import recovery

    trainable = [name for name, metric in registered().items() if metric.trainable]
    image = recovery.read_centre(reference, side)
    distances = chosen_distances([spec for spec in specs if spec != "all"], trainable, side)
    click.echo(recovery.run_recoveries(image, distances, start, steps, make_folder(out)))


@metrics.command()
@click.argument("network")
@click.option("--layer", help="Layer to draw; default: the network's feature-loss layer.")
@click.option(
    "--photo",
    type=click.Path(path_type=Path),
    help="Also reconstruct this photograph from the chosen channels.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Steps of each reconstruction.",
)
@click.option(
    "--pixels-per-degree",
    type=click.FloatRange(8, 240),
    default=32,
    show_default=True,
    help="Viewing distance.",
)
@out_option
def efficacy(
    network: str,
    layer: str | None,
    photo: Path | None,
    steps: int,
    pixels_per_degree: float,
    out: Path,
) -> None:
    """Measure how much NETWORK's channels behave like human vision (Tariq et al. 2020).

    Writes efficacy.csv (every channel of every layer) and the tuning curves of one layer into
    --out.
    """
    from metamer.evaluation.probes import channel_tuning

    for path in channel_tuning.study_channels(
        network, layer, photo, steps, make_folder(out), pixels_per_degree
    ):
        click.echo(path)


@metrics.command()
@click.argument("photos", type=click.Path(path_type=Path))
@metric_option
@out_option
def tolerance(photos: Path, specs: tuple[str, ...], out: Path) -> None:
    """Test how little small shifts and changes of scale matter, on PHOTOS (those its validation.txt
    names, if it has one).

    A changed picture's distance is given relative to that of noise of equal mean squared error:
    below 1 is tolerant.
    """
    from metamer.evaluation.images import held_out_paths
    from metamer.evaluation.probes import invariance

    click.echo(
        invariance.study_tolerance(
            held_out_paths(photos),
            chosen_distances(specs, invariance.DEFAULT_DISTANCES),
            make_folder(out),
        )
    )


@metrics.command()
@click.argument(
    "clips",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="CLIP…",
)
@metric_option
@out_option
def neighbours(clips: tuple[Path, ...], specs: tuple[str, ...], out: Path) -> None:
    """Test whether neighbouring frames of video are found closer than others. CLIPs are folders of
    numbered frames.
    """
    from metamer.evaluation.probes import invariance

    # before distances are loaded: a wrong folder is reported at once, and alone
    frames = invariance.read_clips(clips)
    click.echo(
        invariance.study_neighbours(
            frames, chosen_distances(specs, invariance.DEFAULT_DISTANCES), make_folder(out)
        )
    )


@metrics.command()
@click.argument("references", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "--features",
    "layer",
    default="squeezenet:fire5",
    show_default=True,
    metavar="NETWORK:LAYER",
    help="Features of a Fréchet distance beside Inception's.",
)
@click.option(
    "--pim",
    default="pim",
    show_default=True,
    metavar="WEIGHTS",
    help="PIM's weights: their name, or a .safetensors file.",
)
@click.option(
    "--critic",
    type=click.Choice(["squeezenet", "alexnet", "vgg16"]),
    metavar="NETWORK",
    help="Also train a critic on features of half of the pictures, and report what it finds on "
    "the other half. "
    "NETWORK is squeezenet, alexnet or vgg16: one that the codec was not trained on.",
)
@json_option
def realism(
    references: Path, images: Path, layer: str, pim: str, critic: str | None, as_json: bool
) -> None:
    """Measure how far the pictures of IMAGES, as a set, lie from those of REFERENCES, which are
    called the same.

    FID/256, KID, Fréchet distances in a layer of a network and in PIM's z, and with --critic what a
    critic finds; each with a 95 % interval over pictures.
    """
    from metamer.evaluation.realism import comparison, measures

    result = comparison.compare_folders(references, images, layer, pim, critic)
    for line in measures.small_sample_cautions(result):
        click.echo(line, err=True)
    click.echo(json.dumps(result, indent=1) if as_json else measures.realism_text(result))


@metrics.command()
@click.argument("photos", type=click.Path(path_type=Path))
@out_option
def detection(photos: Path, out: Path) -> None:
    """Compare visibility with its teacher on PHOTOS (those its validation.txt names, if it has
    one), at every JPEG quality.

    Writes detection.json and detection.png into --out; an interrupted run continues.
    """
    from metamer.evaluation.images import held_out_paths
    from metamer.evaluation.probes import detection as study

    click.echo(study.study_detection(held_out_paths(photos), make_folder(out)))
