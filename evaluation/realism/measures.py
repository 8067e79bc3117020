"""Measures of realism as people read them: names, units, figures with their intervals, and cautions
where patches are few.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SIDE = 256  # pixels of patches
INCEPTION_FEATURES = 2048  # dimensions of what FID and KID compare
FEW_PICTURES = 20  # with fewer an interval is rough
BIASED = "dimensions: biased far upwards, compare it only between codecs on these very pictures"


@dataclass(frozen=True)
class RealismMeasure:
    """One key of what `comparison.compare_sets` finds. label: its name, with its unit; enough:
    patches it should have; fewer: what is wrong with fewer; scale: what a person reads for a 1 of
    JSON.
    """

    key: str
    label: str
    enough: int
    fewer: str
    scale: float = 1.0

    def measured(self, result: dict[str, float] | None) -> bool:
        """Whether a result has it."""
        return result is not None and self.key in result

    def figures(self, result: dict[str, float]) -> tuple[float, ...]:
        """The value as a person reads it, and the ends of its 95 % interval where it has one."""
        return tuple(
            self.scale * result[key]
            for key in (self.key, f"{self.key}_low", f"{self.key}_high")
            if key in result
        )


MEASURES = (
    RealismMeasure("fid", "FID/256", INCEPTION_FEATURES, BIASED),
    RealismMeasure("kid", "KID ×10³", 200, "needed for subsets of 100", 1000),
    RealismMeasure("kid_paired", "KID of pairs ×10³", 200, "needed for subsets of 100", 1000),
    RealismMeasure("pim", "Fréchet, PIM's z", 100, "that show enough of what there is"),
    RealismMeasure(
        "js",
        "Jensen-Shannon ≥, nats",
        200,
        "that the critic should learn from and be judged on: its bounds are loose",
    ),
    RealismMeasure("kl", "Kullback-Leibler ≥, nats", 0, ""),  # the same critic's
)


def all_measures(every: Iterable[dict[str, float]]) -> list[RealismMeasure]:
    """What any of ``every``, each from `comparison.compare_sets`, was measured by: `MEASURES`, then
    layers NETWORK:LAYER.
    """
    keys = set().union(*every)
    layers = sorted(key for key in keys if ":" in key and not key.endswith(("_low", "_high")))
    return [measure for measure in MEASURES if measure.key in keys] + list(map(_of_layer, layers))


def _of_layer(key: str) -> RealismMeasure:
    """The Fréchet distance in a layer NETWORK:LAYER."""
    from metamer.perception.backbones.imagenet import layer_widths  # torch, for layers alone

    network, _, layer = key.partition(":")
    return RealismMeasure(key, f"Fréchet, {key}", layer_widths(network)[layer], BIASED)


def small_sample_cautions(result: dict[str, float]) -> list[str]:
    """A line for each measure that has fewer patches than it should, and one where intervals have
    few pictures.
    """
    count = result["patches"]
    cautions = [
        f"{measure.label}: {count} patches, fewer than the {measure.enough} {measure.fewer}"
        for measure in all_measures([result])
        if count < measure.enough
    ]
    if result["pictures"] < FEW_PICTURES:
        cautions.append(
            f"intervals: {result['pictures']} pictures, fewer than {FEW_PICTURES}; with fewer than "
            "4 there are none"
        )
    return cautions


def figure_texts(result: dict[str, float]) -> dict[str, str]:
    """Label → value and 95 % interval, '107.2 [94.3, 120.1]'."""
    texts = {}
    for measure in all_measures([result]):
        value, *ends = (f"{figure:.4g}" for figure in measure.figures(result))
        texts[measure.label] = f"{value} [{', '.join(ends)}]" if ends else value
    return texts


def realism_text(result: dict[str, float]) -> str:
    """`comparison.compare_sets`'s figures, a line each."""
    texts = figure_texts(result)
    width = max(map(len, texts))
    title = (
        f"{result['pictures']} pictures, {result['patches']} patches of {SIDE}x{SIDE}; "
        "less is better; 95 % intervals"
    )
    return "\n".join([title, *(f"{label:<{width}}  {value}" for label, value in texts.items())])
