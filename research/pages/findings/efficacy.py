"""Perceptual efficacy: whether channels tuned as human vision is agree better with people."""

import re
from collections.abc import Iterable

import numpy as np

from metamer.evaluation.intervals import bootstrap_interval
from metamer.perception.backbones.efficacy import silent_share
from research.pages.findings.finding import (
    CANNOT_TELL,
    NOT_REPRODUCED,
    REPRODUCED,
    Finding,
    signed_interval,
)
from research.pages.findings.restorers import restorer_finding
from research.recorded_results import read_results

TARIQ = "Perceptual efficacy (Tariq et al. 2020)"
LOWEST = 0.1  # of a layer's channels, which L-10 holds


def layer_differences(name: str, subset: str) -> dict[str, float]:
    """Layer → by how much H-10 agrees better with people than other channels: a difference of
    Spearman correlations.
    """
    layers: dict[str, dict[str, float]] = {}
    for row in read_results(name):
        layer, _, channels = row["metric"].partition(",channels=")
        layers.setdefault(layer, {})[channels or "all"] = row["statistics"]["spearman"][0]
    return {layer: by_subset["H-10"] - by_subset[subset] for layer, by_subset in layers.items()}


def mean_over_layers(differences: Iterable[float]) -> tuple[float, float, float]:
    """A mean and its 95 % interval from drawing layers anew."""
    values = np.array(list(differences))
    return float(values.mean()), *bootstrap_interval(np.mean, [values], samples=5000)


def answering(layer: str) -> bool:
    """Whether the lowest tenth of a layer's channels, by its spec, are channels that answer to
    gratings at all.
    """
    network, name = re.findall(r"=(\w+)", layer)
    return silent_share(network, name) < LOWEST


def efficacy_findings() -> list[Finding]:
    """Channels of high efficacy against those of low, and against all."""
    rows = []
    for subset, text in (
        ("L-10", "The top tenth of a layer's channels agrees better than the lowest"),
        ("all", "The top tenth often agrees better than the whole layer"),
    ):
        for name, types in (
            ("tid2013-resim-layers-live", "LIVE's types of distortion, the paper's first"),
            ("tid2013-resim-layers", "all types"),
        ):
            differences = layer_differences(name, subset)
            answering_differences = [
                value for layer, value in differences.items() if answering(layer)
            ]
            # networks are the paper's own, so a layer is a case, and the mean over layers tells;
            # also over those alone in which L-10 is the lowest tenth, and not what is silent
            mean, of_heard = map(mean_over_layers, (differences.values(), answering_differences))
            lowest, highest = min(mean[1], of_heard[1]), max(mean[2], of_heard[2])
            verdict = REPRODUCED if lowest > 0 else NOT_REPRODUCED if highest < 0 else CANNOT_TELL
            rows.append(
                Finding(
                    TARIQ,
                    f"{text}: {types}",
                    verdict,
                    f"H-10 − {subset} is {signed_interval(*mean)} over {len(differences)} layers, "
                    f"above 0 in {sum(value > 0 for value in differences.values())}; over the "
                    f"{len(answering_differences)} whose lowest tenth answers to gratings at all, "
                    f"{signed_interval(*of_heard)}",
                    "published networks",
                    "`metamer metrics judge tid2013 RESIM --layers …`",
                )
            )
    rows.append(
        restorer_finding(
            TARIQ,
            "Weighting a loss by efficacy improves what is trained (a denoiser)",
            "contextual by efficacy and squared error",
            "contextual and squared error",
        )
    )
    return rows
