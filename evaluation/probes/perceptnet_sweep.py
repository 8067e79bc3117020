"""How well every layer of every PerceptNet of a sweep agrees with people: by layer, and by what it
was trained for.

The two figures of Hernández-Cámara, Malo & Laparra, 2025. `train.spaces.perceptnet.sweep` makes the
networks.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from metamer.codec.errors import FileError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.images import read_image
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.progress import tracked
from metamer.evaluation.ratings import agreement, datasets, resimulation
from metamer.evaluation.ratings.judging import measure_pairs
from metamer.perception import create
from metamer.perception.distances.perceptnet import (
    LAYERS,
    Decoder,
    Encoder,
    build_network,
    tensors_below,
)

PARAMETERS = {  # objective → what its strength is
    "denoising": "σ of the noise, values in [0, 1]",
    "deblurring": "σ of the blur, pixels",
    "sparsity": "weight λ of mean activity",
}
PLAIN = "reconstruction"
# features in units of their deviations over photographs, or as the network has them
READOUTS = ("standard", "raw")
BASELINES = ("mse", "ms-ssim")
SAMPLES = 500  # bootstrap resamples
NUMBERS, LAYERS_FIGURE, PARAMETERS_FIGURE, TABLE = (
    "sweep.json",
    "layers.png",
    "parameters.png",
    "table.txt",
)

Interval = tuple[float, float, float]


class TrainedPoint(nn.Module):
    """One trained encoder and decoder; `Panel` takes it for a sweep over layers.

    layers: the encoder's, then the decoder's, as ``decoder v1`` and so on; its last one is the
    reconstruction. Without ``decoders`` only points that were trained for reconstruction have the
    latter. labels: every layer in every readout.
    """

    def __init__(self, path: Path, decoders: bool = True):
        super().__init__()
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        except (OSError, SafetensorError) as problem:
            raise FileError(f"{path} cannot be read: {problem}") from None
        self.objective, self.strength = (
            metadata.get("objective", PLAIN),
            float(metadata.get("strength", 0)),
        )
        self.initialisation, self.seed = (
            metadata.get("initialisation", "original"),
            int(metadata.get("seed", 0)),
        )
        self.mark = f"{zlib.crc32(path.read_bytes()):08x}"
        self.encoder = build_network(Encoder, tensors_below(tensors, "encoder"), str(path))
        self.decoder = (
            build_network(Decoder, tensors_below(tensors, "decoder"), str(path))
            if decoders or self.objective == PLAIN
            else None
        )
        self.stages = {
            **self.encoder,
            **{f"decoder {name}": stage for name, stage in (self.decoder or {}).items()},
        }
        self.layers = list(self.stages)
        self.labels = [layer_label(layer, readout) for layer in self.layers for readout in READOUTS]
        self.to(memory_format=torch.channels_last)

    @property
    def plain(self) -> bool:
        """Whether it was trained to reconstruct, from random filters."""
        return self.objective == PLAIN and self.initialisation == "original"

    def space(self, image: Tensor) -> list[Tensor]:
        """Features of every layer, in their order."""
        encoded = self.encoder(image.contiguous(memory_format=torch.channels_last))
        decoded = self.decoder(encoded[LAYERS[-1]], image.shape[-2:]) if self.decoder else {}
        return [*encoded.values(), *decoded.values()]

    def between(self, reference: list[Tensor], image: list[Tensor]) -> dict[str, float]:
        """Label → root mean squared difference, for one image each."""
        values = []
        for first, second, stage in zip(reference, image, self.stages.values(), strict=True):
            squares = (first - second).square().mean((0, 2, 3))
            values += [(squares / stage.deviation.square()).mean().sqrt(), squares.mean().sqrt()]
        return dict(zip(self.labels, torch.stack(values).tolist(), strict=True))


def layer_label(layer: str, readout: str) -> str:
    """What a layer's distances in a readout are called."""
    return f"{layer}, {readout}"


END = {readout: layer_label(LAYERS[-1], readout) for readout in READOUTS}  # the encoder's, V1


@dataclass(frozen=True)
class RatedPairs:
    """Opinions on pairs of images, all signed so that more means better, and whose reference is
    whose.
    """

    pairs: list[tuple[Path, Path]]
    opinion: np.ndarray
    clusters: np.ndarray

    def spearman(self, values: np.ndarray) -> Interval:
        """Rank correlation of quality by ``values``, more being better, and its 95 % interval over
        references.
        """
        arrays = (values, self.opinion)
        return (
            agreement.spearman(*arrays),
            *bootstrap_interval(agreement.spearman, arrays, self.clusters, SAMPLES),
        )

    def gain(self, values: np.ndarray, other: np.ndarray) -> Interval:
        """By how much ``values`` correlate better than ``other``, with the interval of the
        difference.
        """

        def difference(first: np.ndarray, second: np.ndarray, opinion: np.ndarray) -> float:
            return agreement.spearman(first, opinion) - agreement.spearman(second, opinion)

        arrays = (values, other, self.opinion)
        return (
            difference(*arrays),
            *bootstrap_interval(difference, arrays, self.clusters, SAMPLES),
        )


def load_rated_pairs(folder: Path) -> RatedPairs:
    """What a folder in TID2013's layout holds."""
    opinions = datasets.load_opinions("tid2013", folder)
    items = sorted(opinions.items, key=lambda item: (item.reference, item.image))
    opinion = np.array([item.opinion for item in items]) * (1 if opinions.higher_is_better else -1)
    return RatedPairs(
        [(item.reference, item.image) for item in items],
        opinion,
        np.array([item.reference.name for item in items]),
    )


def measure_baselines(people: RatedPairs, out: Path) -> dict[str, np.ndarray]:
    """Distance → its values, negated where less is better; those that the images are large enough
    for.
    """
    side = min(read_image(people.pairs[0][0]).size)
    distances = [distance for distance in map(create, BASELINES) if distance.min_side <= side]
    rows = measure_pairs(people.pairs, Panel(distances), out / "values" / "baselines")
    return {
        d.label: np.array([row[d.label] for row in rows]) * (1 if d.metric.higher_is_better else -1)
        for d in distances
    }


def measure_point(
    name: str, point: TrainedPoint, people: RatedPairs, out: Path
) -> dict[str, np.ndarray]:
    """Label → negated distances. What an earlier call measured with the same weights is not
    measured again.
    """
    rows = measure_pairs(people.pairs, Panel([], [point]), out / "values" / f"{name}-{point.mark}")
    return {name: -np.array([row[name] for row in rows]) for name in point.labels}


def best_strength(people: RatedPairs, curve: dict[float, np.ndarray]) -> dict:
    """The strength at which the encoder's end agrees best, and by how much more than either end of
    the curve.

    It is interior where both differences are positive, clearly so where both intervals are.
    """
    best = max(curve, key=lambda strength: agreement.spearman(curve[strength], people.opinion))
    ends = {"over_plain": min(curve), "over_strongest": max(curve)}
    return {
        "strength": best,
        **{name: people.gain(curve[best], curve[end]) for name, end in ends.items()},
    }


def score_sweep(points: Mapping[str, Path], folder: Path, out: Path, decoders: bool = True) -> str:
    """Scores the points' layers by the ratings in ``folder`` (TID2013's layout); an interrupted
    call continues.

    decoders: score those of all points; without, which takes half the time, those of plain
    reconstruction alone. Writes sweep.json, table.txt, layers.png and parameters.png into ``out``
    and returns the table. Raises FileError, WeightsError, RatingsError.
    """
    people = load_rated_pairs(folder)
    lines = measure_baselines(people, out)
    networks = {name: TrainedPoint(path, decoders) for name, path in points.items()}
    values = {name: measure_point(name, point, people, out) for name, point in networks.items()}
    scores = {
        name: {kind: people.spearman(distances) for kind, distances in values[name].items()}
        for name in tracked(list(networks), "point", "agreement")
    }
    references = {name: people.spearman(distances) for name, distances in lines.items()}
    curves = curves_by_objective(networks)
    optima = {
        f"{objective}, {curve}": best_strength(
            people, {strength: values[name][END[readout]] for strength, name in along.items()}
        )
        for objective, seeds in curves.items()
        for readout in READOUTS
        for curve, along in named_curves(seeds, readout)
    }
    made_anew = (Path(folder) / resimulation.ENTRIES).exists()
    title = f"{resimulation.TITLE if made_anew else 'TID2013'}: {len(people.pairs)} images"
    numbers = {
        "ratings": title,
        "references": references,
        "optima": optima,
        "points": {
            name: {
                "objective": point.objective,
                "strength": point.strength,
                "initialisation": point.initialisation,
                "seed": point.seed,
                "layers": scores[name],
            }
            for name, point in networks.items()
        },
    }
    files.write_file(str(out / NUMBERS), (json.dumps(numbers, indent=1) + "\n").encode())
    drawn = {
        f"{name}, {readout}": {
            layer: scores[name][layer_label(layer, readout)] for layer in point.layers
        }
        for name, point in networks.items()
        if point.objective == PLAIN
        for readout in READOUTS
    }
    if drawn:
        plots.plot_steps(
            {"layer": drawn},
            f"Agreement by layer, trained to reconstruct; {title}",
            out / LAYERS_FIGURE,
        )
    drawn = {
        PARAMETERS[objective]: {
            curve: {strength: scores[name][END[readout]] for strength, name in along.items()}
            for readout in READOUTS
            for curve, along in named_curves(seeds, readout)
        }
        for objective, seeds in curves.items()
    }
    if drawn:
        plots.plot_steps(
            drawn,
            f"Agreement at the encoder's end by what it was trained for; {title}",
            out / PARAMETERS_FIGURE,
            {name: line[0] for name, line in references.items()},
        )
    text = sweep_table(title, scores, references, optima)
    files.write_file(str(out / TABLE), (text + "\n").encode())
    return text


def named_curves(
    seeds: dict[int, dict[float, str]], readout: str
) -> Iterator[tuple[str, dict[float, str]]]:
    """Every seed's curve with a name for it: with the seed where there are several."""
    for seed, along in seeds.items():
        yield readout + (f", seed {seed}" if len(seeds) > 1 else ""), along


def curves_by_objective(
    networks: Mapping[str, TrainedPoint],
) -> dict[str, dict[int, dict[float, str]]]:
    """Objective → seed → strength → name of the point, in order; plain reconstruction stands at
    strength 0.
    """
    curves: dict[str, dict[int, dict[float, str]]] = {}
    for objective in PARAMETERS:
        for name, point in sorted(
            networks.items(), key=lambda item: (item[1].seed, item[1].strength)
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
    scores: dict[str, dict[str, Interval]],
    references: dict[str, Interval],
    optima: dict,
) -> str:
    """The encoder's end and the best layer of every point, the references, and the optima."""
    width = max(map(len, (*scores, *references)))
    heads = (f"{readout} readout" for readout in READOUTS)
    lines = [
        f"{title}; Spearman at the encoder's end, 95 % bootstrap intervals over references",
        "",
        f"{'point':<{width}}" + "".join(f"  {head:<24}" for head in heads) + "  best layer",
    ]
    for name, row in scores.items():
        best = max(row, key=lambda kind: row[kind][0])
        cells = (signed_interval_text(row[END[readout]]) for readout in READOUTS)
        lines.append(
            f"{name:<{width}}"
            + "".join(f"  {cell:<24}" for cell in cells)
            + f"  {best} {signed_interval_text(row[best])}"
        )
    lines += [
        f"{name:<{width}}  {signed_interval_text(value)}" for name, value in references.items()
    ]
    for name, best_point in optima.items():
        over = ", ".join(
            f"{signed_interval_text(best_point[end])} over {end.removeprefix('over_')}"
            for end in ("over_plain", "over_strongest")
        )
        lines.append(f"{name}: best at {best_point['strength']:g}, {over}")
    return "\n".join(lines)


def signed_interval_text(value: Interval) -> str:
    return "{:+.4f} [{:+.3f}, {:+.3f}]".format(*value)
