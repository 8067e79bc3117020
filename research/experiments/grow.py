"""A run's checkpoint with more quality levels below and more blocks in the analysis, to train on.

    python research/experiments/grow.py RUN/checkpoint.pt GROWN/checkpoint.pt --levels 2 --blocks 4

New blocks begin as the identity (their last layer is nought); what belongs to a new level continues the lowest two. λ goes on
by the same ratio. Averaged weights, optimiser and step are kept, so that training goes on where it was.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from metamer.train import checkpoints
from metamer.train.networks.codec import Codec, NetworkOptions

ROWS = (
    "modulation.table",
    "companding.log_scale",
    "companding.log_gain",
    "entropy.log_step",
    "entropy.log_stretch",
    "entropy.hyper_log_scale",
)
PLANES = {"entropy.hyper_analysis.net.0.weight": "latents", "squeeze.weight": "features"}
REACH = 0.5  # of the last difference, added for every level further


def continued(rows: Tensor, count: int, dim: int, reach: float) -> Tensor:
    """``count`` slices more in front along ``dim``, each by ``reach`` of the first two's difference further."""
    first, second = rows.narrow(dim, 0, 1), rows.narrow(dim, 1, 1)
    more = [first + (first - second) * reach * (count - place) for place in range(count)]
    return torch.cat([*more, rows], dim)


def grown(name: str, value: Tensor, options: NetworkOptions, levels: int, reach: float) -> Tensor:
    """A parameter, or what is shaped like it, of a codec with so many levels more."""
    if not levels:
        return value
    if name.endswith(ROWS):
        return continued(value, levels, 0, reach)
    for end, before in PLANES.items():
        if name.endswith(end):
            start = sum(options.groups) if before == "latents" else options.features
            planes = value.narrow(1, start, options.levels)
            return torch.cat(
                [
                    value[:, :start],
                    continued(planes, levels, 1, reach),
                    value[:, start + options.levels :],
                ],
                1,
            )
    return value


def main(source: Path, target: Path, levels: int, blocks: int) -> None:
    state = checkpoints.load(source)
    old = NetworkOptions(**state["recipe"]["network"])
    ratio = (old.lambda_high / old.lambda_low) ** (1 / (old.levels - 1))
    network = state["recipe"]["network"] | {
        "levels": old.levels + levels,
        "analysis_blocks": old.analysis_blocks + blocks,
        "lambda_low": float(f"{old.lambda_low / ratio**levels:.6g}"),
    }
    codec = Codec(NetworkOptions(**network))
    for block in codec.analysis.blocks[old.analysis_blocks :]:
        torch.nn.init.zeros_(block.project.weight)
        torch.nn.init.zeros_(block.project.bias)
    fresh = codec.state_dict()
    before = [name for name, _ in Codec(old).named_parameters()]
    linear = [name for name in before if ".linear." in name]
    order = [name for name in before if name not in linear] + linear
    moments = {name: state["optimiser"]["state"][place] for place, name in enumerate(order)}
    for part in ("model", "average"):
        carried = {
            name: grown(name, value, old, levels, REACH) for name, value in state[part].items()
        }
        codec.load_state_dict(fresh | carried)
        state[part] = {name: value.clone() for name, value in codec.state_dict().items()}
    after = [name for name, _ in codec.named_parameters()]
    after = [name for name in after if name not in linear] + linear
    kept, step = {}, max(int(moment["step"]) for moment in moments.values())
    for place, name in enumerate(after):
        if name in moments:
            kept[place] = {
                key: value if key == "step" else grown(name, value, old, levels, 0.0)
                for key, value in moments[name].items()
            }
        else:  # as Adam begins, yet with a small rate: a second moment of its neighbours' size comes within some hundred steps
            shape = codec.get_parameter(name)
            kept[place] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(shape),
                "exp_avg_sq": torch.zeros_like(shape),
            }
    state["optimiser"]["state"] = kept
    for group, size in zip(
        state["optimiser"]["param_groups"], (len(after) - len(linear), len(linear)), strict=True
    ):
        start = 0 if group is state["optimiser"]["param_groups"][0] else len(after) - len(linear)
        group["params"] = list(range(start, start + size))
    state["recipe"]["network"] = network
    state["distortion"] = {
        name: torch.cat([rows[:1].expand(levels, *rows.shape[1:]), rows])
        for name, rows in state["distortion"].items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.save(target, state)
    print(f"step {state['step']}, optimiser's {step}: {network}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--levels", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.source, arguments.target, arguments.levels, arguments.blocks)
