"""Rate, distortion and realism: curves over rate, and the plane of Blau & Michaeli (CVPR 2018)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.text import Text

from evaluation.plots.style import MUTED, Look, better, family, label_ends, logarithmic, looks, panels, save, title
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
        panel.vlines(x, values[f"{key}_low"], values[f"{key}_high"], color=colour, linewidth=1, alpha=0.5)


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
    texts = {panel: _plane(panel, found, label, key, styles) for panel, key in zip(drawn, keys, strict=True)}
    rates = list(by_rate(found))
    figure.suptitle(f"{rates[0]:g} bits per pixel" if len(rates) == 1 else "", x=0.01, ha="left")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, own in texts.items():
        x, y = np.concatenate([along(line.get_xydata()) for line in panel.lines]).T
        adjust_text(own, x, y, ax=panel, iter_lim=500, expand=(1.15, 1.4),
                    arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkB": 3})
    save(figure, path)


def along(line: np.ndarray, steps: int = 12) -> np.ndarray:
    """(N, 2) points of a line and (steps) between each and the next: what labels keep clear of."""
    at = np.linspace(0, len(line) - 1, steps * (len(line) - 1) + 1)
    return np.c_[[np.interp(at, np.arange(len(line)), column) for column in line.T]].T


def trade(places: np.ndarray) -> np.ndarray:
    """(N, 2) places of a plane in the order in which distortion is given for realism."""
    spread = np.ptp(places, axis=0)
    return places[np.argsort((places / np.where(spread > 0, spread, 1)).sum(1), kind="stable")]


def _plane(panel: Axes, found: Sequence[Summary], label: str, key: str, styles: Mapping[str, Look]) -> list[Text]:
    """One panel; returns its labels, which are still where their points are."""
    turn = 1 if find(label.partition(":")[0]).higher_is_better else -1
    blocks, texts = by_rate(found), []

    def place(summary: Summary) -> tuple[float, float]:
        return summary.means[label].value, summary.realism[key]

    def write(summary: Summary, text: str, size: float = 8.5, **options) -> None:
        texts.append(panel.text(*place(summary), text, fontsize=size, **{"color": styles[summary.codec].colour} | options))

    for rate, block in blocks.items():
        line = trade(np.array(list(map(place, block))) * (turn, 1)) * (turn, 1)
        panel.plot(*line.T, color=MUTED, linewidth=0.8, alpha=0.4, zorder=1)
        if len(blocks) > 1:
            texts.append(panel.text(*line[-1], f"{rate:g} bpp", color=MUTED, fontsize=8, fontstyle="italic"))
        within = set()
        for name, path in sliders(block).items():
            panel.plot(*np.transpose(list(map(place, path))), color=styles[path[-1].codec].colour, linewidth=2)
            for summary in path[1:-1]:
                write(summary, f"{slider(summary.codec):g}", 7.5)
            write(path[-1], f"{name} {slider(path[-1].codec):g}" if rate == max(blocks) else f"{slider(path[-1].codec):g}")
            within |= {summary.codec for summary in path[1:]}
        for summary in block:
            look = styles[summary.codec]
            panel.plot(*place(summary), color=look.colour, marker=look.marker, markersize=5.5)
            _interval(panel, place(summary)[0], summary.realism, key, look.colour)
            if rate == max(blocks) and summary.codec not in within:
                write(summary, summary.codec)
    if turn < 0:
        panel.invert_xaxis()
    panel.invert_yaxis()
    panel.margins(0.16)
    better(panel, title(label))
    panel.set_title(TITLES.get(key, key))
    return texts
