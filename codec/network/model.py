"""Models: loaded, by name, by path, or by the id that a stream bears."""

import copy
import os
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from metamer.codec.errors import ModelError
from metamer.codec.network.files.archive import ArchiveError
from metamer.codec.network.files.arrays import (
    ARRAYS,
    TABLE_ARRAYS,
    make_tables,
    read_arrays,
    read_grey,
    relative_curvature,
)
from metamer.codec.network.files.bands import MAX_BANDS, band_of, checked_bands, synthesis_names
from metamer.codec.network.files.model_file import card_number, card_numbers, read_model_file
from metamer.codec.network.graphs import onnx_wire
from metamer.codec.network.graphs.protobuf import GraphError
from metamer.codec.network.graphs.session import CPU, Session, transform_providers

# latent positions: six 3x3 convolutions, as all shipped networks have, at half a position a pixel
RECEPTIVE_FIELD = 3
MAX_RECEPTIVE_FIELD = 64

Version = tuple[str, int, int]  # of a file: real path, time of its last change in ns, bytes
RDOQ_LAMBDA = 22.0  # see rdoq.choose_residuals; least rate at equal PSNR on held-out photos
SUFFIX = ".metamer"
TRANSFORMS = tuple(  # members: all that there may be
    f"{graph}.onnx" for graph in ("analysis", "synthesis", *synthesis_names(MAX_BANDS))
)
WEIGHTS = Path(__file__).parents[1] / "weights"


class Model:
    """A loaded model. ONNX sessions are made when first used.

    Attributes:
        path: The model file.
        threads: Of ONNX Runtime; 0 for every core.
        card: The object that `model.json` holds.
        groups: Latent channels of each group, in decoding order.
        id: What streams call the model, 4 bytes.
        decoder_id: What decoder files call it: the same, but for `grey_variant`.
        grey: Whether it is a `grey_variant`.
        coded_channels: (M,) bool, which latents are coded at all; None for every one.
        arrays: The arrays of `codec.network.files.arrays.ARRAYS`, but for the coding tables.
        tables: The coding tables.
        rdoq_lambda: (Q, M) float32 bits that a squared step of error is worth to the encoder in
            each latent (`codec.network.rdoq.choose_residuals`).
        masking: The exponent of `codec.encoder.masking.error_weights`.
        receptive_field: Latent positions beyond its own that analysis and synthesis see on each
            side.
        synthesis_graphs: Names of the synthesis graphs, one for each band of qualities.
    """

    def __init__(self, path: Path, threads: int = 0):
        """Reads a model file.

        Args:
            path: The file.
            threads: Of ONNX Runtime; 0 for every core.

        Raises:
            ModelError: There is no such file, or it is not a model file that is read here.
        """
        file = read_model_file(Path(path), [*(f"{array}.npy" for array in ARRAYS), *TRANSFORMS])
        self.path, self.threads = file.path, threads
        self.card, self.groups, self._members = file.card, file.groups, file.members
        self.id, self.decoder_id, self._grey_id = file.id, file.id, file.grey_id
        self.grey = False
        self.coded_channels: np.ndarray | None = None
        self._sessions: dict[str, Session] = {}
        try:
            arrays = read_arrays(file.members, file.groups)
            self.tables = make_tables(arrays)
            self.arrays = {name: arrays[name] for name in arrays if name not in TABLE_ARRAYS}
            self._grey_channels = read_grey(file.members, file.groups)
            self.rdoq_lambda = _rdoq_lambda(file.card, arrays, file.groups)
            self.masking = float(card_number(file.card, "masking", 0, 100, 0))
            self.receptive_field = receptive_field(file.card)
            self.synthesis_graphs = synthesis_names(checked_bands(file.card))
        except ValueError as problem:
            raise ModelError(f"{path}: {problem}") from None

    @cached_property
    def grey_variant(self) -> "Model":
        """The same networks for grey pictures, whose latents of colour are not coded."""
        variant = copy.copy(self)
        variant.id, variant.grey = self._grey_id, True
        variant.coded_channels = self._grey_channels
        return variant

    @property
    def name(self) -> str:
        """What the card calls the model."""
        return self.card["name"]

    @property
    def latents(self) -> int:
        """M, the number of latent channels."""
        return sum(self.groups)

    def graph(self, name: str) -> bytes:
        """One graph as ONNX serialises it, for other readers than `Session`, which checks more.

        Raises:
            ModelError: The file does not hold it, or it is no graph.
        """
        data = self._member(name)
        try:
            onnx_wire.read_graph(data)
        except GraphError as problem:
            raise ModelError(f"{self.path}: graph {name} cannot be loaded: {problem}") from None
        return data

    def session(self, graph: str) -> Session:
        """One graph, ready to run; kept for the next call. Raises ModelError."""
        if graph not in self._sessions:
            # a model has several of the others, each with an arena of its own
            transforms = f"{graph}.onnx" in TRANSFORMS
            providers = transform_providers() if transforms else (CPU,)
            self._sessions[graph] = Session(
                self._member(graph),
                f"{self.path}: graph {graph}",
                self.threads,
                transforms,
                providers,
            )
        return self._sessions[graph]

    def run(self, graph: str, **inputs: np.ndarray) -> list[np.ndarray]:
        """Runs one graph.

        Args:
            graph: Its name.
            **inputs: By the names that the graph has for them.

        Returns:
            The graph's outputs.

        Raises:
            ModelError: The graph cannot be run.
        """
        return self.session(graph).run(**inputs)

    def band(self, quality: int, bands: int) -> int:
        """Which of so many ``bands`` a quality, 0 to Q − 1, belongs to."""
        return band_of(self.arrays["level_weights"][quality], bands)

    def synthesis_graph(self, quality: int) -> str:
        """The name of the graph that synthesises pictures of a quality, 0 to Q − 1."""
        return self.synthesis_graphs[self.band(quality, len(self.synthesis_graphs))]

    def _member(self, graph: str) -> bytes:
        try:
            return self._members[f"{graph}.onnx"]
        except KeyError:
            raise ModelError(f"{self.path}: holds no graph {graph}") from None


def receptive_field(card: Mapping[str, Any]) -> int:
    """Latent positions on each side that a card's networks see. Raises ArchiveError."""
    return int(
        card_number(
            card, "receptive_field", 1, MAX_RECEPTIVE_FIELD, default=RECEPTIVE_FIELD, whole=True
        )
    )


def _rdoq_lambda(
    card: Mapping[str, Any], arrays: Mapping[str, np.ndarray], groups: Sequence[int]
) -> np.ndarray:
    """`Model.rdoq_lambda`: the card's for each level, interpolated like all that depends on
    quality.

    Where the card has weights for the groups of latents (``rdoq_group_weights``), it is times the
    weight of a latent's group, from which later ones are predicted, and times `relative_curvature`.
    Raises ArchiveError.
    """
    rdoq_lambda, group_weights = (
        card_numbers(card, "rdoq_lambda", [RDOQ_LAMBDA]),
        card_numbers(card, "rdoq_group_weights", []),
    )
    levels, step = arrays["level_weights"], arrays["step"]
    if not 0 < len(rdoq_lambda) <= levels.shape[1] or len(group_weights) not in (0, len(groups)):
        raise ArchiveError("rdoq_lambda or rdoq_group_weights is out of range")
    rdoq_lambda = np.pad(rdoq_lambda, (0, levels.shape[1] - len(rdoq_lambda)), mode="edge")
    weights = np.exp(levels @ np.log(rdoq_lambda))[:, None]
    if len(group_weights):
        weights = weights * relative_curvature(step) * np.repeat(group_weights, groups)
    return np.broadcast_to(weights, step.shape).astype(np.float32)


def shipped_models() -> list[Path]:
    """The model files that come with the package, by name."""
    return sorted(WEIGHTS.glob(f"*{SUFFIX}"), key=lambda path: path.stem)


def load_model(name: str = "base", threads: int = 0) -> Model:
    """Loads a model; it is kept for the next call, until its file changes.

    Args:
        name: A shipped model's name, or the path of a model file.
        threads: Of ONNX Runtime; 0 for every core.

    Raises:
        ModelError: There is no such model, or its file is not one that is read here.
    """
    path = _path(name)
    return _load(path, _version(path), threads)


def find_model(
    model_id: bytes, candidates: tuple[str, ...] = (), threads: int = 0, grey: bool = False
) -> Model:
    """Loads the model that a stream names: the first shipped one with its id, else a candidate.

    So no file takes a shipped model's place, though its latents may be the same: the synthesis is
    not in an id.

    Args:
        model_id: The 4 bytes that the stream bears.
        candidates: Names or paths of further models.
        threads: Of ONNX Runtime; 0 for every core.
        grey: Whether the stream is of a grey picture: then the model's `grey_variant` is given.

    Raises:
        ModelError: None has this id.
    """
    for name in (*(path.stem for path in shipped_models()), *candidates):
        if model_ids(name)[grey] == model_id:
            model = load_model(name, threads)
            return model.grey_variant if grey else model
    raise ModelError(
        f"needs model {model_id.hex()}, which is not installed; name its file with --model"
    )


def _path(name: str) -> Path:
    path = WEIGHTS / f"{name}{SUFFIX}"
    if not os.path.exists(path):
        path = Path(name)
        if not os.path.exists(path):
            names = ", ".join(file.stem for file in shipped_models()) or "none"
            raise ModelError(
                f"no model '{name}': shipped are {names}; or give the path of a model file"
            )
    return path


def model_ids(name: str) -> tuple[bytes, bytes]:
    """The ids of a model's colour and grey streams, in a fraction of the time that loading takes.

    Args:
        name: A shipped model's name, or the path of a model file.

    Raises:
        ModelError: There is no such model, or its file is not one that is read here.
    """
    path = _path(name)
    return _ids(path, _version(path))


def _version(path: Path) -> Version:
    """What tells a file from others and from what it replaces, whatever folder is the current."""
    status = os.stat(path)
    return os.path.realpath(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _load(path: Path, version: Version, threads: int) -> Model:
    return Model(path, threads)


@lru_cache(maxsize=32)
def _ids(path: Path, version: Version) -> tuple[bytes, bytes]:
    file = read_model_file(path)
    return file.id, file.grey_id
