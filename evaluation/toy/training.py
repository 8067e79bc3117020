"""The coders by name: made, trained, kept, measured."""

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from metamer.codec.system import files
from metamer.evaluation.progress import tracked
from metamer.evaluation.toy import transform_coding, vector_quantiser
from metamer.evaluation.toy.schedule import STEADY
from metamer.evaluation.toy.sources import Source
from metamer.evaluation.toy.transform_coding import TransformCoder
from metamer.evaluation.toy.vector_quantiser import VectorQuantiser

METHODS = {
    "klt": "Karhunen-Loève transform coding",
    "ltc": "linear transform coding",
    "ntc": "nonlinear transform coding",
    "vq": "entropy-constrained vector quantisation",
}
ROUNDS = 300  # of Lloyd's algorithm, at most
BLOCK = 1 << 15  # numbers to code at once
UNSEEN = 1 << 32  # added to the seed of training for the vectors that coders are measured on


@dataclass(frozen=True)
class Score:
    """What a coder costs on fresh vectors, by rounding and ideal code lengths.

    rate: bits a vector; distortion: weight · squared error; cost: rate + tradeoff · distortion,
    with its 95 % interval over the vectors (not over trainings); seconds: of training.
    """

    source: str
    method: str
    tradeoff: float
    rate: float
    distortion: float
    cost: float
    low: float
    high: float
    vectors: int
    seed: int
    steps: int
    seconds: float


def untrained_transform_coder(source: Source, method: str, tradeoff: float) -> TransformCoder:
    """Untrained."""
    if method == "ntc":
        return TransformCoder.nonlinear(source)
    return TransformCoder.linear(source, tradeoff, mixed=method == "ltc")


def training_steps(source: Source, method: str, steps: int | None) -> int:
    """How many steps or, of Lloyd's algorithm, rounds a training takes at most, of those asked for
    or without asking.
    """
    if method == "vq":
        return min(steps or ROUNDS, ROUNDS)
    return steps or (source.steps if method == "ntc" else source.linear_steps)


def train_coder(source: Source, method: str, tradeoff: float, steps: int, seed: int) -> nn.Module:
    """A trained coder."""
    generator = torch.Generator().manual_seed(seed)
    if method == "vq":
        vectors = source.sample(source.examples, generator)
        return vector_quantiser.train_vector_quantiser(
            vectors, source.codewords, tradeoff * source.weight, steps
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # the weights' start
        coder = untrained_transform_coder(source, method, tradeoff)
        if method == "ntc" and source.first_latent_first:
            vectors = source.sample(transform_coding.START_VECTORS, generator)
            transform_coding.put_first_latent_first(coder, vectors)
    schedule = source.schedule if method == "ntc" else STEADY
    label = f"{source.name}, λ {tradeoff:g}, {method}"
    bar = tracked(range(steps), "step", label, leave=False)
    transform_coding.train_transform_coder(coder, source, tradeoff, bar, steps, generator, schedule)
    return coder


@torch.no_grad()
def measure_coder(
    coder: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]],
    source: Source,
    tradeoff: float,
    seed: int,
) -> dict:
    """Score's rate, distortion, cost, low, high and vectors."""
    generator = torch.Generator().manual_seed(UNSEEN + seed)
    block = max(256, BLOCK // source.dimensions)
    rows = []
    for start in range(0, source.tested, block):
        vectors = source.sample(min(block, source.tested - start), generator)
        _, bits, decoded = coder(vectors)
        rows.append(
            torch.stack([bits, source.weight * (decoded - vectors).square().sum(1)], 1).double()
        )
    both = torch.cat(rows)
    costs = both @ torch.tensor([1.0, tradeoff], dtype=torch.double)
    half = 1.96 * costs.std().item() / math.sqrt(len(costs))
    (rate, distortion), cost = both.mean(0).tolist(), costs.mean().item()
    span = {"low": cost - half, "high": cost + half}
    return {"rate": rate, "distortion": distortion, "cost": cost, **span, "vectors": len(costs)}


def restore_coder(
    source: Source, method: str, tradeoff: float, state: dict[str, Tensor]
) -> nn.Module:
    """The coder that had this state."""
    if method == "vq":
        return VectorQuantiser(state["codewords"], state["lengths"], tradeoff * source.weight)
    coder = untrained_transform_coder(source, method, tradeoff)
    coder.load_state_dict(state)
    return coder


def load_or_train(
    source: Source, method: str, tradeoff: float, steps: int, seed: int, folder: Path
) -> tuple[nn.Module, Score]:
    """The coder and its score, from ``folder`` if a run with the same settings left them there;
    else made and kept.
    """
    path = folder / f"{source.name}-{tradeoff:g}-{method}.pt"
    alike = replace(source, tradeoffs=(), methods=())  # what it says of other coders is no matter
    settings = {
        "source": repr(alike),
        "method": method,
        "tradeoff": tradeoff,
        "steps": steps,
        "seed": seed,
    }
    if path.exists():
        checkpoint = torch.load(path, weights_only=True)
        if checkpoint["asked"] == settings:
            return restore_coder(source, method, tradeoff, checkpoint["state"]), Score(
                **checkpoint["score"]
            )
    start = time.monotonic()
    coder = train_coder(source, method, tradeoff, steps, seed)
    seconds = time.monotonic() - start
    score = Score(
        source.name,
        method,
        tradeoff,
        **measure_coder(coder, source, tradeoff, seed),
        seed=seed,
        steps=steps,
        seconds=round(seconds, 1),
    )
    buffer = io.BytesIO()
    torch.save({"asked": settings, "state": coder.state_dict(), "score": vars(score)}, buffer)
    files.write_file(str(path), buffer.getvalue())
    return coder, score
