"""Cost of LPIPS (SqueezeNet) forward and backward against the `lpips` package's, in turns in one
run.

    pip install -e '.[evaluate,peers]' && python research/benchmarks/distances.py

Prints medians and their ratio; less than 1 means ours is cheaper. Both use our copy of the
network's weights.
"""

import argparse
import statistics
import time
from unittest.mock import patch

import torch

from metamer.perception import create, optional_imports, weights


def package_lpips():
    """The package's metric, without its download of weights."""
    lpips = optional_imports.import_package("lpips")
    from torchvision import models

    build = models.squeezenet1_1

    def with_weights(*_, **__):
        model = build(weights=None)
        model.load_state_dict(weights.load("squeezenet1_1"), strict=False)
        return model

    with patch.object(models, "squeezenet1_1", with_weights):
        return lpips.LPIPS(net="squeeze", verbose=False).requires_grad_(False)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=15)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--side", type=int, default=256)
    arguments = options.parse_args()

    torch.manual_seed(0)
    reference, image = torch.rand(2, arguments.batch, 3, arguments.side, arguments.side)
    image.requires_grad_()
    distance, package = create("lpips-squeeze"), package_lpips()
    contenders = {
        "metamer": lambda: distance(reference, image).sum().backward(),
        "lpips": lambda: package(reference, image, normalize=True).sum().backward(),
    }
    seconds = {name: [] for name in contenders}
    for run in range(arguments.runs + 2):  # the first two warm up
        for name, work in contenders.items():
            image.grad = None
            start = time.perf_counter()
            work()
            if run >= 2:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
    print(
        f"{arguments.batch}x3x{arguments.side}x{arguments.side}, {torch.get_num_threads()} threads, medians of "
        f"{arguments.runs}: "
        + ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in medians.items())
        + f"; median ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
