"""A training step of `base`: seconds of processor time against another checkout's, in turns, on one
thread.

    git worktree add OTHER COMMIT
    OMP_NUM_THREADS=1 python research/benchmarks/step.py --against OTHER

Prints, for float32 and bfloat16, the median time of a step, how many times the steps a second of
the other that is, whether the losses agree, and the multiply-adds a second beside what a large
matrix product reaches on this core.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH, SIDE, LINEAR_RATE = 8, 192, 0.1

STEP = """
import json, sys, time
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.flop_counter import FlopCounterMode
from PACKAGE import start
try:
    from PACKAGE.loss.objective import Distortion
    from PACKAGE.loss.rate_distortion import rate_distortion
    from PACKAGE.networks.codec import NetworkOptions
    from PACKAGE.recipe.options import Recipe, Stage
    parameter_groups = lambda codec, share: codec.parameter_groups(Recipe([], linear_learning_rate_share=share))
except ImportError:  # checkouts from before there were those folders
    from PACKAGE.recipe import Stage
    try:
        from PACKAGE.loss.objective import Distortion
        from PACKAGE.networks.codec import NetworkOptions
    except ImportError:
        from PACKAGE.networks import NetworkOptions
        from PACKAGE.objective import Distortion
    try:
        from PACKAGE.step import parameter_groups, rate_distortion
    except ImportError:
        from PACKAGE.loop import parameter_groups, rate_distortion

bf16, steps, batch, side, linear_rate, fused = json.loads(sys.argv[1])
torch.set_num_threads(1)
codec = start.load("base", NetworkOptions()).to(memory_format=torch.channels_last)
distortion, generator = Distortion({"mse": 1.0}, 9), torch.Generator().manual_seed(0)
old = not hasattr(Stage("old", steps=1), "rdoq_lambda")  # checkouts from before keys were renamed
names = ("tradeoff", "worth") if old else ("rdoq_lambda", "rdoq_group_weights")
stage = Stage("measured", steps=1, **dict(zip(names, (22.0, [1.5, 1.0, 0.7]))))
codec.enter(stage) if hasattr(codec, "enter") else codec.train_only("all")
image = torch.rand(batch, 3, side // 8, side // 8, generator=generator).repeat_interleave(8, 2).repeat_interleave(8, 3)
level, noise = torch.linspace(0, 8, batch), codec.noise(batch, side, generator)
affine = torch.eye(3, 4).expand(batch, 3, 4).contiguous()
optimiser = torch.optim.Adam(parameter_groups(codec, linear_rate), lr=1e-5, **({"fused": True} if fused else {}))
average = AveragedModel(codec, multi_avg_fn=get_ema_multi_avg_fn(0.999))

def step():
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        result = rate_distortion(codec, distortion, image, level, stage, noise, None, affine)
    loss = (result["bpp"] + result["lambda"] * 255**2 * result["distortion"]).mean()
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
    optimiser.step()
    average.update_parameters(codec)
    return loss.item()

losses, seconds = [step() for _ in range(3)], []
for _ in range(steps):
    begun = time.process_time()
    step()
    seconds.append(time.process_time() - begun)
with FlopCounterMode(display=False) as counter:
    step()
square = torch.randn(2048, 2048, dtype=torch.bfloat16 if bf16 else torch.float32)
peak = []
for _ in range(5):
    begun = time.process_time()
    square @ square
    peak.append(2 * 2048**3 / (time.process_time() - begun))
print(json.dumps({"losses": losses, "seconds": seconds, "flops": counter.get_total_flops(), "peak": max(peak)}))
"""


def measure(checkout: Path, bf16: bool, steps: int) -> dict:
    """One process's steps with the code of ``checkout``."""
    fused = (checkout / "train" / "step.py").exists()
    options = json.dumps([bf16, steps, BATCH, SIDE, LINEAR_RATE, fused])
    # as it was called before there was one name
    package = "metamer.train" if (checkout / "metamer").exists() else "train"
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STEP.replace("PACKAGE", package), options]
    completed = subprocess.run(
        command, cwd=checkout, env=environment, check=True, capture_output=True
    )
    return json.loads(completed.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--against", type=Path, required=True, help="another checkout of this project"
    )
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8, help="steps a turn")
    arguments = parser.parse_args()
    for bf16 in (False, True):
        runs: dict[Path, list[dict]] = {arguments.against.resolve(): [], ROOT: []}
        for _ in range(arguments.turns):
            for checkout, results in runs.items():
                results.append(measure(checkout, bf16, arguments.steps))
        (base, here) = runs.values()
        before, after = (
            statistics.median([x for run in results for x in run["seconds"]])
            for results in (base, here)
        )
        difference = max(
            abs(a / b - 1) for a, b in zip(here[0]["losses"], base[0]["losses"], strict=True)
        )
        rate, peak = here[0]["flops"] / after / 1e9, max(run["peak"] for run in here) / 1e9
        print(
            f"{'bfloat16' if bf16 else 'float32'}: {before:.3f} s → {after:.3f} s a step, "
            f"{before / after:.2f} × the steps; "
            f"losses of three steps at most {difference:.1e} apart; {rate:.0f} of {peak:.0f} GFLOP/s"
        )


if __name__ == "__main__":
    main()
