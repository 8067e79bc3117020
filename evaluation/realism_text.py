"""Figures of realism to read: what they are called, and what must be said of those from few patches."""

from collections.abc import Iterable

from evaluation.realism import SIDE
from perception.inception import FEATURES
from perception.networks import widths

FEW_PICTURES = 20  # with fewer an interval is rough
BIASED = "dimensions: biased far upwards, compare it only between codecs on these very pictures"
FEW = {  # measure → patches it should have, and what is wrong with fewer
    "fid": (FEATURES, BIASED), "kid": (200, "needed for subsets of 100"), "pim": (100, "that show enough of what there is"),
    "js": (200, "that the critic should learn from and be judged on: its bounds are loose"),
}
LABELS = {"fid": "FID/256", "kid": "KID ×10³", "pim": "Fréchet, PIM's z", "js": "JS at least", "kl": "KL at least"}


def labels(found: Iterable[str]) -> dict[str, str]:
    """Measure → what it is called, for those that `realism.compare` found."""
    deep = {name: f"Fréchet, {name}" for name in found if ":" in name and not name.endswith(("_low", "_high"))}
    return {name: label for name, label in (LABELS | deep).items() if name in found}


def cautions(found: dict[str, float]) -> list[str]:
    """A line for each measure that has fewer patches than it should, and one where intervals have few pictures."""
    called, count = labels(found), found["patches"]
    deep = {name: (widths(name.partition(":")[0])[name.partition(":")[2]], BIASED) for name in called if ":" in name}
    said = [f"{called[name]}: {count} patches, fewer than the {least} {why}"
            for name, (least, why) in (FEW | deep).items() if name in called and count < least]
    if found["pictures"] < FEW_PICTURES:
        said.append(f"intervals: {found['pictures']} pictures, fewer than {FEW_PICTURES}; with fewer than 4 there are none")
    return said


def figures(found: dict[str, float]) -> dict[str, str]:
    """What it is called → value and 95 % interval."""
    told = {}
    for name, label in labels(found).items():
        scale = 1000 if name == "kid" else 1
        told[label] = f"{scale * found[name]:.4g}"
        if f"{name}_low" in found:
            told[label] += f" [{scale * found[f'{name}_low']:.4g}, {scale * found[f'{name}_high']:.4g}]"
        told[label] += " nats" * (name in ("js", "kl"))
    return told


def text(found: dict[str, float]) -> str:
    """`realism.compare`'s figures, a line each."""
    told = figures(found)
    width = max(map(len, told))
    title = f"{found['pictures']} pictures, {found['patches']} patches of {SIDE}x{SIDE}; less is better; 95 % intervals"
    return "\n".join([title, *(f"{label:<{width}}  {value}" for label, value in told.items())])
