"""Figures of distances: how they agree with people, and how they are tuned."""

from pathlib import Path

import numpy as np

from evaluation.judging import Verdict
from evaluation.macadam import outlines, roundness, to_lab
from evaluation.plots.style import COLOURS, plt, save
from perception.efficacy import Tuning, contrast_sensitivity, peak_frequency


def macadam(path: Path, enlarged: float = 10) -> None:
    """MacAdam's ellipses, enlarged, in chromaticity and in CIELAB's a*, b*."""
    figure, panels = plt.subplots(1, 2, figsize=(12, 5.6), layout="constrained")
    for panel, place, names in ((panels[0], lambda ring: ring, "xy"), (panels[1], to_lab, ("a*", "b*"))):
        measured = roundness(place(outlines()))
        for ring in place(outlines(scale=enlarged)):
            panel.fill(*ring.T, facecolor=COLOURS[1] + "33", edgecolor=COLOURS[1], linewidth=1)
        panel.set(xlabel=names[0], ylabel=names[1], aspect="equal",
                  title=f"axes {measured.elongation:.2f} : 1 (median), largest {measured.spread:.1f} × the smallest")
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"MacAdam's ellipses, {enlarged:g} times enlarged: chromaticity and CIELAB")
    save(figure, path)


def agreement(verdicts: list[Verdict], title: str, path: Path) -> None:
    """The first statistic of each metric and its interval, best on top."""
    figure, panel = plt.subplots(figsize=(8, 0.9 + 0.28 * len(verdicts)), layout="constrained")
    value, low, high = np.array([next(iter(verdict.statistics.values())) for verdict in verdicts]).T
    rows = np.arange(len(verdicts))
    panel.hlines(rows, low, high, color=COLOURS[1], linewidth=2)
    panel.plot(value, rows, "o", color=COLOURS[1], markersize=6)
    panel.set_yticks(rows, [verdict.metric for verdict in verdicts])
    panel.invert_yaxis()
    panel.set(xlabel=f"{next(iter(verdicts[0].statistics))} and its 95 % interval", title=title)
    panel.grid(axis="x", alpha=0.3)
    panel.spines[["top", "right", "left"]].set_visible(False)
    save(figure, path)


def layers(by_subset: dict[str, dict[str, tuple[float, float, float]]], title: str, path: Path) -> None:
    """Agreement along a network's layers: subset of channels → layer → (value, low, high)."""
    figure, panel = plt.subplots(figsize=(9, 5), layout="constrained")
    for index, (subset, along) in enumerate(by_subset.items()):
        value, low, high = np.array(list(along.values())).T
        places = np.arange(len(along)) + 0.06 * (index - len(by_subset) / 2)
        colour = COLOURS[index % len(COLOURS)]
        panel.plot(places, value, color=colour, label=subset, marker="o", markersize=4, linewidth=1.6)
        panel.vlines(places, low, high, color=colour, linewidth=0.8)
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(along) > 9 else {}
    panel.set_xticks(np.arange(len(along)), along, **slanted)
    panel.set(ylabel="agreement and its 95 % interval", title=title)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, ncols=3)
    save(figure, path)


def tuning(measured: Tuning, layer: str, path: Path, share: float = 0.1) -> None:
    """How a layer's channels answer to gratings: tuning curves of some with the highest and the lowest efficacy, and all
    channels by μ₁ and μ₂ with the chosen ones marked (Tariq et al. 2020, figures 2 and 3)."""
    order = measured.efficacy.argsort().tolist()
    count = max(1, round(share * len(order)))
    groups = {f"H-{100 * share:g}": (order[-count:], COLOURS[0]), f"L-{100 * share:g}": (order[:count], COLOURS[1])}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(16, 4.6), layout="constrained")
    steps = measured.frequency.numpy()
    angles = np.arange(len(measured.by_orientation)) * 180 / len(measured.by_orientation)
    for name, (chosen, colour) in groups.items():
        for number, channel in enumerate(chosen[:: max(1, len(chosen) // 4)][:4]):
            label = name if number == 0 else None
            left.plot(steps, measured.by_frequency[:, channel], color=colour, linewidth=1.4, label=label)
            middle.plot(angles, measured.by_orientation[:, channel], color=colour, linewidth=1.4, label=label)
    sensitivity = left.twinx()
    sensitivity.plot(steps, contrast_sensitivity(measured.frequency), color=COLOURS[7], linestyle="--")
    sensitivity.set(ylabel="contrast sensitivity (dashed)", ylim=(0, None))
    left.set(xlabel="cycles per degree", ylabel="mean activation", title=f"{layer}: radial gratings")
    middle.set(xlabel="orientation (degrees)", title=f"oriented gratings at {peak_frequency():.1f} cycles per degree")
    first, second = measured.frequency_sensitivity, measured.orientation_selectivity
    floor = 1e-9  # channels that never answer stay on the logarithmic axes
    right.scatter(first + floor, second + floor, s=14, color=COLOURS[7], label="other channels")
    for name, (chosen, colour) in groups.items():
        right.scatter(first[chosen] + floor, second[chosen] + floor, s=18, color=colour, label=name)
    right.set(xscale="log", yscale="log", xlabel="μ₁, frequency sensitivity", ylabel="μ₂, orientation selectivity",
              title="chosen channels")
    for panel in (left, middle, right):
        panel.grid(alpha=0.3)
        panel.spines["top"].set_visible(False)
        panel.legend(frameon=False)
    save(figure, path)


def by_parameter(panels: dict[str, dict[str, dict[float, tuple[float, float, float]]]], lines: dict[str, float], title: str,
                 path: Path) -> None:
    """One panel a parameter: curve → value of the parameter → (value, low, high) of the agreement; lines: others for reference.

    The parameter's values stand at equal distances, in order.
    """
    size = (5.2 * len(panels), 4.6)
    figure, drawn = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True, layout="constrained")
    for panel, (parameter, curves) in zip(drawn[0], panels.items(), strict=True):
        steps = sorted({step for curve in curves.values() for step in curve})
        for index, (name, curve) in enumerate(curves.items()):
            value, low, high = np.array([curve[step] for step in sorted(curve)]).T
            places = np.array([steps.index(step) for step in sorted(curve)]) + 0.06 * index
            colour = COLOURS[index % len(COLOURS)]
            panel.plot(places, value, color=colour, marker="o", markersize=5, linewidth=1.6, label=name)
            panel.vlines(places, low, high, color=colour, linewidth=1)
        for index, (name, value) in enumerate(lines.items()):
            panel.axhline(value, color=COLOURS[7], linestyle=("--", ":", "-.")[index % 3], linewidth=1.2, label=name)
        panel.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
        panel.set(xlabel=parameter)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    drawn[0][0].set_ylabel("Spearman and its 95 % interval")
    drawn[0][-1].legend(frameon=False)
    figure.suptitle(title)
    save(figure, path)
