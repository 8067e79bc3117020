"""The pages' figures that follow from recorded results.

The others show what no record holds: photographs, codewords, tuning curves. The commands named
beside them draw those.
"""

from pathlib import Path

from metamer.evaluation import plots
from metamer.evaluation.probes.invariance.behaviour import Behaviour, plot_behaviours
from metamer.evaluation.probes.macadam import plot_macadam
from metamer.evaluation.probes.perceptnet_sweep.sweep import (
    ScoredPoint,
    plot_layers,
    plot_parameters,
)
from metamer.evaluation.ratings.judging import Verdict
from metamer.evaluation.ratings.resimulation.dataset import TITLE
from metamer.evaluation.ratings.verdicts import first_statistic, layer_curves
from metamer.evaluation.results import folders
from metamer.perception.backbones.imagenet import NETWORKS
from research.recorded_results import read_results


def draw_figures(folder: Path) -> None:
    """Draws all of them. folder: research/figures."""
    perception = folder / "perception"
    plot_macadam(perception / "macadam.png")
    draw_agreement(perception)
    draw_sweep(perception)
    tolerances = [Behaviour(**row) for row in read_results("tolerance")]
    plot_behaviours(
        tolerances,
        "Distance, relative to noise of equal mean squared error",
        perception / "tolerance.png",
        logarithmic=True,
    )
    sliders = folders.parse_summaries(read_results("realism", "train")["summaries"])
    plots.plot_realism_plane(sliders, "psnr", folder / "train" / "slider.png")
    draw_long_run(folder / "train" / "long_run.png")


def draw_long_run(path: Path) -> None:
    """The long run of `base`: validation over processor time, part by part."""
    figure, (panel,) = plots.new_panels(1, 8, 4.6)
    parts = read_results("long-run", "train")["parts"]
    for number, (part, colour) in enumerate(zip(parts, plots.COLOURS, strict=False), 1):
        label = f"{number}: {part['name']}"
        panel.plot(part["core_hours"], part["bd_rate"], ".-", color=colour, label=label)
    panel.set_xlabel("Hours of one core")
    panel.set_ylabel("Rate at equal PSNR against the former base, %")
    panel.legend()
    plots.save_figure(figure, path)


def draw_agreement(folder: Path) -> None:
    """Agreement with people of every distance, and of every layer of the networks."""
    verdicts = [Verdict(**row) for row in read_results("tid2013-resim")]
    plots.plot_intervals(first_statistic(verdicts), TITLE, folder / "tid2013_resim.png")
    for name, title in (
        ("layers", TITLE),
        ("layers-live", f"{TITLE}: LIVE's four types"),
    ):
        verdicts = [Verdict(**row) for row in read_results(f"tid2013-resim-{name}")]
        for network in NETWORKS:
            path = folder / f"{name.replace('-', '_')}_{network}.png"
            plots.plot_steps({network: layer_curves(verdicts, network)}, title, path)


def draw_sweep(folder: Path) -> None:
    """The sweep of PerceptNets by layer, and by what they were trained for."""
    sweep = read_results("perceptnet-sweep")
    points = {name: ScoredPoint(**point) for name, point in sweep["points"].items()}
    plot_layers(points, sweep["ratings"], folder / "perceptnet_layers.png")
    plot_parameters(
        points, sweep["references"], sweep["ratings"], folder / "perceptnet_parameters.png"
    )
