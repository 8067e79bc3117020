"""Perceptual efficacy drawn and tried: tables, tuning curves, and what chosen channels still know of a photograph."""

import csv
import io
from pathlib import Path

from codec import files
from evaluation import plots
from evaluation.images import from_tensor, read_image, to_tensor
from evaluation.probes import recovery
from perception.backbones.efficacy import measure_tuning
from perception.backbones.imagenet import Network
from perception.distances.features import DEFAULT_LAYER, Features
from perception.registry import create

SUBSETS = ("all", "H-10", "L-10")
SMOOTHNESS = 1.0  # weight of total variation against the feature loss over its value at mid-grey; the inversion's prior


def efficacy_csv(measured: dict) -> str:
    """Every channel of every layer as CSV: layer, channel, μ₁, μ₂, efficacy."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("layer", "channel", "frequency_sensitivity", "orientation_selectivity", "efficacy"))
    for layer, tuning in measured.items():
        columns = (tuning.frequency_sensitivity, tuning.orientation_selectivity, tuning.efficacy)
        for channel, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            rows.writerow((layer, channel, *(f"{value:.6g}" for value in values)))
    return text.getvalue()


def draw_inversions(network: str, layer: str, photo: Path, steps: int, out: Path) -> None:
    """The photograph's central 176² pixels, reconstructed from noise through all channels of a layer, through H-10 and through
    L-10 (Mahendran & Vedaldi, CVPR 2015, with a total variation prior; Tariq et al. 2020, section 5.4)."""
    reference = recovery.centre_crop(to_tensor(read_image(photo)), 176)
    begin = 0.5 + 0.1 * (recovery.starting_image(reference, "noise") - 0.5)  # faint noise about mid-grey
    pictures = [(from_tensor(reference), "photograph")]
    for subset in SUBSETS:
        distance: Features = create("features", network=network, layer=layer, channels=subset)
        scale = distance(reference, reference.new_full(reference.shape, 0.5)).item()
        image = recovery.minimise_distance(distance, reference, begin, steps, SMOOTHNESS * scale)
        pictures.append((from_tensor(image), f"{subset} ({len(distance.used)} channels)"))
    plots.plot_contact_sheet(pictures, out, f"{network} {layer}: what each set of channels keeps", columns=len(pictures))


def study_channels(
    network: str, layer: str | None, photo: Path | None, steps: int, out: Path, pixels_per_degree: float
) -> list[Path]:
    """Measures a network afresh at a viewing distance; returns the files written.

    They are the table, the layer's curves and, with a photograph, its reconstructions, whose channels are chosen by the table
    that comes along.
    """
    net = Network(network)
    layer = net.check(layer or DEFAULT_LAYER[net.name])
    measured = measure_tuning(net, pixels_per_degree)
    written = [out / "efficacy.csv", out / f"tuning_{net.name}_{layer}.png"]
    files.write(str(written[0]), efficacy_csv(measured).encode())
    plots.plot_tuning(measured[layer], f"{net.name} {layer}", written[1])
    if photo:
        written.append(out / f"inversion_{net.name}_{layer}.png")
        draw_inversions(net.name, layer, photo, steps, written[-1])
    return written
