"""Perceptual efficacy: whether channels tuned as human vision is agree better with people."""

from research.pages.findings.finding import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Finding
from research.recorded_results import read_results

TARIQ = "Perceptual efficacy (Tariq et al. 2020)"


def layer_counts(name: str, against: str) -> tuple[int, int, int, int]:
    """Layers in which H-10 agrees better with people than other channels, those with intervals
    apart, those with intervals apart the other way, and all.
    """
    layers: dict[str, dict[str, list[float]]] = {}
    for row in read_results(name):
        layer, _, channels = row["metric"].partition(",channels=")
        layers.setdefault(layer, {})[channels or "all"] = row["statistics"]["spearman"]
    pairs = [(own["H-10"], own[against]) for own in layers.values()]
    return (
        sum(high[0] > low[0] for high, low in pairs),
        sum(high[1] > low[2] for high, low in pairs),
        sum(low[1] > high[2] for high, low in pairs),
        len(pairs),
    )


def efficacy_findings() -> list[Finding]:
    """Channels of high efficacy against those of low, and against all."""
    rows = []
    for against, said in (
        ("L-10", "The top tenth of a layer's channels agrees better than the lowest"),
        ("all", "The top tenth often agrees better than the whole layer"),
    ):
        for name, types in (
            ("tid2013-resim-layers-live", "LIVE's types of distortion, the paper's first"),
            ("tid2013-resim-layers", "all types"),
        ):
            better, apart, opposite, count = layer_counts(name, against)
            # networks are the paper's own, so a layer is a case: what most of them show, and no
            # layer surely contradicts more often than it surely confirms
            if better > count / 2 and apart > opposite:
                verdict = REPRODUCED
            else:
                verdict = (
                    NOT_REPRODUCED if better < count / 2 and opposite >= apart else CANNOT_TELL
                )
            rows.append(
                Finding(
                    TARIQ,
                    f"{said}: {types}",
                    verdict,
                    f"in {better} of {count} layers; intervals apart in {apart}, the other way in "
                    f"{opposite}",
                    "published networks",
                    "`metamer metrics judge tid2013 RESIM --layers …`",
                )
            )
    rows.append(
        Finding(
            TARIQ,
            "Weighting a loss by efficacy improves what is trained",
            CANNOT_TELL,
            "no such training was recorded",
            "–",
            "–",
        )
    )
    return rows
