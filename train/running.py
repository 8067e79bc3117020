"""What every training run needs: learning rate, precision, checkpoints, resuming, a progress line and a log."""

import json
import math
import os
import pickle
import time
import zipfile
from pathlib import Path

import torch
from tqdm import tqdm

from codec.errors import MetamerError, RecipeError

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


class DivergedError(MetamerError):
    """The loss became NaN or infinite; the last good checkpoint is kept."""


def uses_bf16(precision: str) -> bool:
    """`auto`: on GPUs and processors that multiply bf16 natively."""
    if precision != "auto":
        return precision == "bf16-mixed"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


def learning_rate(phase, step: int) -> float:
    """Linear warm-up, then a cosine from the peak to ``final`` times the peak.

    phase: has ``learning_rate``, ``warmup``, ``final`` and ``steps``; step counts from 0 in it.
    """
    if step < phase.warmup:
        return phase.learning_rate * (step + 1) / phase.warmup
    progress = (step - phase.warmup) / max(1, phase.steps - phase.warmup)
    return phase.learning_rate * (phase.final + (1 - phase.final) * 0.5 * (1 + math.cos(math.pi * progress)))


def save(path: Path, state: dict) -> None:
    """Writes beside the target and moves into place, so a killed run never leaves half a checkpoint."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    os.replace(beside, path)


def load(path: Path) -> dict:
    """Reads a checkpoint; executes nothing from it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no checkpoint there") from None
    except OSError as problem:
        raise RecipeError(f"{path}: {problem.strerror}") from None
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as problem:
        raise RecipeError(f"{path}: is not a checkpoint of ours: {problem}") from None


def earlier(out: Path, resume: bool) -> dict | None:
    """The checkpoint in ``out`` if it is to be continued; `RecipeError` if one is there that is not, or none that is."""
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise RecipeError(f"{checkpoint} exists; use --resume to continue it, or another --out")
    return load(checkpoint) if resume else None


def stop_if_not_finite(what: str, value: float, step: int, checkpoint: Path) -> None:
    """Raises `DivergedError` for NaN and infinity."""
    if not math.isfinite(value):
        kept = f"{checkpoint} holds the last good weights" if checkpoint.exists() else "no checkpoint had been written yet"
        raise DivergedError(f"the {what} is {value} at step {step}; {kept}")


class Progress:
    """A progress line on stderr and a row of JSON every ``every`` steps, if ``active``."""

    def __init__(self, path: Path, every: int, total: int, done: int, active: bool = True):
        self._bar = tqdm(total=total, initial=done, disable=not active, unit="step", smoothing=0.05)
        self._path, self._every, self._active = path, every, active
        self._begun, self._images = time.monotonic(), 0
        if active and path.exists():  # rows written after the checkpoint that is resumed will be written again
            rows = [line for line in path.read_text().splitlines(keepends=True) if json.loads(line)["step"] <= done]
            path.write_text("".join(rows))

    def row(self, **values) -> None:
        """Appends one JSON line."""
        if self._active:
            with open(self._path, "a") as log:
                log.write(json.dumps(values) + "\n")

    def step(self, done: int, images: int) -> dict[str, float] | None:
        """Counts a step of so many images. When it is its turn to be reported: the pace, to be passed to `report`."""
        self._images += images
        self._bar.update()
        if done % self._every:
            return None
        seconds = time.monotonic() - self._begun
        return {"images_per_second": self._images / seconds, "seconds": seconds}

    def report(self, line: str, **values) -> None:
        """A row of the log, and what the line on stderr says."""
        self.row(**values)
        self._bar.set_postfix_str(f"{line} {values['images_per_second']:.0f} images/s")

    def close(self) -> None:
        self._bar.close()
