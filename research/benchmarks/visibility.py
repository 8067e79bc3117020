"""Cost of visibility against ColorVideoVDP's, which taught it, in turns in one run, without and
with gradients.

    pip install -e '.[judges]' && python research/benchmarks/visibility.py

Prints medians and the median of the ratios; 20 means that ours takes a twentieth of the time.
Without gradients both compare 8-bit pictures, as they are read from files; with gradients, float
ones. The pictures are noise: what they show changes no cost.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from metamer.perception import create
from metamer.perception.distance import Distance

SIZES = ((256, 256), (384, 512), (768, 1024), (1080, 1920))  # height, width
# of pictures that are timed with gradients too: the teacher's take gigabytes beyond
MOST_WITH_GRADIENTS = 1 << 20


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def contest(distance: Callable[[], object], reference: Callable[[], object], runs: int) -> str:
    """Medians of both and of their ratio; the first two turns warm up."""
    times = [(milliseconds(distance), milliseconds(reference)) for _ in range(runs + 2)][2:]
    distance_ms, reference_ms = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(b / a for a, b in times)
    return f"visibility {distance_ms:.1f} ms, cvvdp {reference_ms:.0f} ms; median ratio {ratio:.1f}"


def compare(visibility: Distance, cvvdp: Distance, height: int, width: int, runs: int) -> None:
    """Prints both contests of one size."""
    reference, image = torch.randint(0, 256, (2, 1, 3, height, width), dtype=torch.uint8)
    threads = torch.get_num_threads()
    size = f"{width}x{height}, {threads} thread{'s' * (threads > 1)}, medians of {runs}"
    with torch.no_grad():
        print(
            f"{size}: "
            + contest(lambda: visibility(reference, image), lambda: cvvdp(reference, image), runs)
        )
    if height * width > MOST_WITH_GRADIENTS:
        return
    start, end = reference / 255, (image / 255).requires_grad_()
    print(
        f"{size}, and backward: "
        + contest(
            lambda: visibility.loss(start, end).sum().backward(),
            lambda: cvvdp.vdp.loss(end, start, dim_order="BCHW").sum().backward(),
            runs,
        )
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=15)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument(
        "--weights", default="visibility", help="a .safetensors file, instead of what ships"
    )
    arguments = options.parse_args()

    torch.manual_seed(0)
    visibility, cvvdp = create("visibility", weights=arguments.weights), create("cvvdp")
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for height, width in SIZES:
            compare(visibility, cvvdp, height, width, arguments.runs)


if __name__ == "__main__":
    main()
