"""`metamer metrics judge`, `resimulate` and `calibrate`: distances against human ratings."""

from pathlib import Path

import click

from metamer.commands.metrics.chosen import chosen_distances
from metamer.commands.options import make_folder, metric_option, out_option

OPINION_SETS = ("tid2013", "tid2008", "kadid-10k", "csiq", "live")
CHOICES = ("bapps-2afc", "bapps-jnd")


@click.command()
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
    from metamer.evaluation.ratings import datasets, judging
    from metamer.evaluation.ratings import verdicts as reports
    from metamer.evaluation.ratings.resimulation.dataset import ENTRIES, TITLE
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
    title = TITLE if (folder / ENTRIES).exists() else dataset
    click.echo(reports.write_verdicts(verdicts, title, out, networks))


@click.command()
@click.argument("kodak", type=click.Path(path_type=Path))
@click.argument("ratings_folder", metavar="TID2013", type=click.Path(path_type=Path))
@out_option
def resimulate(kodak: Path, ratings_folder: Path, out: Path) -> None:
    """Re-create what can be of TID2013 from KODAK's photographs: an approximation, in TID2013's
    layout.

    TID2013 is the set's folder with mos_with_names.txt; where it has images.csv and images/, true
    pictures of the set, ours are compared with them.
    """
    from metamer.evaluation.ratings.resimulation import dataset, validation

    dataset.resimulate(kodak, ratings_folder, make_folder(out))
    if (ratings_folder / "images.csv").exists():
        click.echo(f"{'file':<14} {'made by':<8} {'level':>5} {'PSNR dB':>8}  values that differ")
        for row in validation.validate(kodak, ratings_folder):
            click.echo(
                f"{row['file']:<14} {row['made']:<8} {row['level']:>5} {row['psnr']:>8.3f}  "
                f"{row['differing']:.1%}"
            )


@click.command()
@click.argument("scores", type=click.Path(path_type=Path))
@out_option
def calibrate(scores: Path, out: Path) -> None:
    """Find how many just noticeable differences a JOD of ColorVideoVDP is.

    SCORES is jpeg_aic4_metric_scores.csv of JPEG-AIC-4-datasets. Writes jnd-scale.json into --out.
    """
    from metamer.evaluation.ratings import jnd_scale

    click.echo(jnd_scale.study_jnd(scores, make_folder(out)))
