"""Averaged weights of a checkpoint for other quality levels: some of its own, or more below them.

    python research/experiments/levels.py RUN/checkpoint.pt OUT.pt --first 5 --last 8
    python research/experiments/levels.py RUN/checkpoint.pt OUT.pt --below 2

Writes what `metamer train --start OUT.pt` begins from and prints the recipe's `network` for it. What
belongs to a new level continues the lowest two; λ goes on by the same ratio.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from metamer.train import checkpoints
from metamer.train.networks.codec import Codec, NetworkOptions

# ends of the names of what has a row a level
ROWS = (
    "modulation.table",
    "companding.log_scale",
    "companding.log_gain",
    "entropy.log_step",
    "entropy.log_stretch",
    "entropy.hyper_log_scale",
)
# ends of the names of weights that read a plane a level, and whose channels come before the planes
PLANES = {"entropy.hyper_analysis.net.0.weight": "latents", "squeeze.weight": "features"}


def levels_taken(rows: Tensor, first: int, last: int, dim: int) -> Tensor:
    """Slices ``first`` to ``last`` along ``dim``; those before 0 continue the first two."""
    lowest, second_lowest = rows.narrow(dim, 0, 1), rows.narrow(dim, 1, 1)
    below = [lowest + (lowest - second_lowest) * -place for place in range(first, 0)]
    kept_rows = rows.narrow(dim, max(first, 0), last + 1 - max(first, 0))
    return torch.cat([*below, kept_rows], dim)


def of_levels(name: str, value: Tensor, options: NetworkOptions, first: int, last: int) -> Tensor:
    """A parameter of a codec that has these levels alone."""
    if name.endswith(ROWS):
        return levels_taken(value, first, last, 0)
    for end, before in PLANES.items():
        if name.endswith(end):
            start = sum(options.groups) if before == "latents" else options.features
            level_values, planes, others = value.split(
                [start, options.levels, value.shape[1] - start - options.levels], 1
            )
            return torch.cat([level_values, levels_taken(planes, first, last, 1), others], 1)
    return value


def main(source: Path, target: Path, first: int, last: int | None) -> None:
    state = checkpoints.load(source)
    recipe = state.get("recipe", {}).get("network", {})
    old = NetworkOptions(**{key: value for key, value in recipe.items() if key != "architecture"})
    last = old.levels - 1 if last is None else last
    ratio = (old.lambda_high / old.lambda_low) ** (1 / (old.levels - 1))
    network = recipe | {
        "levels": last + 1 - first,
        "lambda_low": float(f"{old.lambda_low * ratio**first:.6g}"),
        "lambda_high": float(f"{old.lambda_low * ratio**last:.6g}"),
    }
    codec = Codec(NetworkOptions(**{k: v for k, v in network.items() if k != "architecture"}))
    average = {
        name: of_levels(name, value, old, first, last) for name, value in state["average"].items()
    }
    codec.load_state_dict(average)
    target.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.save(target, {"step": state["step"], "average": codec.state_dict()})
    print(f"network: {json.dumps(network)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    lowest_options = parser.add_mutually_exclusive_group()
    lowest_options.add_argument("--first", type=int, default=0, help="lowest level to keep")
    lowest_options.add_argument(
        "--below", type=int, default=0, help="levels to continue below the lowest"
    )
    parser.add_argument("--last", type=int, help="highest level to keep; the last by default")
    arguments = parser.parse_args()
    main(arguments.source, arguments.target, arguments.first - arguments.below, arguments.last)
