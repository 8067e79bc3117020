"""What every model and decoder file is given to, and what must hold.

Nothing but a ModelError of one printable line comes out; no input takes long or much memory. Files
that are accepted load all their graphs as far as `codec.network.graphs.cost`; a share of them, drawn by
their bytes, goes through ONNX Runtime: a picture is encoded and decoded with the model, or decoded
with the decoder.
"""

import random
import resource
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

import metamer
from metamer.codec.errors import MetamerError, ModelError
from metamer.codec.network import decoders
from metamer.codec.network.files import archive
from metamer.codec.network.graphs import onnx_wire
from metamer.codec.network.graphs.cost import check_graph
from metamer.codec.network.graphs.protobuf import GraphError
from metamer.codec.network.graphs.session import Session
from metamer.codec.network.model import Model
from tests.fuzz import model_mutation as mutation
from tests.fuzz.harness import MEMORY, SilentError

SECONDS = 2.0  # by the clock, and then by the processor; the networks' share has `DEEP_SECONDS`
# limits of codec.network.graphs.cost are for pictures, and a graph may take them for every session
DEEP_SECONDS = 10.0
GRAPHS = (
    "analysis",
    "synthesis",
    "features",
    *(f"context{index}" for index in range(2 * len(mutation.GROUPS))),
)


@dataclass
class Target:
    """share: of the accepted files, how many go through the networks. Others as
    `tests.fuzz.target.Target`.
    """

    share: float = 0.1
    reached: Counter = field(default_factory=Counter)
    failures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    longest: tuple[float, bytes] = (0.0, b"")
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Duplicate name")  # of zipfile, where files are made
        self._held = tempfile.TemporaryDirectory(prefix="fuzz")
        self._folder = Path(self._held.name)
        self.model = mutation.model_members()
        good = self._folder / "good.metamer"
        good.write_bytes(mutation.zipped(self.model))
        self._good = str(good)
        levels = np.add.outer(np.arange(48) * 3, np.arange(80) * 2).astype(np.uint8)
        self._picture = Image.fromarray(
            np.dstack([levels, levels.T.copy().reshape(48, 80), 255 - levels])
        )
        self._stream = metamer.encode(self._picture, 50, model=self._good, threads=1)
        decodes = Model(good).id.hex()
        self.decoders = [mutation.decoder_members(decodes, slider) for slider in (False, True)]
        self.graphs = [
            data
            for name, data in [*self.model.items(), *self.decoders[1].items()]
            if name.endswith(".onnx")
        ]
        self._sides = {"image": 64}
        self._number = 0

    def __call__(self, data: bytes, kind: str) -> None:
        """kind: `model` or `decoder`, or `graph` for one that lies in no file."""
        start, deep = time.perf_counter(), self.reached["through the networks"]
        self.reached["inputs"] += 1
        self.reached[f"{kind} files"] += 1
        self._number += kind != "graph"
        # a new name, for files that are loaded are kept by name
        path = self._folder / f"{self._number}.{kind}"
        try:
            if kind != "graph":
                path.write_bytes(data)
            self._check(path, kind, data)
            seconds = time.perf_counter() - start
            self.longest = max(self.longest, (seconds, data))
            limit = DEEP_SECONDS if self.reached["through the networks"] > deep else SECONDS
            if seconds > limit:  # others may have had the core meanwhile
                cpu_start = time.process_time()
                self._check(path, kind, data)
                if (seconds := time.process_time() - cpu_start) > limit:
                    raise TimeoutError(f"{seconds:.1f} s")
        except Exception as problem:
            last = traceback.extract_tb(problem.__traceback__)[-1]
            place = f"{type(problem).__name__} at {last.filename.rsplit('/', 2)[-1]}:{last.lineno} {last.name}"
            self.reached["failures"] += 1
            self.failures.setdefault(place, (data, traceback.format_exc()))
        finally:
            if kind != "graph":
                path.unlink(missing_ok=True)

    def _check(self, path: Path, kind: str, data: bytes) -> None:
        try:
            if kind == "graph":
                self._lone_graph(data)
            else:
                self._model(path, data) if kind == "model" else self._decoder(path, data)
        except MetamerError as problem:
            if not (isinstance(problem, ModelError) and str(problem).isprintable()):
                raise SilentError(f"an error that is not one line: {problem!r}") from None
            self.reached["refused"] += 1

    def _graph(self, data: bytes) -> None:
        """What `codec.network.graphs.session.Session` does before it makes a session. Raises ModelError."""
        self.reached["graphs"] += 1
        try:
            graph = onnx_wire.read_graph(data)
            self.reached["graphs read"] += 1
            check_graph(graph)
        except GraphError as problem:
            raise ModelError(str(problem)) from None
        self.reached["graphs accepted"] += 1

    def _lone_graph(self, data: bytes) -> None:
        self._graph(data)
        if mutation.drawn(data) < self.share:
            self.reached["through the networks"] += 1
            session = Session(data, "graph", 1)
            self.reached["sessions"] += 1
            shapes = {
                port.name: tuple(
                    self._sides.get(port.name, 4) if side is None else side for side in port.shape
                )
                for port in onnx_wire.read_graph(data).inputs
            }
            session.run(**{name: np.ones(shape, np.float32) for name, shape in shapes.items()})
            self.reached["graphs run"] += 1

    def _model(self, path: Path, data: bytes) -> None:
        loaded = Model(path, 1)
        self.reached["cards and arrays accepted"] += 1
        for name in GRAPHS:
            self._graph(loaded.graph(name))
        self.reached["models accepted"] += 1
        if mutation.drawn(data) < self.share:
            self.reached["through the networks"] += 1
            stream = metamer.encode(self._picture, 50, model=str(path), threads=1)
            self.reached["encoded"] += 1
            if metamer.decode(stream, model=str(path), threads=1).size != self._picture.size:
                raise SilentError("a picture of another size")
            self.reached["decoded"] += 1

    def _decoder(self, path: Path, data: bytes) -> None:
        decoders.read_decoder(path)
        self.reached["cards and arrays accepted"] += 1
        try:
            graph = archive.read_members(path, ["synthesis.onnx"]).get("synthesis.onnx", b"")
        except archive.ArchiveError as problem:
            raise ModelError(str(problem)) from None  # as `codec.network.decoders` does
        self._graph(graph)
        self.reached["decoders accepted"] += 1
        if mutation.drawn(data) < self.share:
            self.reached["through the networks"] += 1
            picture = metamer.decode(self._stream, model=self._good, decoder=path, threads=1)
            if picture.size != self._picture.size:
                raise SilentError("a picture of another size")
            self.reached["decoded"] += 1

    def close(self) -> None:
        """Removes the files that inputs were written to."""
        self._held.cleanup()

    def report(self) -> dict:
        """Figures as plain numbers."""
        seconds = time.perf_counter() - self.started
        return {
            **self.reached,
            "seconds": round(seconds, 1),
            "inputs a second": round(self.reached["inputs"] / seconds, 1),
            "longest input, seconds": round(self.longest[0], 3),
            "peak memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
            "distinct failures": len(self.failures),
        }


def feed(target: Target, rng: random.Random) -> None:
    """One input: seven times of ten a graph, which takes a tenth of the time that a model file
    does.
    """
    match rng.random():
        case drawn if drawn < 0.7:
            target(mutation.mutate_graph(rng.choice(target.graphs), rng), "graph")
        case drawn if drawn < 0.85:
            target(mutation.mutate(target.model, rng), "model")
        case _:
            target(mutation.mutate(rng.choice(target.decoders), rng), "decoder")


def warm(target: Target) -> int:
    """Loads all that is loaded once, and then limits memory to `MEMORY` more. Returns what the
    process holds, in kB.
    """
    share, target.share = target.share, 2.0
    target(mutation.zipped(target.model), "model")
    for members in target.decoders:
        target(mutation.zipped(members), "decoder")
    if target.failures or target.reached["decoded"] < 3:
        raise AssertionError(f"the good files are refused: {target.failures} {target.reached}")
    target.share, target.started, target.longest = share, time.perf_counter(), (0.0, b"")
    target.reached.clear()
    with open("/proc/self/statm") as status:
        used = int(status.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(
        resource.RLIMIT_AS, (used + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1])
    )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
