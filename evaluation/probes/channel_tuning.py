"""Perceptual efficacy drawn and tried: tables, tuning curves, and what chosen channels still know
of a photograph.
"""

import csv
import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.images import centre_crop, from_tensor, read_image, to_tensor
from metamer.evaluation.plots.style import COLOURS, MUTED, new_panels, save_figure
from metamer.evaluation.probes import recovery
from metamer.perception.backbones.efficacy import (
    ChannelTuning,
    contrast_sensitivity,
    measure_tuning,
    peak_frequency,
)
from metamer.perception.backbones.imagenet import Network
from metamer.perception.distances.features import DEFAULT_LAYER, Features
from metamer.perception.registry import create

SUBSETS = ("all", "H-10", "L-10")
# weight of total variation against the feature loss over its value at mid-grey; the inversion's
# prior
SMOOTHNESS = 1.0
Groups = dict[str, tuple[list[int], str]]  # name → channels, colour


def efficacy_csv(measured: dict) -> str:
    """Every channel of every layer as CSV: layer, channel, μ₁, μ₂, efficacy."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ("layer", "channel", "frequency_sensitivity", "orientation_selectivity", "efficacy")
    )
    for layer, tuning in measured.items():
        columns = (tuning.frequency_sensitivity, tuning.orientation_selectivity, tuning.efficacy)
        for channel, values in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            rows.writerow((layer, channel, *(f"{value:.6g}" for value in values)))
    return text.getvalue()


def plot_tuning(measured: ChannelTuning, layer: str, path: Path, share: float = 0.1) -> None:
    """How a layer's channels answer to gratings: tuning curves of some with the highest and the
    lowest efficacy, and all channels by μ₁ and μ₂ with the chosen ones marked (Tariq et al. 2020,
    figures 2 and 3).
    """
    order = measured.efficacy.argsort().tolist()
    count = max(1, round(share * len(order)))
    groups = {
        f"H-{100 * share:g}": (order[-count:], COLOURS[0]),
        f"L-{100 * share:g}": (order[:count], COLOURS[1]),
    }
    figure, (left, middle, right) = new_panels(3, 5.2, 4.4)
    draw_tuning_curves(left, measured.frequency.numpy(), measured.by_frequency, groups)
    sensitivity = left.twinx()
    sensitivity.plot(
        measured.frequency, contrast_sensitivity(measured.frequency), color=MUTED, linestyle="--"
    )
    sensitivity.set(ylabel="contrast sensitivity (dashed)", ylim=(0, None))
    left.set(
        xlabel="cycles per degree", ylabel="mean activation", title=f"{layer}: radial gratings"
    )
    angles = np.arange(len(measured.by_orientation)) * 180 / len(measured.by_orientation)
    draw_tuning_curves(middle, angles, measured.by_orientation, groups)
    middle.set(
        xlabel="orientation (degrees)",
        title=f"oriented gratings at {peak_frequency():.1f} cycles per degree",
    )
    draw_channels(right, measured, groups)
    for panel in (left, middle, right):
        panel.legend()
    save_figure(figure, path)


def draw_tuning_curves(panel: Axes, at: np.ndarray, activation: Tensor, groups: Groups) -> None:
    """The tuning curves of four channels of each group. activation: (K, C) at K gratings."""
    for name, (chosen, colour) in groups.items():
        for number, channel in enumerate(chosen[:: max(1, len(chosen) // 4)][:4]):
            label = name if number == 0 else None
            panel.plot(at, activation[:, channel], color=colour, linewidth=1.4, label=label)


def draw_channels(panel: Axes, measured: ChannelTuning, groups: Groups) -> None:
    """All channels by μ₁ and μ₂."""
    first, second = measured.frequency_sensitivity, measured.orientation_selectivity
    floor = 1e-9  # channels that never answer stay on the logarithmic axes
    panel.scatter(first + floor, second + floor, s=14, color=COLOURS[7], label="other channels")
    for name, (chosen, colour) in groups.items():
        panel.scatter(first[chosen] + floor, second[chosen] + floor, s=18, color=colour, label=name)
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="μ₁, frequency sensitivity",
        ylabel="μ₂, orientation selectivity",
        title="chosen channels",
    )


def draw_inversions(network: str, layer: str, photo: Path, steps: int, out: Path) -> None:
    """The photograph's central 176² pixels, reconstructed from noise through all channels of a
    layer, through H-10 and through L-10 (Mahendran & Vedaldi, CVPR 2015, with a total variation
    prior; Tariq et al. 2020, section 5.4).
    """
    reference = centre_crop(to_tensor(read_image(photo)), 176)
    # faint noise about mid-grey
    begin = 0.5 + 0.1 * (recovery.starting_image(reference, "noise") - 0.5)
    pictures = [(from_tensor(reference), "photograph")]
    for subset in SUBSETS:
        distance: Features = create("features", network=network, layer=layer, channels=subset)
        scale = distance(reference, reference.new_full(reference.shape, 0.5)).item()
        image = recovery.minimise_distance(distance, reference, begin, steps, SMOOTHNESS * scale)
        pictures.append((from_tensor(image), f"{subset} ({len(distance.used)} channels)"))
    plots.plot_contact_sheet(
        pictures, out, f"{network} {layer}: what each set of channels keeps", columns=len(pictures)
    )


def study_channels(
    network: str,
    layer: str | None,
    photo: Path | None,
    steps: int,
    out: Path,
    pixels_per_degree: float,
) -> list[Path]:
    """Measures a network afresh at a viewing distance; returns the files written.

    They are the table, the layer's curves and, with a photograph, its reconstructions, whose
    channels are chosen by the table that comes along.
    """
    net = Network(network)
    layer = net.check(layer or DEFAULT_LAYER[net.name])
    measured = measure_tuning(net, pixels_per_degree)
    written = [out / "efficacy.csv", out / f"tuning_{net.name}_{layer}.png"]
    files.write_file(str(written[0]), efficacy_csv(measured).encode())
    plot_tuning(measured[layer], f"{net.name} {layer}", written[1])
    if photo:
        written.append(out / f"inversion_{net.name}_{layer}.png")
        draw_inversions(net.name, layer, photo, steps, written[-1])
    return written
