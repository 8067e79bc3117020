"""Hostile files to Python and JavaScript, which must agree: `python -m tests.web.verdicts MODELS
[INPUTS [SEED]]`.
"""

import random
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

import metamer
from metamer.codec.errors import MetamerError
from metamer.codec.format import container, limits
from tests.fuzz import mutation
from tests.web.node import Node, Refused

PIXELS = 1 << 14  # declared, up to which a file is decoded


def inputs(count: int, seed: int):
    """Files as the fuzzer makes them, without guidance."""
    rng, files = random.Random(seed), mutation.seeds()
    for _ in range(count):
        data = rng.choice(files)
        for _ in range(rng.choice((1, 1, 2))):
            data, _ = mutation.mutate(data, rng)
        yield data


def verdict(work) -> str | None:
    """The name of the error that ``work`` raises, if any."""
    try:
        work()
    except MetamerError as problem:
        return type(problem).__name__
    except Refused as problem:
        return problem.name
    return None


def compare(node: Node, data: bytes, reached: Counter, share: float = 1.0) -> None:
    """Asserts that both take ``data`` or both refuse it, for the same kind of reason, and decode it
    alike.
    """
    by_python, by_javascript = (
        verdict(lambda: metamer.info(data)),
        verdict(lambda: node.ask("info", data)),
    )
    assert by_python == by_javascript, (
        f"info: Python {by_python}, JavaScript {by_javascript}: {data.hex()}"
    )
    reached["inputs"] += 1
    reached["info refused"] += by_python is not None
    if by_python:
        return
    header = container.read_header(data)
    if verdict(lambda: limits.check_stream_size(header, len(data), None)):
        assert verdict(lambda: node.ask("decode", data)) == "StreamError"
        reached["too large"] += 1
        return
    if header.width * header.height > PIXELS or zlib.crc32(data) / 2**32 > share:
        return
    by_javascript = verdict(lambda: node.bytes("decode", data))
    try:
        picture = metamer.decode(data, threads=1)
    except MetamerError as problem:
        by_python = type(problem).__name__
        assert by_python == by_javascript, (
            f"decode: Python {by_python}: {problem}, JavaScript {by_javascript}: {data.hex()}"
        )
        reached["decoding refused"] += 1
        return
    assert by_javascript is None, f"decode: JavaScript {by_javascript}: {data.hex()}"
    reached["decoded"] += 1
    expected = np.asarray(picture.convert("RGBA"), int)
    decoded = np.frombuffer(node.bytes("decode", data), np.uint8).reshape(expected.shape)
    levels = np.abs(decoded - expected).max()
    reached[f"pixels within {levels}"] += 1
    reached["largest difference"] = max(reached["largest difference"], int(levels))


def main(models: str, count: str = "10000", seed: str = "1") -> None:
    program = shutil.which("node")
    assert program, "no node here"
    reached: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        node = Node(program, Path(models), Path(folder) / "out")
        for data in inputs(int(count), int(seed)):
            compare(node, data, reached)
        node.close()
    print(dict(reached))


if __name__ == "__main__":
    main(*sys.argv[1:])
