"""A trained model as shipped: one zip file of ONNX graphs, integer tables and a JSON card. Loading
executes nothing.

A model file may come from anywhere, so nothing in it is believed: `codec.network.archive` reads its
members, `codec.network.graphs.graph_check` says what a graph may do, and what is wrong is a
ModelError of one line (SECURITY.md).

Members: `model.json` (name, format, groups, halo, steps of training, …), `analysis.onnx`,
`synthesis.onnx`, `features.onnx`, `context0.onnx` …, and arrays as `.npy`. ``id``, written into
every stream, is the start of a SHA-256 over the members that decoded latents depend on; a new
synthesis keeps it. `grey.npy`, if there, names the latents that grey pictures need; their streams
bear an id that depends on it too.
"""

import copy
import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from metamer.codec.errors import ModelError
from metamer.codec.network import archive
from metamer.codec.network.archive import ArchiveError
from metamer.codec.network.graphs import onnx_wire
from metamer.codec.network.graphs.session import Session
from metamer.codec.options import QUALITIES
from metamer.entropy.tables import Tables

# latent positions: six 3x3 convolutions, as all shipped networks have, at half a position a pixel
HALO = 3
MAX_HALO = 64
TRADEOFF = 22.0  # see latents.choose_residuals; least rate at equal PSNR on held-out photographs
SUFFIX = ".metamer"
WEIGHTS = Path(__file__).parents[1] / "weights"
FORMAT = 2  # 1: context graphs give mean and scale of every position

ARRAYS = {  # name: (dtype, dimensions); Q = 256 qualities, M latents, Z hyper-latents, K levels
    "frequencies": ("uint32", 1),  # coding tables, entropy.tables.Tables
    "reach": ("int32", 1),
    "hyper_index": ("uint8", 2),  # (Q, Z) table of each hyper-latent
    "scale_offset": ("int16", 2),  # (Q, M) L of FORMAT.md: added to the predicted log-scale
    "mean_factor": ("int32", 2),  # (Q, M) H: predicted mean → sixteenths of a quantiser step
    "known_factor": ("int32", 2),  # (Q, M) G: decoded latent in sixteenths → context units
    "planes": ("uint8", 2),  # (Q, K) quality planes of the context networks
    "step": ("float32", 2),  # (Q, M) quantiser step, image units
    "encoder_gain": ("float32", 2),  # (Q, M) what the encoder multiplies latents by
    "level_weights": ("float32", 2),  # (Q, K) quality weights of analysis and synthesis
}
LIMITS = {"mean_factor": 1 << 18, "known_factor": 1 << 17}  # products of these stay inside 32 bits
DECODING_ARRAYS = (
    "frequencies",
    "reach",
    "hyper_index",
    "scale_offset",
    "mean_factor",
    "known_factor",
    "planes",
)
GREY = "grey.npy"  # (M,) uint8: 1 for latents that grey pictures have, 0 for those of colour
PER_LATENT = ("scale_offset", "mean_factor", "known_factor", "step", "encoder_gain")
# of what is not integers
RANGES = {"step": (1e-6, 1e6), "encoder_gain": (1e-6, 1e6), "level_weights": (0.0, 1.0)}
MOST_GROUPS, MOST_LATENTS, MOST_FREQUENCIES = 16, 4096, 1 << 20
NAME_LENGTH = 100


def graph_names(groups: int) -> tuple[str, ...]:
    """The integer graphs of a model with that many channel groups, in decoding order."""
    return ("features", *(f"context{index}" for index in range(2 * groups)))


def relative_curvature(step: np.ndarray) -> np.ndarray:
    """What a squared step costs in each latent, the mean being 1, of steps (…, M): transforms are
    nearly orthogonal.
    """
    return step**2 / (step**2).mean(-1, keepdims=True)


def digest(members: Mapping[str, bytes], groups: Sequence[int]) -> bytes:
    """SHA-256 over what decoded latents depend on. Raises KeyError where some of it is missing."""
    state = hashlib.sha256(",".join(map(str, groups)).encode())
    for name in sorted(_decoding_members(groups)):
        state.update(name.encode() + len(members[name]).to_bytes(8, "little") + members[name])
    return state.digest()


def _decoding_members(groups: Sequence[int]) -> list[str]:
    return [f"{graph}.onnx" for graph in graph_names(len(groups))] + [
        f"{array}.npy" for array in DECODING_ARRAYS
    ]


class Model:
    """A loaded model; ONNX sessions are made when first used. threads: 0 lets ONNX Runtime use
    every core.

    id: what streams call it; networks: what decoder files call it, the same but for `grey_variant`.
    grey: whether it is that; coded: which latents are coded at all, (M,) bool, None for every one.
    tradeoff: (Q, M) bits that a squared step is worth to the encoder,
    `codec.network.latents.choose_residuals`: the card's ``tradeoff`` for the level, and, where the
    card has ``worth``, times that of the latent's group, by which later ones are predicted, and
    times `relative_curvature`. masking: `codec.encoder.masking.error_weights`' exponent. halo:
    latent positions that analysis and synthesis see beyond their own.
    """

    def __init__(self, path: Path, threads: int = 0):
        self.path, self.threads = Path(path), threads
        self._sessions: dict[str, Session] = {}
        self.card, self.groups, self._members = _read(
            self.path, (*(f"{array}.npy" for array in ARRAYS), "analysis.onnx", "synthesis.onnx")
        )
        self.id, self._grey_id = _ids(self.path, self._members, self.groups)
        self.networks = self.id
        self.grey = False
        self.coded: np.ndarray | None = None
        try:
            self.arrays = _arrays(self._members, self.groups)
            self._grey = _grey_array(self._members, self.groups)
            self.masking = float(_number(self.card, "masking", 0, 100, 0))
            self.halo = int(_number(self.card, "halo", 1, MAX_HALO, HALO, whole=True))
            self.tradeoff = _tradeoff(self.card, self.arrays, self.groups)
            self.tables = Tables(self.arrays.pop("frequencies"), self.arrays.pop("reach"))
            if len(self.tables) > 256 or self.arrays["hyper_index"].max() >= len(self.tables):
                raise ArchiveError("array hyper_index names a table that does not exist")
        except ValueError as problem:
            raise ModelError(f"{path}: {problem}") from None

    @cached_property
    def grey_variant(self) -> "Model":
        """The same networks for grey pictures, whose latents of colour are not coded."""
        variant = copy.copy(self)
        variant.id, variant.grey = self._grey_id, True
        variant.coded = None if self._grey is None else self._grey.astype(bool)
        return variant

    @property
    def name(self) -> str:
        return self.card["name"]

    @property
    def latents(self) -> int:
        """M, the number of latent channels."""
        return sum(self.groups)

    def graph(self, name: str) -> bytes:
        """One graph as ONNX serialises it, for other readers than `Session`, which checks more.
        Raises ModelError.
        """
        data = self._member(name)
        try:
            onnx_wire.read_graph(data)
        except onnx_wire.GraphError as problem:
            raise ModelError(f"{self.path}: graph {name} cannot be loaded: {problem}") from None
        return data

    def _member(self, graph: str) -> bytes:
        try:
            return self._members[f"{graph}.onnx"]
        except KeyError:
            raise ModelError(f"{self.path}: holds no graph {graph}") from None

    def session(self, graph: str) -> Session:
        """One graph, ready to run; kept for the next call."""
        if graph not in self._sessions:
            # a model has several of the others, each with an arena of its own
            arena = graph in ("analysis", "synthesis")
            self._sessions[graph] = Session(
                self._member(graph), f"{self.path}: graph {graph}", self.threads, arena
            )
        return self._sessions[graph]

    def run(self, graph: str, **inputs: np.ndarray) -> list[np.ndarray]:
        """Runs one graph; input names are the graph's."""
        return self.session(graph).run(**inputs)


def _read(
    path: Path, more: Sequence[str] = ()
) -> tuple[dict[str, Any], tuple[int, ...], dict[str, bytes]]:
    """Card, groups and members: those that the ids depend on, and ``more``. Raises ModelError."""
    try:
        first = archive.read_members(path, ["model.json"])
        card = archive.parse_card(first["model.json"])
        form, name, groups = card["format"], card["name"], card["groups"]
        if type(form) is int and form > FORMAT:
            raise ModelError(f"{path}: model format {form} is newer than this program reads")
        if type(form) is not int or form < 1 or not is_name(name):
            raise ArchiveError(f"format {form!r}, name {name!r}"[:200])
        if not (
            isinstance(groups, list)
            and 0 < len(groups) <= MOST_GROUPS
            and all(type(size) is int and 0 < size <= MOST_LATENTS for size in groups)
            and sum(groups) <= MOST_LATENTS
        ):
            raise ArchiveError(f"groups {groups!r}"[:200])
        members = archive.read_members(path, [*_decoding_members(groups), GREY, *more])
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except KeyError as problem:
        raise ModelError(f"{path}: is not a Metamer model: {problem} is missing") from None
    except (ArchiveError, OSError) as problem:
        raise ModelError(f"{path}: is not a Metamer model: {problem}") from None
    return card, tuple(groups), members


def is_name(name: object) -> bool:
    """Whether a card's ``name`` may be shown to people."""
    return isinstance(name, str) and 0 < len(name) <= NAME_LENGTH and name.isprintable()


def _ids(path: Path, members: Mapping[str, bytes], groups: Sequence[int]) -> tuple[bytes, bytes]:
    """What streams call a model, those of colour and those of grey pictures; made of the members'
    bytes, never of what a card says. Raises ModelError.
    """
    try:
        whole = digest(members, groups)
    except KeyError as problem:
        raise ModelError(f"{path}: is not a Metamer model: {problem} is missing") from None
    return whole[:4], hashlib.sha256(whole + members.get(GREY, b"")).digest()[:4]


def _arrays(members: Mapping[str, bytes], groups: Sequence[int]) -> dict[str, np.ndarray]:
    """The arrays of `ARRAYS`. Raises ArchiveError."""
    arrays = {}
    for name, (dtype, dimensions) in ARRAYS.items():
        if f"{name}.npy" not in members:
            raise ArchiveError(f"is not a Metamer model: '{name}.npy' is missing")
        found = arrays[name] = archive.parse_array(name, members[f"{name}.npy"], dtype, dimensions)
        if dimensions == 2 and (found.shape[0] != QUALITIES or found.shape[1] > MOST_LATENTS):
            raise ArchiveError(f"array {name} has the wrong type or shape")
        if name in PER_LATENT and found.shape[1] != sum(groups):
            raise ArchiveError(f"array {name} does not match the {sum(groups)} latent channels")
        low, high = RANGES.get(name, (0, LIMITS.get(name)))
        if high is not None and (found.min() < low or found.max() > high):
            raise ArchiveError(f"array {name} leaves {low:g}…{high}")
    if arrays["planes"].shape != arrays["level_weights"].shape:
        raise ArchiveError("arrays planes and level_weights differ in shape")
    if len(arrays["frequencies"]) > MOST_FREQUENCIES:
        raise ArchiveError("array frequencies has the wrong type or shape")
    return arrays


def _grey_array(members: Mapping[str, bytes], groups: Sequence[int]) -> np.ndarray | None:
    if GREY not in members:
        return None
    grey = archive.parse_array("grey", members[GREY], "uint8", 1)
    if grey.shape != (sum(groups),) or grey.max() > 1:
        raise ArchiveError("array grey has the wrong type or shape")
    return grey


def _number(
    card: Mapping[str, Any], key: str, low: float, high: float, default: float, whole: bool = False
) -> float:
    value = card.get(key, default)
    if type(value) not in ((int,) if whole else (int, float)) or not low <= value <= high:
        raise ArchiveError(f"{key} is out of range")
    return value


def _numbers(card: Mapping[str, Any], key: str, default: list[float]) -> np.ndarray:
    """Positive numbers. Raises ArchiveError."""
    values = card.get(key, default)
    if (
        not isinstance(values, list)
        or len(values) > MOST_LATENTS
        or not all(type(value) in (int, float) and 0 < value <= 1e9 for value in values)
    ):
        raise ArchiveError(f"{key} is out of range")
    return np.array(values, float)


def _tradeoff(
    card: Mapping[str, Any], arrays: Mapping[str, np.ndarray], groups: Sequence[int]
) -> np.ndarray:
    """`Model.tradeoff`, at every quality, interpolated like all that depends on it. Raises
    ArchiveError.
    """
    tradeoff, worth = _numbers(card, "tradeoff", [TRADEOFF]), _numbers(card, "worth", [])
    levels, step = arrays["level_weights"], arrays["step"]
    if not 0 < len(tradeoff) <= levels.shape[1] or len(worth) not in (0, len(groups)):
        raise ArchiveError("tradeoff or worth is out of range")
    tradeoff = np.pad(tradeoff, (0, levels.shape[1] - len(tradeoff)), mode="edge")
    weights = np.exp(levels @ np.log(tradeoff))[:, None]
    if len(worth):
        weights = weights * relative_curvature(step) * np.repeat(worth, groups)
    return np.broadcast_to(weights, step.shape).astype(np.float32)


def shipped_models() -> list[Path]:
    """The model files that come with the package, by name."""
    return sorted(WEIGHTS.glob(f"*{SUFFIX}"), key=lambda path: path.stem)


def load_model(name: str = "base", threads: int = 0) -> Model:
    """A shipped model by name, or a model file by path; kept for the next call. Raises
    ModelError.
    """
    return _load(_path(name), threads)


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


@lru_cache(maxsize=8)
def _load(path: Path, threads: int) -> Model:
    return Model(path, threads)


@lru_cache(maxsize=32)
def _identity(path: Path) -> tuple[bytes, bytes]:
    """`_ids` of a file, in a fraction of the time that loading it takes."""
    _, groups, members = _read(path)
    return _ids(path, members, groups)


def find_model(
    model_id: bytes, candidates: tuple[str, ...] = (), threads: int = 0, grey: bool = False
) -> Model:
    """The model a stream names: first among those shipped, then among ``candidates`` (names or
    paths). grey: its variant.

    So no file takes a shipped model's place, though its latents may be the same: what draws
    pictures is not in an id.
    """
    for name in (*(path.stem for path in shipped_models()), *candidates):
        if _identity(_path(name))[grey] == model_id:
            model = load_model(name, threads)
            return model.grey_variant if grey else model
    raise ModelError(
        f"needs model {model_id.hex()}, which is not installed; name its file with --model"
    )
