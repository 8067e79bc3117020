"""Realism of a codec on a set of photographs: distances and divergences between what was coded and what was decoded, as sets.

FID/256 is that of Mentzer et al., "High-fidelity generative image compression", NeurIPS 2020, on the features of Heusel et al.,
NeurIPS 2017; KID that of Bińkowski et al., ICLR 2018, on the same; a Fréchet distance in any other layer of a network is named
after it, as figures on other features than Inception's are no FID; PIM's z is Ballé's proposal (`evaluation.realism.frechet`);
the post-hoc critic finds f-divergences (`evaluation.realism.post_hoc_critic`). Every one has a 95 % interval over pictures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from codec import pixels
from codec.errors import FileError, ImageError
from evaluation.images import read_image, to_tensor
from evaluation.realism import post_hoc_critic
from evaluation.realism.frechet import Moments, frechet_distance_of_features, mean_frechet_distance, pim_moments, pooled_moments
from evaluation.realism.kid import LEAST_PICTURES, jackknife_interval, kid_of_subsets, squared_mmd
from perception import create
from perception.backbones.imagenet import Network
from perception.backbones.inception import Inception

SIDE = 256  # of patches
BATCH = 16  # patches through a network at once
LAYER = "squeezenet:fire5"  # its 256 channels are as many as 60 photographs have patches; Inception has 2048


@dataclass(frozen=True)
class SetFeatures:
    """A set of pictures as realism sees it, by picture.

    features: by space, of Inception "fid", (patches, D); moments: of PIM's z, by sub-band; cells: what the critic sees, (N, D).
    """

    features: dict[str, list[Tensor]]
    moments: list[list[Moments]] = field(default_factory=list)
    cells: list[Tensor] = field(default_factory=list)


class PooledLayer(nn.Module):
    """(N, 3, H, W) of uint8 → (N, C): a layer of a network, averaged over positions. ``name`` is NETWORK:LAYER."""

    def __init__(self, name: str):
        super().__init__()
        network, _, layer = name.partition(":")
        self.network = Network(network).to(memory_format=torch.channels_last)  # twice as fast on CPUs
        self.layer = self.network.check(layer)
        self.name = f"{self.network.name}:{layer}"

    def forward(self, image: Tensor) -> Tensor:
        image = (image.float() / 255).contiguous(memory_format=torch.channels_last)
        return self.network(image, (self.layer,))[self.layer].mean((2, 3))


def patches(image: Tensor) -> Tensor:
    """(3, H, W) → (N, 3, 256, 256): a grid of patches that do not overlap, then a second one 128 pixels right and down.

    >>> patches(torch.zeros(3, 512, 768, dtype=torch.uint8)).shape  # 6 and 2
    torch.Size([8, 3, 256, 256])
    """
    grids = []
    for start in (0, SIDE // 2):
        grid = image[:, start:, start:]
        if min(grid.shape[1:]) >= SIDE:
            cut = grid.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)  # (3, rows, columns, 256, 256)
            grids.append(cut.permute(1, 2, 0, 3, 4).reshape(-1, 3, SIDE, SIDE))
    return torch.cat(grids) if grids else image.new_zeros(0, 3, SIDE, SIDE)


class FeatureSampler:
    """Makes `SetFeatures`s; networks are loaded once.

    layer: NETWORK:LAYER of the deep-feature space; pim: PIM's weights, None to leave it out; critic: the network that the
    post-hoc critic sees through, None to leave it out. Raises PerceptionError.
    """

    def __init__(self, layer: str = LAYER, pim: str | None = None, critic: str | None = None):
        deep = PooledLayer(layer)
        self.pim = create("pim-1", weights=pim) if pim else None
        self.networks = {"fid": Inception(), deep.name: deep}
        self.cells = post_hoc_critic.Cells(critic) if critic else None

    @torch.no_grad()
    def __call__(self, pictures: Iterable[Image.Image | np.ndarray]) -> SetFeatures:
        """Of 8-bit pictures, each asked for once; `ImageError` where no patch fits into any.

        On one core an eighth of a second a patch, and a picture half a second for the critic and one for PIM's z.
        """
        found = SetFeatures({name: [] for name in self.networks})
        for picture in pictures:
            cut = patches(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
            for name, network in self.networks.items():
                found.features[name].append(torch.cat([network(batch) for batch in cut.split(BATCH)]) if len(cut) else cut)
            if self.pim:
                found.moments.append(pim_moments(self.pim, to_tensor(picture)))
            if self.cells:
                found.cells.append(self.cells(to_tensor(picture)))
        if not sum(map(len, found.features["fid"])):
            raise ImageError(f"no picture has {SIDE} pixels a side, which the patches of realism have")
        return found


def compare_sets(originals: SetFeatures, images: SetFeatures) -> dict[str, float]:
    """Distances of two sets of the same pictures in the same order; less is better, 0 is for sets that agree.

    pictures, patches: how many there are. fid. kid, and kid_deviation, the standard deviation between its subsets. The Fréchet
    distance in a layer is called NETWORK:LAYER, that in PIM's z pim, what the critic finds js and kl
    (`post_hoc_critic.divergence_bounds`); the last three if sampled. Each comes with NAME_low and NAME_high, a 95 % interval
    over pictures (`kid.jackknife_interval`), where at least 4 have patches.
    """
    counts = [list(map(len, of.features["fid"])) for of in (originals, images)]
    if counts[0] != counts[1]:
        raise ImageError("realism compares pictures and what became of them: as many, of the same sizes")
    cut = np.flatnonzero(counts[1])

    def features(name: str, chosen: np.ndarray) -> list[Tensor]:
        return [torch.cat([of.features[name][index] for index in chosen]).double() for of in (originals, images)]

    def frechet(name: str, chosen: np.ndarray) -> float:
        return frechet_distance_of_features(*features(name, chosen))

    def in_z(chosen: np.ndarray) -> float:
        return mean_frechet_distance(*(pooled_moments(of.moments[index] for index in chosen) for of in (originals, images)))

    subsets = kid_of_subsets(*features("fid", cut))
    found = {"pictures": len(counts[1]), "patches": sum(counts[1]), "fid": frechet("fid", cut)}
    found |= interval_fields("fid", partial(frechet, "fid"), found["fid"], cut)
    found |= {"kid": float(subsets.mean()), "kid_deviation": float(subsets.std(ddof=1))}
    found |= interval_fields("kid", lambda chosen: squared_mmd(*features("fid", chosen)), found["kid"], cut)
    for name in set(images.features) - {"fid"}:
        found[name] = frechet(name, cut)
        found |= interval_fields(name, partial(frechet, name), found[name], cut)
    if images.moments:
        every = np.arange(len(images.moments))
        found["pim"] = in_z(every)
        found |= interval_fields("pim", in_z, found["pim"], every)
    if images.cells:
        found |= post_hoc_critic.divergence_bounds(originals.cells, images.cells)
    return found


def interval_fields(name: str, measure: Callable[[np.ndarray], float], value: float, pictures: np.ndarray) -> dict[str, float]:
    """NAME_low and NAME_high, or nothing where pictures are too few."""
    if len(pictures) < LEAST_PICTURES:
        return {}
    low, high = jackknife_interval(measure, value, pictures)
    return {f"{name}_low": low if name == "kid" else max(0.0, low), f"{name}_high": high}  # of these KID alone can be below 0


def paired_pictures(references: Path, images: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of two folders by name, whatever their formats. `ImageError` where either has what the other lacks."""
    try:
        named = [{path.stem: path for path in folder.iterdir() if path.suffix.lower() in pixels.SUFFIXES}
                 for folder in (references, images)]
    except OSError as problem:
        raise FileError(f"{problem.filename}: {problem.strerror.lower()}") from None
    for folder, missing in ((images, set(named[0]) - set(named[1])), (references, set(named[1]) - set(named[0]))):
        if missing:
            raise ImageError(f"{folder} has no picture called {min(missing)}")
    if not named[0]:
        raise ImageError(f"{references}: no pictures there")
    names = sorted(named[0])
    return [named[0][name] for name in names], [named[1][name] for name in names]


def compare_folders(references: Path, images: Path, layer: str = LAYER, pim: str | None = "pim",
                    critic: str | None = None) -> dict[str, float]:
    """`compare_sets` of two folders with pictures of the same names, by what a `FeatureSampler` takes."""
    pairs = paired_pictures(references, images)
    sample = FeatureSampler(layer, pim, critic)
    return compare_sets(*(sample(map(read_image, paths)) for paths in pairs))
