"""Rate and distortion of real files: rows for each picture and setting, means, BD-rates, a figure."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import bjontegaard
import numpy as np

from codec import files
from codec.errors import MetamerError
from evaluation import agreement, measuring, plots
from evaluation.coders import coder
from evaluation.measuring import Point, Row
from perception.registry import Metric, find

METRICS = ("psnr", "ms-ssim")
FLOOR = 1e-10  # of what a logarithm is taken of


def points(names: Iterable[str], settings: Sequence[str] = ()) -> list[Point]:
    """Every codec at its usual settings, or at those given: "10,20" for all, "avif=10,20" for one. Raises MetamerError."""
    chosen: dict[str, list[float]] = {}
    for text in settings:
        name, _, numbers = text.rpartition("=")
        try:
            values = [int(number) if number.strip().isdigit() else float(number) for number in numbers.split(",")]
        except ValueError:
            raise MetamerError(f"'{text}': write settings as 10,20 or CODEC=10,20") from None
        chosen.setdefault(name, []).extend(values)
    names = list(dict.fromkeys(names))
    if strange := set(chosen) - {"", *names}:
        raise MetamerError(f"settings are given for '{min(strange)}', which is not measured")
    found = []
    for name in names:
        values = chosen.get(name) or chosen.get("") or coder(name).settings
        for value in dict.fromkeys(values):
            coder(name).check(value)
            found.append(Point(name, value))
    return found


def means(rows: Iterable[Row], metric: str) -> dict[str, np.ndarray]:
    """codec → (settings, 2) mean bpp and metric over pictures, by rising rate."""
    curves: dict[str, dict[float, list]] = {}
    for row in rows:
        if row[metric] is not None:
            curves.setdefault(row["codec"], {}).setdefault(row["setting"], []).append((row["bpp"], row[metric]))
    return {
        name: np.array(sorted(np.mean(values, 0).tolist() for values in settings.values())) for name, settings in curves.items()
    }


def bands(rows: Iterable[Row], metric: str) -> dict[str, np.ndarray]:
    """codec → (settings, 3) mean bpp and the ends of the 95 % bootstrap interval, over pictures, of the mean metric; the order
    is that of `means`."""
    curves: dict[str, dict[float, list]] = {}
    for row in rows:
        if row[metric] is not None:
            curves.setdefault(row["codec"], {}).setdefault(row["setting"], []).append((row["bpp"], row[metric]))
    found = {}
    for name, settings in curves.items():
        columns = [np.array(values, float).T for values in settings.values()]
        found[name] = np.array(sorted((rate.mean(), *agreement.bootstrap(np.mean, [values])) for rate, values in columns))
    return found


def scale(metric: Metric) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """What it is called, and how values are taken, so that a BD-rate makes sense: rising, and not saturated where pictures are
    good.

    A similarity x that ends at 1 is taken as −10·log₁₀(1 − x), a distance x as −10·log₁₀(x), both in decibel; PSNR,
    SSIMULACRA 2 and ColorVideoVDP as they are.
    """
    if not metric.higher_is_better:
        return " (dB, −10·log₁₀(x))", lambda x: -10 * np.log10(np.maximum(x, FLOOR))
    if metric.high == 1:
        return " (dB, −10·log₁₀(1 − x))", lambda x: -10 * np.log10(np.maximum(1 - x, FLOOR))
    return "", lambda x: x


def on_scale(label: str, curve: np.ndarray) -> np.ndarray:
    """A curve, (points, 1 + values) bpp and values of a distance, with those on its `scale`."""
    change = scale(find(label.partition(":")[0]))[1]
    return np.c_[curve[:, 0], change(curve[:, 1:])]


def scaled(rows: Iterable[Row], label: str) -> tuple[str, dict[str, np.ndarray]]:
    """A distance's label with its scale, and on that the `means`."""
    name = scale(find(label.partition(":")[0]))[0]
    return f"{label}{name}", {name: on_scale(label, curve) for name, curve in means(rows, label).items()}


def rising(curve: np.ndarray) -> np.ndarray:
    """The points of a curve, ordered by rate, that are better than all before them."""
    best = np.maximum.accumulate(curve[:, 1])
    return curve[np.r_[True, best[1:] > best[:-1]]]


def bd_rate(anchor: np.ndarray, curve: np.ndarray) -> tuple[float, float, float]:
    """Bjøntegaard rate difference in percent (PCHIP) of mean curves, and the range of the metric it covers.

    NaN where the ranges do not overlap. Points that cost more than another and are no better do not count.
    """
    anchor, curve = rising(anchor), rising(curve)
    low, high = max(anchor[0, 1], curve[0, 1]), min(anchor[-1, 1], curve[-1, 1])
    if low >= high or min(len(anchor), len(curve)) < 2:
        return float("nan"), float(low), float(high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of partial overlap; the range is reported instead
        value = bjontegaard.bd_rate(*anchor.T, *curve.T, method="pchip", require_matching_points=False, min_overlap=0)
    return float(value), float(low), float(high)


def table(rows: list[Row], specs: Sequence[str], anchor: str) -> str:
    """BD-rates of every codec against ``anchor`` in every distance, the ranges they cover, and mean seconds, as text."""
    curves = dict(scaled(rows, measuring.distance(spec).label) for spec in specs)
    names = list(dict.fromkeys(row["codec"] for row in rows))
    width = max(map(len, ["codec", *names]))
    pictures = len({row["image"] for row in rows})
    lines = [f"{pictures} images; bpp is the whole file; mean curves; BD-rate against {anchor} (PCHIP over the common range)",
             "", f"{'codec':<{width}} {'bpp':>13} {'enc s':>6} {'dec s':>6}"]
    for name in names:
        own = [row for row in rows if row["codec"] == name]
        rates = [float(np.mean([row["bpp"] for row in own if row["setting"] == at])) for at in {row["setting"] for row in own}]
        seconds = [np.mean([row[f"{way}_seconds"] for row in own]) for way in ("encode", "decode")]
        lines.append(f"{name:<{width}} {min(rates):5.3f} – {max(rates):5.3f} {seconds[0]:6.3f} {seconds[1]:6.3f}")
    for title, by_codec in curves.items():
        lines += ["", title, f"{'codec':<{width}} {'range':>15} {'BD-rate':>9} {'over':>15}"]
        for name, curve in by_codec.items():
            rate, low, high = bd_rate(by_codec[anchor], curve) if anchor in by_codec else (np.nan,) * 3
            measured = "–" if np.isnan(rate) else f"{rate:+.1f} %"
            over = "–" if np.isnan(rate) else f"{low:.2f} – {high:.2f}"
            lines.append(f"{name:<{width}} {f'{curve[0, 1]:.2f} – {curve[-1, 1]:.2f}':>15} {measured:>9} {over:>15}")
    return "\n".join(lines)


def evaluate(folder: Path, names: Sequence[str], out: Path, anchor: str = "jpeg", specs: Sequence[str] = METRICS,
             settings: Sequence[str] = (), jobs: int = 1) -> str:
    """Measures codecs (`coders.coder`) on the pictures of ``folder`` by distances; returns the table.

    Writes into ``out``: results.jsonl (a row per picture and setting; an interrupted run continues), table.txt, and
    rate_distortion.png. Raises MetamerError, PerceptionError.
    """
    found = measuring.pictures(folder)
    at = points([*names, anchor], settings)
    rows = list(measuring.run(found, at, specs, Path(out) / "results.jsonl", jobs).values())
    text = table(rows, specs, anchor)
    files.write(str(Path(out) / "table.txt"), (text + "\n").encode())
    curves = dict(scaled(rows, measuring.distance(spec).label) for spec in specs)
    plots.rate_distortion(curves, Path(out) / "rate_distortion.png")
    return text
