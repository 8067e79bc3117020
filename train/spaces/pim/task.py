"""Trains PIM on neighbouring video frames: to keep what they share, and no more.

The objective is IXYZ, a lower bound of the multivariate mutual information of two frames and their
encoding (Fischer 2019, as Bhardwaj et al., NeurIPS 2020, section 2, have it). Photographs and the
same slightly warped can stand in for neighbouring frames, of which there are never enough.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.codec.errors import RecipeError
from metamer.perception.distances.pim import MARGIN, Mixture, PimSpace, log_density, pointwise
from metamer.perception.vision.steerable_pyramid import SteerablePyramid, filtered
from metamer.train.data import Photographs, find
from metamer.train.recipe.fields import Count, NonNegative, Share, documented
from metamer.train.spaces.task import Task

START_CROPS = 32  # that scales are measured on
VALIDATION_SEED = 20_201_206


@documented
@dataclass
class Options:
    """width: channels of the front ends; hidden: of the encoders' layers.

    window: positions a side of each sub-band that a step looks at, the same for the whole batch.
    held_out: beginnings of names of clips that are kept for validation; gap: frames at most between
    the two of a pair. warps: share of pairs made from photographs, by a shift of up to ``shift``
    pixels, a change of scale of up to ``scale`` and a turn of up to ``rotation`` degrees. noise:
    largest standard deviation, in [0, 1] units, of white noise that every picture gets. Each draws
    its own strength, so that not even that is common to a pair.
    """

    width: Count = 32
    hidden: Count = 32
    window: Count = 8
    held_out: list[str] = field(default_factory=list)
    gap: Count = 1
    warps: Share = 0.0
    shift: NonNegative = 2.0
    scale: NonNegative = 0.03
    rotation: NonNegative = 1.5
    noise: NonNegative = 0.0


class Pairs(NamedTuple):
    """Two views of the same scenes, (N, 3, S, S) in [0, 1] each."""

    first: Tensor
    second: Tensor


def is_clip(folder: Path, files: list[Path]) -> bool:
    """Whether a folder's pictures are frames: all of them numbered, without gaps."""
    stems = [path.stem for path in files if path.parent == folder]
    if len(stems) < 2 or not all(stem.isdecimal() for stem in stems):
        return False
    numbers = sorted(map(int, stems))
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def sort_out(folders: list[Path]) -> tuple[dict[Path, list[Path]], list[Path], list[Path]]:
    """Clips, as folder → frames in time order, then photographs to train on, then those to validate
    on.
    """
    clips: dict[Path, list[Path]] = {}
    photographs, held = [], []
    for folder in folders:
        kept, kept_out = find(folder)
        parents = {path.parent for path in kept}
        moving = {parent for parent in parents if is_clip(parent, kept)}
        for path in kept:
            if path.parent in moving:
                clips.setdefault(path.parent, []).append(path)
            else:
                photographs.append(path)
        held += kept_out
    return (
        {clip: sorted(frames, key=lambda path: int(path.stem)) for clip, frames in clips.items()},
        photographs,
        held,
    )


class Frames:
    """Pairs of frames at most ``gap`` apart: the same place in both."""

    def __init__(self, clips: list[list[Path]], crop: int, gap: int):
        self.crop, self.gap = crop, gap
        read = (Photographs(frames) for frames in clips)
        self.clips = [clip for clip in read if len(clip) > 1 and min(map(min, clip.sizes)) >= crop]

    def __len__(self) -> int:
        return len(self.clips)

    def pair(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        clip = self.clips[rng.integers(len(self.clips))]
        apart = rng.integers(1, min(self.gap, len(clip) - 1) + 1)
        start = rng.integers(len(clip) - apart)
        top, left = (rng.integers(side - self.crop + 1) for side in clip.sizes[start])
        place = np.s_[:, top : top + self.crop, left : left + self.crop]
        pair = clip[start][place], clip[start + apart][place]
        return pair if rng.random() < 0.5 else pair[::-1]


class Warps:
    """Photographs and the same, slightly shifted, turned and scaled."""

    def __init__(self, files: list[Path], crop: int, options: Options):
        self.crop, self.options = crop, options
        reach = options.shift + crop / 2 * (options.scale + math.radians(options.rotation))
        self.margin = math.ceil(reach) + 2  # and what bicubic interpolation looks at
        self.photographs = Photographs(files)
        side = crop + 2 * self.margin
        self.fitting = [
            index for index, size in enumerate(self.photographs.sizes) if min(size) >= side
        ]

    def __len__(self) -> int:
        return len(self.fitting)

    def pieces(self, count: int, rng: np.random.Generator) -> Tensor:
        """(N, 3, S + 2·margin, ·) in [0, 1], flipped at random."""
        pieces = []
        for _ in range(count):
            picture = self.photographs[self.fitting[rng.integers(len(self.fitting))]]
            side = self.crop + 2 * self.margin
            top, left = (rng.integers(length - side + 1) for length in picture.shape[1:])
            piece = picture[:, top : top + side, left : left + side]
            pieces.append(piece.flip(2) if rng.choice((-1, 1)) < 0 else piece)
        return as_tensor(pieces)

    def pairs(self, count: int, rng: np.random.Generator) -> Pairs:
        options = self.options
        pieces = self.pieces(count, rng)
        angle = np.radians(rng.uniform(-options.rotation, options.rotation, count))
        factor = 1 + rng.uniform(-options.scale, options.scale, count)
        matrix = factor * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        shift = rng.uniform(-options.shift, options.shift, (count, 2))
        second = warped(
            pieces,
            self.crop,
            torch.from_numpy(matrix).permute(2, 0, 1).float(),
            torch.from_numpy(shift).float(),
        )
        return Pairs(F.pad(pieces, (-self.margin,) * 4), second.clamp(0, 1))


def noisy(image: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """With white noise of a standard deviation between 0 and ``most``, each image its own."""
    if not most:
        return image
    deviation = rng.uniform(0, most, (len(image), 1, 1, 1)).astype(np.float32)
    return (
        image + torch.from_numpy(deviation * rng.standard_normal(image.shape, np.float32))
    ).clamp(0, 1)


def as_tensor(pictures: list[Tensor]) -> Tensor:
    """(N, 3, H, W) in [0, 1] from uint8 (3, H, W)."""
    return torch.stack(pictures).float() / 255


def warped(image: Tensor, side: int, matrix: Tensor, shift: Tensor) -> Tensor:
    """The middle (N, 3, side, side) of images whose place p, in pixels from the centre, shows what
    was at matrix·p + shift.
    """
    places = torch.arange(side) - (side - 1) / 2
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1)
    grid = torch.einsum("nij,hwj->nhwi", matrix, grid) + shift[:, None, None]
    return F.grid_sample(
        image,
        2 * grid / image.shape[-1],
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )


class JointEncoder(nn.Module):
    """p(z|x,y) of one sub-band, for either marginal encoder: unit-variance Gaussians whose means
    see both pictures' features.

    The means are halfway between the marginal encoders', and a correction, which starts at zero:
    the three agree from the first step on.
    """

    def __init__(self, hidden: int, dimensions: int):
        super().__init__()
        self.correction = pointwise(6, hidden, 2 * dimensions)
        nn.init.zeros_(self.correction[-1].weight)
        nn.init.zeros_(self.correction[-1].bias)

    def forward(
        self, features: Tensor, gaussian: Tensor, mixture: Mixture
    ) -> tuple[Tensor, Tensor]:
        """Means (N, D, h, w) of z for the Gaussian and for the mixture; the arguments are (2·N, …),
        x's before y's.
        """
        mixture_mean = (mixture.log_weights.exp()[:, :, None] * mixture.means).sum(1)
        corrections = self.correction(torch.cat(features.chunk(2), 1)).float().chunk(2, 1)
        return tuple(
            sum(means.chunk(2)) / 2 + correction
            for means, correction in zip((gaussian, mixture_mean), corrections, strict=True)
        )


class PimModel(nn.Module):
    """The space that ships, and the joint encoders that do not."""

    def __init__(self, space: PimSpace, hidden: int):
        super().__init__()
        dimensions = space.encoders[0].gaussian[-1].out_channels
        self.space = space
        self.joint = nn.ModuleList(JointEncoder(hidden, dimensions) for _ in space.front_ends)


@torch.no_grad()
def standardise(space: PimSpace, images: Tensor) -> None:
    """Scales first and last layers so that sub-bands, features and means of z have unit variance at
    the start.

    Sub-bands differ a hundredfold in magnitude. Means that hardly vary are lost in z's unit noise:
    training first learns to ignore them, and takes hundreds of steps to return.
    """
    for front_end, encoder, band in zip(
        space.front_ends, space.encoders, space.bands(images), strict=True
    ):
        first = front_end[0]
        first.weight /= band.std((0, 2, 3))[:, None, None] + 1e-6
        first.bias -= first.weight.sum((2, 3)) @ band.mean((0, 2, 3))
        features = scaled(front_end, band)
        scaled(encoder.gaussian, features)
        scaled(encoder.mixture, features)


def scaled(network: nn.Sequential, inputs: Tensor) -> Tensor:
    """The network's outputs, after its last layer was scaled so that each has zero mean and unit
    variance.
    """
    outputs, last = network(inputs), network[-1]
    deviation = outputs.std((0, 2, 3)) + 1e-6
    last.bias.sub_(outputs.mean((0, 2, 3))).div_(deviation)
    last.weight /= deviation[:, None, None, None]
    return network(inputs)


def window(image: Tensor, side: int) -> Tensor:
    """A random square of ``side``, or all there is where that is less, the same in all images of
    the batch.
    """
    for dim in (2, 3):
        full = image.shape[dim]
        if full > side:
            image = image.narrow(dim, torch.randint(full - side + 1, ()).item(), side)
    return image.contiguous(memory_format=torch.channels_last)


def windows(pyramid: SteerablePyramid, image: Tensor, positions: int) -> list[Tensor]:
    """`PimSpace.bands` where the front ends need them to encode positions² places of every
    sub-band, at random.

    Most of a pyramid's cost is its finest scale, of which this computes little.
    """
    side = positions + 2 * MARGIN

    def excerpt(source: Tensor, weight: Tensor) -> list[Tensor]:
        reach = weight.shape[-1] // 2
        # not far enough from the edges: the whole, continued beyond them
        if min(source.shape[-2:]) < side + 2 * reach:
            bands = F.pad(filtered(source, weight), (MARGIN,) * 4, mode="replicate")
            return list(window(bands, side).chunk(bands.shape[1] // 3, 1))
        return list(F.conv2d(window(source, side + 2 * reach), weight).chunk(len(weight) // 3, 1))

    high, low = pyramid.first.chunk(2)
    bands = excerpt(image, high)
    low = filtered(image, low)
    for _ in range(pyramid.scales):
        bands += excerpt(low, pyramid.oriented)
        low = filtered(low, pyramid.low, stride=2)
    return [*bands, window(F.pad(low, (MARGIN,) * 4, mode="replicate"), side)]


def log_marginal(z: Tensor, means: Tensor) -> Tensor:
    """log p̂(z): of the mean over the batch of unit-variance Gaussians at the same position,
    without the constant −D/2·log 2π.

    z, means: (N, D, h, w) → (N, h, w).
    """
    z, means = (tensor.flatten(2).permute(2, 0, 1) for tensor in (z, means))  # positions first
    norms = z.square().sum(2)[:, :, None] + means.square().sum(2)[:, None]
    exponents = torch.baddbmm(norms, z, means.mT, beta=-0.5)
    return (exponents.logsumexp(2) - math.log(len(means[0]))).T


def ixyz(z: Tensor, means: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Mean of log q(z|x) q(z|y) / p̂(z) p(z|x,y), in nats a position; at most log N.

    z, means: (N, D, h, w), what p(z|x,y) drew and its means; first, second: log q(z|x), log q(z|y),
    (N, h, w), all densities without the constant, which cancels.
    """
    own = -0.5 * (z - means).square().sum(1)
    return (first + second - own).mean() - log_marginal(z, means).mean()


def bounds(model: PimModel, pairs: Pairs, positions: int) -> tuple[Tensor, Tensor]:
    """(sub-bands,) of IXYZ each, for the Gaussian and for the mixture."""
    space, device = model.space, pairs.first.device.type
    with torch.autocast(device, enabled=False):
        bands = windows(
            space.pyramid, torch.cat(pairs).contiguous(memory_format=torch.channels_last), positions
        )
    rows = []
    for band, front_end, encoder, joint in zip(
        bands, space.front_ends, space.encoders, model.joint, strict=True
    ):
        features = front_end(band)
        gaussian, mixture = encoder.gaussian(features).float(), encoder.mixture_of(features)
        means, mixture_means = joint(features, gaussian, mixture)
        with torch.autocast(device, enabled=False):
            z = means + torch.randn_like(means)
            logs = -0.5 * (z.repeat(2, 1, 1, 1) - gaussian).square().sum(1)
            row = [ixyz(z, means, *logs.chunk(2))]
            z = mixture_means + torch.randn_like(mixture_means)
            row.append(ixyz(z, mixture_means, *log_density(mixture, z.repeat(2, 1, 1, 1)).chunk(2)))
        rows.append(row)
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


class PimTask(Task):
    Options = Options

    def __init__(
        self, options: Options, folders: list[Path], out: Path, batch: int, crop: int, seed: int
    ):
        self.options, self.batch, self.seed = options, batch, seed
        clips, photographs, held = sort_out(folders)
        apart = [clip for clip in clips if clip.name.startswith(tuple(options.held_out))]
        for name in options.held_out:
            if not any(clip.name.startswith(name) for clip in clips):
                raise RecipeError(f"options.held_out: no clip's name begins with {name!r}")
        self.frames = Frames(
            [frames for clip, frames in clips.items() if clip not in apart], crop, options.gap
        )
        self.warps = Warps(photographs if options.warps else [], crop, options)
        if options.warps < 1 and not len(self.frames):
            raise RecipeError(
                "no clips to train on: folders of frames that are numbered, as large as the crop"
            )
        if options.warps and not len(self.warps):
            raise RecipeError("no photographs to warp that are large enough for the crop")
        self.validation = self.held_out(
            Frames([clips[clip] for clip in apart], crop, options.gap), Warps(held, crop, options)
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
            "ceiling": torch.tensor(math.log(self.batch)),
        }

    def validate(self, model: PimModel) -> dict[str, float]:
        """Bounds on held-out pairs, without noise, in windows twice as large; for sub-bands, finest
        first, the Gaussian's.
        """
        found, positions = {}, 2 * self.options.window
        device = next(model.parameters()).device
        with torch.random.fork_rng():
            torch.manual_seed(VALIDATION_SEED)
            for name, pairs in self.validation.items():
                gaussian, mixture = bounds(
                    model, Pairs(*(part.to(device) for part in pairs)), positions
                )
                found |= {
                    f"{name}_bound": gaussian.mean().item(),
                    f"{name}_bound_mixture": mixture.mean().item(),
                }
                found |= {
                    f"{name}_bound_band{index}": value
                    for index, value in enumerate(gaussian.tolist())
                }
        return found | {"ceiling": math.log(self.batch)}


def frame_pairs(frames: Frames, count: int, rng: np.random.Generator) -> Pairs:
    pairs = [frames.pair(rng) for _ in range(count)]
    return Pairs(*(as_tensor(list(side)) for side in zip(*pairs, strict=True)))
