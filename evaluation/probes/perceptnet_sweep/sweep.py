"""How well every layer of every PerceptNet of a sweep agrees with people: by layer, and by what it
was trained for.

The two figures of Hernández-Cámara, Malo & Laparra, 2025.
`train.perceptual_spaces.perceptnet.sweep` makes the networks.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.probes.perceptnet_sweep.points import (
    END,
    PLAIN,
    READOUTS,
    TrainedPoint,
    layer_label,
)
from metamer.evaluation.probes.perceptnet_sweep.scores import (
    Interval,
    RatedPairs,
    best_strength,
    load_rated_pairs,
    measure_baselines,
    measure_point,
)
from metamer.evaluation.progress import tracked
from metamer.evaluation.ratings.resimulation.dataset import ENTRIES, TITLE

PARAMETERS = {  # objective → what its strength is
    "denoising": "σ of the noise, values in [0, 1]",
    "deblurring": "σ of the blur, pixels",
    "sparsity": "weight λ of mean activity",
}
NUMBERS, LAYERS_FIGURE, PARAMETERS_FIGURE, TABLE = (
    "sweep.json",
    "layers.png",
    "parameters.png",
    "table.txt",
)
Curves = dict[str, dict[int, dict[float, str]]]  # objective → seed → strength → point


@dataclass(frozen=True)
class ScoredPoint:
    """A point of a sweep, and how well each of its layers agrees with people.

    Attributes:
        objective: What it was trained for.
        strength: Of what the objective adds to plain reconstruction.
        initialisation: What its filters started as.
        seed: Of its training.
        layers: Layer in a readout (`points.layer_label`) → rank correlation and its interval.
    """

    objective: str
    strength: float
    initialisation: str
    seed: int
    layers: dict[str, Interval]

    @property
    def plain(self) -> bool:
        """Whether it was trained to reconstruct, from random filters."""
        return self.objective == PLAIN and self.initialisation == "original"

    def along_layers(self, readout: str) -> dict[str, Interval]:
        """Layer → agreement in one readout, in their order."""
        ending = layer_label("", readout)
        return {
            label.removesuffix(ending): value
            for label, value in self.layers.items()
            if label.endswith(ending)
        }


def score_sweep(points: Mapping[str, Path], folder: Path, out: Path, decoders: bool = True) -> str:
    """Scores the points' layers by the ratings in ``folder`` (TID2013's layout); an interrupted
    call continues.

    decoders: score those of all points; without, which takes half the time, those of plain
    reconstruction alone. Writes sweep.json, table.txt, layers.png and parameters.png into ``out``
    and returns the table. Raises FileError, WeightsError, RatingsError.
    """
    people = load_rated_pairs(folder)
    networks = {name: TrainedPoint(path, decoders) for name, path in points.items()}
    baselines = measure_baselines(people, out)
    values = {name: measure_point(name, point, people, out) for name, point in networks.items()}
    scored = {
        name: ScoredPoint(
            networks[name].objective,
            networks[name].strength,
            networks[name].initialisation,
            networks[name].seed,
            {layer: people.spearman(distances) for layer, distances in values[name].items()},
        )
        for name in tracked(list(networks), "point", "agreement")
    }
    references = {name: people.spearman(distances) for name, distances in baselines.items()}
    optima = curve_optima(people, curves_by_objective(scored), values)
    made_anew = (Path(folder) / ENTRIES).exists()
    title = f"{TITLE if made_anew else 'TID2013'}: {len(people.pairs)} images"
    numbers = {
        "ratings": title,
        "references": references,
        "optima": optima,
        "points": {name: asdict(point) for name, point in scored.items()},
    }
    files.write_file(str(out / NUMBERS), (json.dumps(numbers, indent=1) + "\n").encode())
    plot_layers(scored, title, out / LAYERS_FIGURE)
    plot_parameters(scored, references, title, out / PARAMETERS_FIGURE)
    text = sweep_table(title, scored, references, optima)
    files.write_file(str(out / TABLE), (text + "\n").encode())
    return text


def curve_optima(people: RatedPairs, curves: Curves, values: dict[str, dict]) -> dict[str, dict]:
    """ "OBJECTIVE, READOUT" → `best_strength` over all seeds."""
    return {
        f"{objective}, {readout}": best_strength(
            people,
            [
                {strength: values[name][END[readout]] for strength, name in along.items()}
                for along in seeds.values()
            ],
        )
        for objective, seeds in curves.items()
        for readout in READOUTS
    }


def plot_layers(points: Mapping[str, ScoredPoint], title: str, path: Path) -> None:
    """Agreement along the layers of points trained to reconstruct; nothing where there are none."""
    curves = {
        f"{name}, {readout}": point.along_layers(readout)
        for name, point in points.items()
        if point.objective == PLAIN
        for readout in READOUTS
    }
    if curves:
        plots.plot_steps(
            {"layer": curves}, f"Agreement by layer, trained to reconstruct; {title}", path
        )


def plot_parameters(
    points: Mapping[str, ScoredPoint], references: dict[str, Interval], title: str, path: Path
) -> None:
    """Agreement at the encoder's end along the strength of each objective; nothing where no point
    has one.
    """
    panels = {
        PARAMETERS[objective]: {
            curve: {strength: points[name].layers[END[readout]] for strength, name in along.items()}
            for readout in READOUTS
            for curve, along in named_curves(seeds, readout)
        }
        for objective, seeds in curves_by_objective(points).items()
    }
    if panels:
        plots.plot_steps(
            panels,
            f"Agreement at the encoder's end by what it was trained for; {title}",
            path,
            {name: value for name, (value, _, _) in references.items()},
        )


def named_curves(
    seeds: dict[int, dict[float, str]], readout: str
) -> Iterator[tuple[str, dict[float, str]]]:
    """Every seed's curve with a name for it: with the seed where there are several."""
    for seed, along in seeds.items():
        yield readout + (f", seed {seed}" if len(seeds) > 1 else ""), along


def curves_by_objective(points: Mapping[str, ScoredPoint]) -> Curves:
    """Objective → seed → strength → name of the point, in order; plain reconstruction stands at
    strength 0.
    """
    curves: Curves = {}
    for objective in PARAMETERS:
        for name, point in sorted(
            points.items(), key=lambda item: (item[1].seed, item[1].strength)
        ):
            if point.plain or point.objective == objective:
                curves.setdefault(objective, {}).setdefault(point.seed, {})[point.strength] = name
    return {
        objective: seeds
        for objective, seeds in curves.items()
        if any(len(curve) > 1 for curve in seeds.values())
    }


def sweep_table(
    title: str,
    points: Mapping[str, ScoredPoint],
    references: dict[str, Interval],
    optima: dict,
) -> str:
    """The encoder's end and the best layer of every point, the references, and the optima."""
    width = max(map(len, (*points, *references)))
    heads = (f"{readout} readout" for readout in READOUTS)
    lines = [
        f"{title}; Spearman at the encoder's end, 95 % bootstrap intervals over references",
        "",
        f"{'point':<{width}}" + "".join(f"  {head:<24}" for head in heads) + "  best layer",
    ]
    for name, point in points.items():
        best = max(point.layers, key=lambda layer: point.layers[layer][0])
        cells = (signed_interval_text(point.layers[END[readout]]) for readout in READOUTS)
        lines.append(
            f"{name:<{width}}"
            + "".join(f"  {cell:<24}" for cell in cells)
            + f"  {best} {signed_interval_text(point.layers[best])}"
        )
    lines += [
        f"{name:<{width}}  {signed_interval_text(value)}" for name, value in references.items()
    ]
    for name, best_point in optima.items():
        over = ", ".join(
            f"{signed_interval_text(best_point[end])} over {end.removeprefix('over_')}"
            for end in ("over_plain", "over_strongest")
        )
        scatter_note = ""
        if best_point["scatter"] is not None:
            scatter_note = (
                f"; {best_point['seeds']} seeds, which scatter by {best_point['scatter']:.3f}"
            )
        lines.append(f"{name}: best at {best_point['strength']:g}, {over}{scatter_note}")
    return "\n".join(lines)


def signed_interval_text(value: Interval) -> str:
    return "{:+.4f} [{:+.3f}, {:+.3f}]".format(*value)
