"""A few bytes that declare many pixels."""

import subprocess
import sys

MEASURE = """
import resource, sys
import metamer
from metamer.codec.format import container
from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.network.model import load_model
from PIL import Image

metamer.decode(metamer.encode(Image.new("RGB", (64, 64)), model={model!r}, threads=1), threads=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
header = Header(load_model({model!r}, 1).id, 0, 4096, 2048)
metamer.decode(container.pack(header, [Section(Kind.PICTURE, b"")]), threads=1, max_pixels=1 << 24)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (4096 * 2048))
"""


def bytes_a_pixel(model: str) -> float:
    completed = subprocess.run(
        [sys.executable, "-c", MEASURE.format(model=model)], capture_output=True
    )
    assert completed.returncode == 0, completed.stderr.decode()
    return float(completed.stdout)


def test_one_piece_takes_little_memory():
    """Eighteen bytes; it was 100 bytes a pixel when networks ran on all positions at once, and
    graphs kept their memory.
    """
    assert bytes_a_pixel("base") < 50


def test_older_graphs_take_little_memory():
    """Of format 1, which give every position: 47 to 57 bytes, by how the allocator happens to go."""
    assert bytes_a_pixel("perceptual") < 65
