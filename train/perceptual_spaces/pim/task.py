"""Trains PIM on neighbouring video frames: to keep what they share, and no more.

The objective is IXYZ, a lower bound of the multivariate mutual information of two frames and their
encoding (Fischer 2019, as Bhardwaj et al., NeurIPS 2020, section 2, have it). Photographs and the
same slightly warped can stand in for neighbouring frames, of which there are never enough.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.perception.distances.pim import PimSpace
from metamer.train.perceptual_spaces.pim.bound import bounds
from metamer.train.perceptual_spaces.pim.model import PimModel, standardise
from metamer.train.perceptual_spaces.pim.options import Options
from metamer.train.perceptual_spaces.pim.pairs import (
    Frames,
    Pairs,
    Warps,
    frame_pairs,
    noisy,
    sort_out,
)
from metamer.train.perceptual_spaces.task import Task

START_CROPS = 32  # that scales are measured on
VALIDATION_SEED = 20_201_206


class PimTask(Task):
    Options = Options

    def __init__(
        self, options: Options, folders: list[Path], out: Path, batch: int, crop: int, seed: int
    ):
        self.options, self.batch, self.seed = options, batch, seed
        clips, photographs, held = sort_out(folders)
        held_out = [clip for clip in clips if clip.name.startswith(tuple(options.held_out))]
        for name in options.held_out:
            if not any(clip.name.startswith(name) for clip in clips):
                raise RecipeError(f"options.held_out: no clip's name begins with {name!r}")
        self.frames = Frames(
            [frames for clip, frames in clips.items() if clip not in held_out], crop, options.gap
        )
        self.warps = Warps(photographs if options.warps else [], crop, options)
        if options.warps < 1 and not len(self.frames):
            raise RecipeError(
                "no clips to train on: folders of frames that are numbered, as large as the crop"
            )
        if options.warps and not len(self.warps):
            raise RecipeError("no photographs to warp that are large enough for the crop")
        self.validation = self.held_out(
            Frames([clips[clip] for clip in held_out], crop, options.gap),
            Warps(held, crop, options),
        )
        torch.manual_seed(seed)
        space = PimSpace(options.width, options.hidden)
        standardise(space, self.draw(-1).first[:START_CROPS])
        self.model = PimModel(space, options.hidden)

    def held_out(self, frames: Frames, warps: Warps) -> dict[str, Pairs]:
        """A batch of pairs of either kind that there is."""
        rng = np.random.default_rng([self.seed, VALIDATION_SEED])
        pairs = {}
        if len(frames):
            pairs["frames"] = frame_pairs(frames, self.batch, rng)
        if len(warps) and self.options.warps:
            pairs["warps"] = warps.pairs(self.batch, rng)
        return pairs

    def draw(self, step: int) -> Pairs:
        rng = np.random.default_rng(
            [self.seed, *((step,) if step >= 0 else (VALIDATION_SEED, -step))]
        )
        warps = rng.binomial(self.batch, self.options.warps)
        parts = [self.warps.pairs(warps, rng)] if warps else []
        if warps < self.batch:
            parts.append(frame_pairs(self.frames, self.batch - warps, rng))
        return Pairs(
            *(
                noisy(torch.cat(views), self.options.noise, rng)
                for views in zip(*parts, strict=True)
            )
        )

    def losses(self, model: PimModel, data: Pairs) -> dict[str, Tensor]:
        gaussian, mixture = bounds(model, data, self.options.window)
        return {
            "loss": -gaussian.mean() - mixture.mean(),
            "bound": gaussian.mean(),
            "bound_mixture": mixture.mean(),
            "ceiling": gaussian.new_full((), math.log(self.batch)),
        }

    def validate(self, model: PimModel) -> dict[str, float]:
        """Bounds on held-out pairs, without noise, in windows twice as large; for sub-bands, finest
        first, the Gaussian's.
        """
        figures, positions = {}, 2 * self.options.window
        device = next(model.parameters()).device
        with torch.random.fork_rng():
            torch.manual_seed(VALIDATION_SEED)
            for name, pairs in self.validation.items():
                gaussian, mixture = bounds(
                    model, Pairs(*(part.to(device) for part in pairs)), positions
                )
                figures |= {
                    f"{name}_bound": gaussian.mean().item(),
                    f"{name}_bound_mixture": mixture.mean().item(),
                }
                figures |= {
                    f"{name}_bound_band{index}": value
                    for index, value in enumerate(gaussian.tolist())
                }
        return figures | {"ceiling": math.log(self.batch)}
