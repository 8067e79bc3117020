"""A trained model as shipped: one zip file of ONNX graphs, integer tables and a JSON card. Loading executes nothing.

Members: `model.json` (name, format, groups, halo, steps of training, …), `analysis.onnx`, `synthesis.onnx`, `features.onnx`,
`context0.onnx` …, and arrays as `.npy`. ``id``, written into every stream, is the start of a SHA-256 over the members
that decoded latents depend on; a new synthesis keeps it. `grey.npy`, if there, names the latents that grey pictures need;
their streams bear an id that depends on it too.
"""

import copy
import hashlib
import io
import json
import lzma
import zipfile
import zlib
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from codec.errors import ModelError
from entropy.tables import Tables

QUALITIES = 256
HALO = 3  # latent positions: six 3x3 convolutions, as all shipped networks have, at half a position a pixel
MAX_HALO = 64
TRADEOFF = 22.0  # see latents.choose_residuals; least rate at equal PSNR on held-out photographs
SUFFIX = ".metamer"
WEIGHTS = Path(__file__).parent / "weights"
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
DECODING_ARRAYS = ("frequencies", "reach", "hyper_index", "scale_offset", "mean_factor", "known_factor", "planes")
GREY = "grey.npy"  # (M,) uint8: 1 for latents that grey pictures have, 0 for those of colour
PER_LATENT = ("scale_offset", "mean_factor", "known_factor", "step", "encoder_gain")


RUNTIME_ERRORS = (runtime.Fail, runtime.InvalidArgument, runtime.InvalidGraph, runtime.InvalidProtobuf, runtime.NotImplemented,
                  runtime.RuntimeException, runtime.EPFail, runtime.NoSuchFile)
# what reading a damaged zip file or what was in it raises; RuntimeError: it claims to be encrypted
ARCHIVE_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError,
                  KeyError, ValueError, TypeError)


def graph_names(groups: int) -> tuple[str, ...]:
    """The integer graphs of a model with that many channel groups, in decoding order."""
    return ("features", *(f"context{index}" for index in range(2 * groups)))


def relative_curvature(step: np.ndarray) -> np.ndarray:
    """What a squared step costs in each latent, the mean being 1, of steps (…, M): transforms are nearly orthogonal."""
    return step**2 / (step**2).mean(-1, keepdims=True)


def digest(members: dict[str, bytes], groups: tuple[int, ...]) -> bytes:
    """SHA-256 over what decoded latents depend on."""
    state = hashlib.sha256(",".join(map(str, groups)).encode())
    graphs = [f"{graph}.onnx" for graph in graph_names(len(groups))]
    for name in sorted(graphs + [f"{array}.npy" for array in DECODING_ARRAYS]):
        state.update(name.encode() + len(members[name]).to_bytes(8, "little") + members[name])
    return state.digest()


class Session:
    """One ONNX graph, ready to run. name: what errors call it; threads: 0 lets ONNX Runtime use every core."""

    def __init__(self, graph: bytes, name: str, threads: int = 0):
        self._name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # each graph has a thread pool of its own: one that spins while another works takes its cores
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Arm's kernels for SME take what earlier sessions left in memory for the zeros of padding
        # (microsoft/onnxruntime#28654). 1.24 has them without this option, 1.23 and before were right
        options.add_session_config_entry("mlas.disable_kleidiai", "1")
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except RUNTIME_ERRORS as problem:
            raise ModelError(f"{name} cannot be loaded: {problem}") from None
        self._inputs = {given.name for given in self._session.get_inputs()}

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """The graph's outputs; input names are the graph's."""
        if self._inputs != set(inputs):
            raise ModelError(f"{self._name} takes {', '.join(sorted(self._inputs))}, not {', '.join(sorted(inputs))}")
        try:
            return self._session.run(None, inputs)
        except RUNTIME_ERRORS as problem:
            raise ModelError(f"{self._name} failed, for want of memory perhaps: {problem}") from None


class Model:
    """A loaded model; ONNX sessions are made when first used. threads: 0 lets ONNX Runtime use every core.

    id: what streams call it; networks: what decoder files call it, the same but for `grey_variant`. grey: whether it is that;
    coded: which latents are coded at all, (M,) bool, None for every one. tradeoff: (Q, M) bits that a squared step is worth
    to the encoder, `codec.latents.choose_residuals`: the card's ``tradeoff`` for the level, and, where the card has ``worth``,
    times that of the latent's group, by which later ones are predicted, and times `relative_curvature`.
    """

    def __init__(self, path: Path, threads: int = 0):
        self.path, self.threads = Path(path), threads
        self._sessions: dict[str, Session] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {name: archive.read(name) for name in archive.namelist()}
            self.card = json.loads(self._members["model.json"])
            if self.card["format"] > FORMAT:
                raise ModelError(f"{path}: model format {self.card['format']} is newer than this program reads")
            self.groups: tuple[int, ...] = tuple(self.card["groups"])
            # what the encoder goes by: `codec.latents.choose_residuals`, `codec.masking.error_weights`
            tradeoff = np.asarray(self.card.get("tradeoff", [TRADEOFF]), float)
            worth = np.asarray(self.card.get("worth", []), float)
            self.masking = float(self.card.get("masking", 0.0))
            self.halo = int(self.card.get("halo", HALO))  # latent positions that analysis and synthesis see beyond their own
            whole = digest(self._members, self.groups)
            self.id = self.networks = whole[:4]
            self.grey = False
            self.coded: np.ndarray | None = None
            self._grey = grey = np.load(io.BytesIO(self._members[GREY]), allow_pickle=False) if GREY in self._members else None
            self._grey_id = hashlib.sha256(whole + self._members.get(GREY, b"")).digest()[:4]
            arrays = {name: np.load(io.BytesIO(self._members[f"{name}.npy"]), allow_pickle=False) for name in ARRAYS}
        except FileNotFoundError:
            raise ModelError(f"{path}: no such model file") from None
        except ARCHIVE_ERRORS as problem:
            raise ModelError(f"{path}: is not a Metamer model: {problem}") from None
        for name, (dtype, dimensions) in ARRAYS.items():
            shape = arrays[name].shape
            if arrays[name].dtype != dtype or len(shape) != dimensions or (dimensions == 2 and shape[0] != QUALITIES):
                raise ModelError(f"{path}: array {name} has the wrong type or shape")
            if name in PER_LATENT and shape[1] != sum(self.groups):
                raise ModelError(f"{path}: array {name} does not match the {sum(self.groups)} latent channels")
        if grey is not None and (grey.dtype != np.uint8 or grey.shape != (sum(self.groups),) or grey.max(initial=0) > 1):
            raise ModelError(f"{path}: array grey has the wrong type or shape")
        levels = arrays["level_weights"].shape[1]
        if not (tradeoff.ndim == 1 and 0 < len(tradeoff) <= levels and worth.shape in ((0,), (len(self.groups),))
                and all((each > 0).all() and np.isfinite(each).all() for each in (tradeoff, worth))
                and 0 <= self.masking < np.inf and 1 <= self.halo <= MAX_HALO):
            raise ModelError(f"{path}: tradeoff, worth, masking or halo is out of range")
        tradeoff = np.pad(tradeoff, (0, levels - len(tradeoff)), mode="edge")
        # at every quality, interpolated like all that depends on it
        tradeoff = np.exp(arrays["level_weights"] @ np.log(tradeoff))[:, None]
        if len(worth):
            tradeoff = tradeoff * relative_curvature(arrays["step"]) * np.repeat(worth, self.groups)
        self.tradeoff: np.ndarray = np.broadcast_to(tradeoff, arrays["step"].shape).astype(np.float32)
        for name, limit in LIMITS.items():
            if arrays[name].min() < 0 or arrays[name].max() > limit:
                raise ModelError(f"{path}: array {name} leaves 0…{limit}")
        try:
            self.tables = Tables(arrays.pop("frequencies"), arrays.pop("reach"))
        except ValueError as problem:
            raise ModelError(f"{path}: {problem}") from None
        if len(self.tables) > 256 or arrays["hyper_index"].max(initial=0) >= len(self.tables):
            raise ModelError(f"{path}: array hyper_index names a table that does not exist")
        self.arrays: dict[str, np.ndarray] = arrays

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
        """One graph as ONNX serialises it."""
        try:
            return self._members[f"{name}.onnx"]
        except KeyError:
            raise ModelError(f"{self.path}: holds no graph {name}") from None

    def session(self, graph: str) -> Session:
        """One graph, ready to run; kept for the next call."""
        if graph not in self._sessions:
            self._sessions[graph] = Session(self.graph(graph), f"{self.path}: graph {graph}", self.threads)
        return self._sessions[graph]

    def run(self, graph: str, **inputs: np.ndarray) -> list[np.ndarray]:
        """Runs one graph; input names are the graph's."""
        return self.session(graph).run(**inputs)


def shipped() -> list[Path]:
    """The model files that come with the package, by name."""
    return sorted(WEIGHTS.glob(f"*{SUFFIX}"), key=lambda path: path.stem)


def load(name: str = "base", threads: int = 0) -> Model:
    """A shipped model by name, or a model file by path; kept for the next call. Raises ModelError."""
    path = WEIGHTS / f"{name}{SUFFIX}"
    if not path.exists():
        path = Path(name)
        if not path.exists():
            names = ", ".join(file.stem for file in shipped()) or "none"
            raise ModelError(f"no model '{name}': shipped are {names}; or give the path of a model file")
    return _load(path, threads)


@lru_cache(maxsize=8)
def _load(path: Path, threads: int) -> Model:
    return Model(path, threads)


def find(model_id: bytes, candidates: tuple[str, ...] = (), threads: int = 0, grey: bool = False) -> Model:
    """The model a stream names: first among ``candidates`` (names or paths), then among those shipped. grey: its variant."""
    for name in (*candidates, *(path.stem for path in shipped())):
        model = load(name, threads)
        model = model.grey_variant if grey else model
        if model.id == model_id:
            return model
    raise ModelError(f"needs model {model_id.hex()}, which is not installed; name its file with --model")
