"""Rate, distortion and realism: curves over rate, and the plane of Blau & Michaeli (CVPR 2018)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from evaluation.plots.labels import label_ends, label_points
from evaluation.plots.style import MUTED, Look, better, family, logarithmic, looks, panels, save, title
from perception.registry import find

if TYPE_CHECKING:  # evaluation.matched draws, too
    from evaluation.matched import Summary

TITLES = {"fid": "FID/256", "kid": "KID", "pim": "Fréchet distance in PIM's z", "js": "Jensen-Shannon divergence",
          "kl": "Kullback-Leibler divergence"}
COUNTS = ("pictures", "patches")


def measures(found: Iterable[Summary]) -> list[str]:
    """What realism was measured by in all of them: keys but for counts, and for ends and spreads of intervals."""
    each = [summary.realism or {} for summary in found]
    return [key for key in (each[0] if each else ()) if key not in COUNTS and not key.endswith(("_low", "_high", "_deviation"))
            and all(isinstance(values.get(key), int | float) for values in each)]


def slider(codec: str) -> float | None:
    """How realistic MODEL+DECODER@REALISM was asked to be; none for what has no slider."""
    _, at, number = codec.partition("@")
    return float(number) if at else None


def sliders(found: Sequence[Summary]) -> dict[str, list[Summary]]:
    """MODEL+DECODER → its path at one rate, by rising realism; it starts at MODEL, which is the same as realism 0."""
    paths = defaultdict(dict)
    for summary in found:
        if slider(summary.codec) is not None:
            paths[family(summary.codec)][slider(summary.codec)] = summary
    for name, path in paths.items():
        for summary in found:
            if summary.codec == name.partition("+")[0]:
                path.setdefault(0.0, summary)
    return {name: [path[at] for at in sorted(path)] for name, path in paths.items() if len(path) > 1}


def by_rate(found: Sequence[Summary]) -> dict[float, list[Summary]]:
    """Rate → the codecs there."""
    blocks = defaultdict(list)
    for summary in found:
        blocks[summary.target].append(summary)
    return dict(sorted(blocks.items()))


def _interval(panel: Axes, x: float, values: Mapping[str, float], key: str, colour: str) -> None:
    if f"{key}_low" in values:
        panel.plot((x, x), (values[f"{key}_low"], values[f"{key}_high"]), color=colour, linewidth=1, alpha=0.5)


def rate_realism(found: Sequence[Summary], path: Path, styles: Mapping[str, Look] | None = None) -> None:
    """A panel a measure of realism over rate, better up, with its interval where there is one."""
    styles = styles or looks(summary.codec for summary in found)
    keys = measures(found)
    figure, drawn = panels(len(keys))
    ends = {}
    for panel, key in zip(drawn, keys, strict=True):
        ends[panel] = []
        for name in dict.fromkeys(summary.codec for summary in found):
            own = sorted((summary for summary in found if summary.codec == name), key=lambda summary: summary.target)
            panel.plot([each.bpp for each in own], [each.realism[key] for each in own], color=styles[name].colour,
                       marker=styles[name].marker, markersize=4, linewidth=1.7)
            for each in own:
                _interval(panel, each.bpp, each.realism, key, styles[name].colour)
            ends[panel].append((own[-1].bpp, own[-1].realism[key], name, styles[name].colour))
        panel.invert_yaxis()
        logarithmic(panel.xaxis)
        panel.set(xlabel="bits per pixel (whole file)", ylabel="more realism →", title=TITLES.get(key, key))
    label_ends(figure, ends)
    save(figure, path)


def plane(found: Sequence[Summary], label: str, path: Path, styles: Mapping[str, Look] | None = None) -> None:
    """The distortion-realism plane, a panel a measure of realism: distortion by ``label`` to the right, both better upwards.

    A grey line joins the codecs of one rate; a codec's points have its colour, and those of a realism slider a line with
    the realism asked for.
    """
    styles = styles or looks(summary.codec for summary in found)
    keys = measures(found)
    figure, drawn = panels(len(keys), 6.0, 4.8)
    labels = {panel: _plane(panel, found, label, key, styles) for panel, key in zip(drawn, keys, strict=True)}
    rates = list(by_rate(found))
    figure.suptitle(f"{rates[0]:g} bits per pixel" if len(rates) == 1 else "", x=0.01, ha="left")
    label_points(figure, labels)
    save(figure, path)


def in_line(places: np.ndarray) -> np.ndarray:
    """(N, 2) places of a plane in the order in which a line passes them: along their first principal component, rightwards."""
    centred = places - places.mean(0)
    spread = np.ptp(places, axis=0)
    scaled = centred / np.where(spread > 0, spread, 1)
    way = np.linalg.svd(scaled, full_matrices=False)[2][0]
    return places[np.argsort(scaled @ way * (np.sign(way[0]) or 1), kind="stable")]


def _plane(panel: Axes, found: Sequence[Summary], label: str, key: str, styles: Mapping[str, Look]) -> list:
    """One panel; returns what is to be written at which points: at the highest rate codecs' names, at each its rate, and where
    there is but one, the realism along sliders."""
    turn = 1 if find(label.partition(":")[0]).higher_is_better else -1
    blocks, labels = by_rate(found), []

    def place(summary: Summary) -> tuple[float, float]:
        return summary.means[label].value, summary.realism[key]

    for rate, block in blocks.items():
        line = in_line(np.array(list(map(place, block))))[::turn]
        panel.plot(*line.T, color=MUTED, linewidth=0.8, alpha=0.4, zorder=1)
        names = {summary.codec: summary.codec for summary in block}
        for name, path in sliders(block).items():
            panel.plot(*np.transpose(list(map(place, path))), color=styles[path[-1].codec].colour, linewidth=2)
            names |= {summary.codec: f"{slider(summary.codec):g}" if len(blocks) == 1 else "" for summary in path[1:-1]}
            names[path[-1].codec] = f"{name} {slider(path[-1].codec):g}"
        for summary in block:
            look = styles[summary.codec]
            _interval(panel, place(summary)[0], summary.realism, key, look.colour)
            panel.plot(*place(summary), color=look.colour, marker=look.marker, markersize=5.5)
            if rate == max(blocks) and names[summary.codec]:
                labels.append((*place(summary), names[summary.codec], look.colour))
        if len(blocks) > 1:
            labels.append((*line[-1], f"{rate:g} bpp", MUTED))
    if turn < 0:
        panel.invert_xaxis()
    panel.invert_yaxis()
    panel.margins(0.16)
    better(panel, title(label))
    panel.set_title(TITLES.get(key, key))
    return labels
