"""Hostile model and decoder files, byte by byte: zip files whose directory lies, `.npy` that hides
something, ONNX messages.

The ONNX messages are written by a few lines of their own (wire format of protocol buffers), so that
what no library would write can be written, and nothing has to be installed.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from metamer.codec.network.model import WEIGHTS

FLOAT, INT64, BOOL = 1, 7, 9
LEVELS = 10  # of base


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: int | bytes | str | float) -> bytes:
    """One field: an integer as a varint, a float as 32 bits, all else with its length before it."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, array: np.ndarray, kind: int, extra: bytes = b"") -> bytes:
    """A TensorProto with raw data; extra: more fields."""
    dims = b"".join(field(1, side) for side in array.shape)
    return dims + field(2, kind) + field(8, name) + field(9, array.tobytes()) + extra


def external(name: str, location: str, size: int) -> bytes:
    """A TensorProto of ``size`` float32 that lie in another file."""
    entry = field(13, field(1, "location") + field(2, location)) + field(
        13, field(1, "length") + field(2, str(4 * size))
    )
    return field(1, size) + field(2, FLOAT) + field(8, name) + entry + field(14, 1)


def attribute(name: str, value: int | float | bytes | tuple[int, ...]) -> bytes:
    if isinstance(value, tuple):
        return field(1, name) + b"".join(field(8, part) for part in value) + field(20, 7)
    number, kind = {int: (3, 2), float: (2, 1), bytes: (4, 3)}[type(value)]
    return field(1, name) + field(number, value) + field(20, kind)


def node(
    operator: str, inputs: list[str], outputs: list[str], extra: bytes = b"", **attributes
) -> bytes:
    """A NodeProto; extra: more fields."""
    names = b"".join(field(1, name) for name in inputs) + b"".join(
        field(2, name) for name in outputs
    )
    return (
        names
        + field(4, operator)
        + b"".join(field(5, attribute(*pair)) for pair in attributes.items())
        + extra
    )


def port(name: str, shape: tuple[int | str, ...], kind: int = FLOAT) -> bytes:
    """A ValueInfoProto of a tensor."""
    sides = b"".join(field(1, field(1 if isinstance(side, int) else 2, side)) for side in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sides)))


def model(
    nodes: list[bytes],
    inputs: list[bytes],
    outputs: list[bytes],
    tensors: list[bytes] = (),
    in_graph: bytes = b"",
    extra: bytes = b"",
    operators: bytes = field(1, "") + field(2, 20),
) -> bytes:
    """A ModelProto; in_graph, extra: more fields of the graph, of the model."""
    graph = b"".join(
        [
            *(field(1, part) for part in nodes),
            field(2, "graph"),
            *(field(5, part) for part in tensors),
            *(field(11, part) for part in inputs),
            *(field(12, part) for part in outputs),
            in_graph,
        ]
    )
    return field(1, 10) + field(7, graph) + field(8, operators) + extra


def synthesis(nodes: list[bytes], tensors: list[bytes] = (), **options) -> bytes:
    """A graph with the interface of base's synthesis; nodes make `image` of `latent` and
    `weights`.
    """
    inputs = [port("latent", (1, "h", "w", 384)), port("weights", (1, LEVELS))]
    return model(nodes, inputs, [port("image", (1, 3, "H", "W"))], tensors, **options)


def numbers(name: str, *values: int) -> bytes:
    """A constant of 64-bit integers, (n,)."""
    return tensor(name, np.array(values, np.int64), INT64)


def scalar(name: str, value: float, kind: int = FLOAT) -> bytes:
    return tensor(name, np.array(value, np.float32 if kind == FLOAT else np.int64), kind)


def plain(before: list[bytes] = (), tensors: list[bytes] = (), **options) -> bytes:
    """A good synthesis: 384 latents twice, in blocks of 16x16 pixels. before: more nodes."""
    nodes = [
        *before,
        node("Concat", ["latent", "latent"], ["both"], axis=3),
        node("Transpose", ["both"], ["planes"], perm=(0, 3, 1, 2)),
        node("DepthToSpace", ["planes"], ["image"], blocksize=16, mode=b"CRD"),
    ]
    return synthesis(nodes, list(tensors), **options)


@cache
def members(name: str) -> dict[str, bytes]:
    """Of a shipped file; of its syntheses only the lowest qualities', as if it had no other."""
    with zipfile.ZipFile(WEIGHTS / name) as archive:
        contents = {entry: archive.read(entry) for entry in archive.namelist()}
    card = json.loads(contents["model.json"])
    for band in range(card.pop("synthesis_bands", 0)):
        contents.setdefault("synthesis.onnx", contents.pop(f"synthesis{band}.onnx"))
    return contents | {"model.json": json.dumps(card).encode()}


def write(path: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def model_file(
    path: Path, card: dict | bytes | None = None, **replaced: bytes | np.ndarray | None
) -> Path:
    """Base's model file with other entries in its card, or another card, and other members, by name
    up to the dot.

    None: without the member.
    """
    contents = dict(members("base.metamer"))
    if card is not None:
        contents["model.json"] = (
            card
            if isinstance(card, bytes)
            else json.dumps(json.loads(contents["model.json"]) | card).encode()
        )
    for name, value in replaced.items():
        full = next((member for member in contents if member.startswith(f"{name}.")), f"{name}.npy")
        if value is None:
            del contents[full]
        else:
            contents[full] = npy(value) if isinstance(value, np.ndarray) else value
    return write(path, contents)


def decoder_file(path: Path, graph: bytes, **card) -> Path:
    """A decoder file for base's streams."""
    card_fields = json.loads(members("perceptnet.decoder")["model.json"]) | card
    return write(path, {"model.json": json.dumps(card_fields).encode(), "synthesis.onnx": graph})


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def array(name: str) -> np.ndarray:
    """Of base's model file."""
    return np.load(io.BytesIO(members("base.metamer")[f"{name}.npy"]))


def patched(path: Path, change: Callable[[bytearray], None]) -> Path:
    """The same file with other bytes."""
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path
