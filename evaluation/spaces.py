"""The tables of perception/SPACES.md: what the spaces trained here do."""

from evaluation.probes.detection import HEADER, cells
from evaluation.probes.perceptnet_sweep import READOUTS
from evaluation.recorded import interval, read, table


def rehearsal() -> str:
    """Agreement with ColorVideoVDP on held-out photographs, with people on TID2013-resim, on the same references."""
    people = {row["metric"]: row["statistics"]["spearman"] for row in read("tid2013-resim-twelve")}
    rows = [[f"`{row['metric']}`", interval(*row["statistics"]["spearman"]), interval(*people[row["metric"]])]
            for row in read("rehearsal") if row["metric"] in people]
    return table(["distance", "rehearsal set, ColorVideoVDP", "TID2013-resim, twelve references, people"], rows)


def points() -> str:
    """The end of the encoder in both readouts and the best layer of every network of the sweep; what it is compared with."""
    sweep = read("perceptnet-sweep")
    rows = [[f"`{name}`", interval(*found), "", "", ""] for name, found in sweep["references"].items()]
    for name, point in sweep["points"].items():
        found = point["layers"]
        best = max(found, key=lambda layer, found=found: found[layer][0])
        rows.append([name, *(interval(*found[f"v1, {readout}"]) for readout in READOUTS), best, interval(*found[best])])
    return table(["trained for", *(f"V1, {readout}" for readout in READOUTS), "best layer", "there"], rows)


def optima() -> str:
    """Where each curve is highest, and by how much over its ends."""
    rows = [[name, f"{found['strength']:g}", *(f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" for value, low, high in
                                               (found["over_plain"], found["over_strongest"]))]
            for name, found in read("perceptnet-sweep")["optima"].items()]
    return table(["objective, readout", "best strength", "over plain reconstruction", "over the strongest"], rows)


def behaviour(name: str) -> str:
    """A distance a row, a respect a column."""
    rows = read(name)
    columns = list(dict.fromkeys(row["what"] for row in rows))
    found = {(row["distance"], row["what"]): interval(row["value"], row["low"], row["high"]) for row in rows}
    distances = dict.fromkeys(row["distance"] for row in rows)
    return table(["distance", *columns], [[f"`{name}`", *(found[name, what] for what in columns)] for name in distances])


def detection() -> str:
    """Visibility beside its teacher."""
    return table(HEADER, list(map(cells, read("detection")["agreement"])))


def fields() -> dict[str, str]:
    """What the page's template asks for."""
    return {
        "rehearsal": rehearsal(), "perceptnet_points": points(), "perceptnet_optima": optima(),
        "tolerance": behaviour("tolerance"), "neighbours": behaviour("neighbours"), "detection": detection(),
    }
