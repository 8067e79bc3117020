"""The tables of research/SPACES.md: what the spaces trained here do."""

from metamer.evaluation.markdown import interval_text, markdown_table
from metamer.evaluation.probes.detection import HEADER, agreement_cells
from metamer.evaluation.probes.perceptnet_sweep.points import READOUTS
from research.recorded_results import read_results


def rehearsal_table() -> str:
    """Agreement with ColorVideoVDP on held-out photographs, with people on TID2013-resim, on the
    same references.
    """
    people = {
        row["metric"]: row["statistics"]["spearman"] for row in read_results("tid2013-resim-twelve")
    }
    rows = [
        [
            f"`{row['metric']}`",
            interval_text(*row["statistics"]["spearman"]),
            interval_text(*people[row["metric"]]),
        ]
        for row in read_results("rehearsal")
        if row["metric"] in people
    ]
    return markdown_table(
        ["distance", "rehearsal set, ColorVideoVDP", "TID2013-resim, twelve references, people"],
        rows,
    )


def sweep_table() -> str:
    """The end of the encoder in both readouts and the best layer of every network of the sweep;
    what it is compared with.
    """
    sweep = read_results("perceptnet-sweep")
    rows = [
        [f"`{name}`", interval_text(*agreements), "", "", ""]
        for name, agreements in sweep["references"].items()
    ]
    for name, point in sweep["points"].items():
        agreements = point["layers"]
        best = max(agreements, key=lambda layer, agreements=agreements: agreements[layer][0])
        rows.append(
            [
                name,
                *(interval_text(*agreements[f"v1, {readout}"]) for readout in READOUTS),
                best,
                interval_text(*agreements[best]),
            ]
        )
    return markdown_table(
        ["trained for", *(f"V1, {readout}" for readout in READOUTS), "best layer", "there"], rows
    )


def optima_table() -> str:
    """Where each curve is highest, and by how much over its ends."""
    rows = [
        [
            name,
            f"{optimum['strength']:g}",
            *(
                f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
                for value, low, high in (optimum["over_plain"], optimum["over_strongest"])
            ),
        ]
        for name, optimum in read_results("perceptnet-sweep")["optima"].items()
    ]
    return markdown_table(
        ["objective, readout", "best strength", "over plain reconstruction", "over the strongest"],
        rows,
    )


def behaviour_table(name: str) -> str:
    """A distance a row, a respect a column."""
    rows = read_results(name)
    columns = list(dict.fromkeys(row["what"] for row in rows))
    cells = {
        (row["distance"], row["what"]): interval_text(row["value"], row["low"], row["high"])
        for row in rows
    }
    distances = dict.fromkeys(row["distance"] for row in rows)
    lines = [
        [f"`{name}`", *(cells[name, behaviour] for behaviour in columns)] for name in distances
    ]
    return markdown_table(["distance", *columns], lines)


def detection_table() -> str:
    """Visibility against its teacher."""
    return markdown_table(
        HEADER, list(map(agreement_cells, read_results("detection")["agreement"]))
    )


def screens_table(screens: dict) -> str:
    """Visibility on screens that vary, told of them and not."""
    statistics = ("pearson", "spearman", "error", "factor")
    rows = [
        [title, *(interval_text(*screens[name][statistic]) for statistic in statistics)]
        for name, title in (("known", "told the screen"), ("unknown", "not told"))
    ]
    header = ["visibility", "Pearson", "Spearman", "mean error", "distance off by a factor of"]
    return markdown_table(header, rows)


def spaces_fields() -> dict[str, str]:
    """What the page's template asks for."""
    screens, places = read_results("screens"), read_results("visibility-places")
    return {
        "rehearsal": rehearsal_table(),
        "perceptnet_points": sweep_table(),
        "perceptnet_optima": optima_table(),
        "tolerance": behaviour_table("tolerance"),
        "neighbours": behaviour_table("neighbours"),
        "detection": detection_table(),
        "screens": str(screens["screens"]),
        "screen_pairs": str(screens["pairs"]),
        "screens_table": screens_table(screens),
        "places_visibility": interval_text(*places["visibility"]),
        "places_error": interval_text(*places["squared error"]),
        "places_pairs": str(places["pairs"]),
    }
