"""What a run would need, found by taking a few steps of it: nothing is written."""

import itertools
import statistics
import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from metamer.train.loss.rate_distortion import rate_distortion
from metamer.train.recipe.options import Stage
from metamer.train.run.training import Run
from metamer.train.step.optimisation import uses_bf16

TIMED, WARM = 3, 1  # steps of each stage that are timed, and before


def spoken(seconds: float) -> str:
    """As a person would say it.

    >>> [spoken(seconds) for seconds in (40, 750, 12600, 5_800_000)]
    ['40 s', '12.5 min', '3.5 h', '1,611 h']
    """
    for unit, size, below in (("s", 1, 100), ("min", 60, 6000), ("h", 3600, float("inf"))):
        if seconds < below:
            count = seconds / size
            return f"{count:,.0f} {unit}" if count >= 100 else f"{count:.3g} {unit}"
    raise AssertionError


def processing(run: Run) -> str:
    """Where, how many, how precise."""
    device = run.fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    count = torch.get_num_threads()
    threads = f"{count} thread{'s' * (count > 1)}"
    world = run.fabric.world_size
    processes = f", {world} processes" if world > 1 else ""
    precision = "bfloat16" if uses_bf16(run.recipe.precision) else "float32"
    return f"{name}, {threads}{processes}, {precision}"


def peak_memory(run: Run) -> str:
    """The most that was taken so far; empty where the system does not tell."""
    host, device = peak_resident(), run.fabric.device
    if device.type != "cuda":
        return "" if host is None else f"{host:.0f} MiB"
    used = f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB of the device"
    return used if host is None else f"{used}, {host:.0f} MiB of the host"


def peak_resident() -> float | None:
    """MiB of this process; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else 1024 * peak) / 2**20


def millions(count: int) -> str:
    return f"{count / 1e6:.2f} million"


def report(run: Run) -> Iterator[str]:
    """Takes a few steps of every stage that is left and says what there is to say, line by line."""
    trained = run.data.count
    yield processing(run)
    yield (
        f"{f'{trained} photographs' if trained else 'a stream of photographs'}, "
        f"{len(run.data.validation)} held out"
    )
    parameters = sum(parameter.numel() for parameter in run.trainer.network.parameters())
    yield f"network: {millions(parameters)} parameters"
    if run.finished:
        yield f"all {run.steps_taken} steps are taken"
        return
    first, total = run.steps_taken, 0.0
    for index, stage in enumerate(run.recipe.stages):
        left = run.skip_to(index)
        if not left:
            continue
        seconds, macs = timed(run, index)
        total += left * seconds
        trainable = sum(p.numel() for p in run.trainer.network.parameters() if p.requires_grad)
        yield (
            f"stage {stage.name}: {left} steps of {stage.batch} × {stage.crop}², "
            f"{millions(trainable)} parameters trained, {macs / 1000:.1f} kMAC/px forward, "
            f"{seconds:.3g} s a step, {spoken(left * seconds)}"
        )
    start = time.perf_counter()
    if run.validate():
        rounds = (run.total - first) // run.recipe.validate_every
        seconds = time.perf_counter() - start
        total += rounds * seconds
        yield f"validation: {rounds} times {seconds:.3g} s, {spoken(rounds * seconds)}"
    if memory := peak_memory(run):
        yield f"memory: {memory} at most"
    yield f"time: {spoken(total)} in all; nothing was written"


def timed(run: Run, index: int) -> tuple[float, float]:
    """Seconds of a step of stage ``index``, the median of a few, and multiply-adds a pixel of its
    forward pass with its distances.
    """
    stage, seconds, macs = run.recipe.stages[index], [], 0.0
    for image, affine, *_ in itertools.islice(run.enter(index), WARM + TIMED):
        macs = macs or forward_macs(run, stage, image)
        start = time.perf_counter()
        values = run.trainer.step(stage, 0, run.steps_taken, image, affine, run.share(index))
        float(values["loss"])  # waits for the device
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[min(WARM, len(seconds) - 1) :]), macs


@torch.no_grad()
def forward_macs(run: Run, stage: Stage, image: Tensor) -> float:
    """Multiply-adds a pixel."""
    level = torch.zeros(len(image), device=image.device)
    with FlopCounterMode(display=False) as counter:
        trainer = run.trainer
        rate_distortion(trainer.network, trainer.distortion, image.float() / 255, level, stage)
    return counter.get_total_flops() / 2 / (len(image) * stage.crop**2)
