"""Realism of a codec on a set of photographs: FID/256, KID and Fréchet distance in PIM's z.

All three compare two sets, what was coded and what was decoded, whichever picture belongs to which. FID/256 is that of Mentzer
et al., "High-fidelity generative image compression", NeurIPS 2020, on the features of Heusel et al., NeurIPS 2017; KID is that
of Bińkowski et al., "Demystifying MMD GANs", ICLR 2018. Covariances divide by N, where Heusel et al. have N − 1.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from codec import pixels
from codec.errors import ImageError
from evaluation.pictures import read, to_tensor
from perception import create
from perception.inception import FEATURES, Inception
from perception.realism import Moments, divergence, frechet, moments

SIDE = 256  # of patches
FEW = FEATURES  # patches; with fewer a covariance has not full rank, and FID is far too high
SUBSETS, SUBSET = 100, 1000  # of KID, and the largest size of one
BATCH = 16  # patches through Inception at once


@dataclass(frozen=True)
class Sample:
    """A set of pictures as realism sees it: Inception's features, (patches, 2048), and the moments of PIM's z."""

    pictures: int
    features: Tensor
    moments: list[Moments]


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


@torch.no_grad()
def sample(pictures: Iterable[Image.Image | np.ndarray], pim: bool = True) -> Sample:
    """What realism needs of 8-bit pictures; an eighth of a second a patch on one core, PIM's z a second a picture.

    pim: without it ``moments`` are empty. `ImageError` where no patch fits in.
    """
    network = Inception()
    features: list[Tensor] = []

    def passed() -> Iterator[Tensor]:
        """Each picture, Inception's features taken on the way: a picture is made once."""
        for picture in pictures:
            cut = patches(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
            features.append(torch.cat([network(batch) for batch in cut.split(BATCH)]) if len(cut) else torch.zeros(0, FEATURES))
            yield to_tensor(picture)

    taken = passed()
    found = moments(create("pim-1", weights="pim"), taken) if pim else []
    for _ in taken:
        pass  # without PIM nothing has asked for the pictures yet
    if not sum(map(len, features)):
        raise ImageError(f"no picture has {SIDE} pixels a side, which FID's and KID's patches have")
    return Sample(len(features), torch.cat(features), found)


def fid(ours: Tensor, theirs: Tensor) -> float:
    """Squared Fréchet distance of Gaussians fitted to two sets of features, (N, D) and (M, D)."""
    fitted = []
    for features in (ours, theirs):
        fitted.append(Moments(features.shape[1]))
        fitted[-1].add(features)
    return frechet(*fitted)


def discrepancy(ours: Tensor, theirs: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of (N, D) and (M, D) under the kernel (x·y / D + 1)³; it can be below 0."""
    def within(x: Tensor) -> Tensor:
        gram = kernel(x, x)
        return (gram.sum() - gram.trace()) / (len(x) * (len(x) - 1))

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    return (within(ours) + within(theirs) - 2 * kernel(ours, theirs).mean()).item()


def kid(ours: Tensor, theirs: Tensor, subsets: int = SUBSETS, seed: int = 0) -> np.ndarray:
    """(subsets,) discrepancies of random subsets of both sets of features: KID is their mean.

    A subset is 1000 patches, or half of a set smaller than 2000: with all of it the subsets would not differ. What was decoded
    shows what the originals show, so the sets are not independent, as KID has it: small sets that agree come out below 0.
    """
    size = min(SUBSET, len(ours) // 2, len(theirs) // 2)
    if size < 2:
        raise ImageError(f"KID takes 4 patches of {SIDE}x{SIDE} in each set; there are {len(ours)} and {len(theirs)}")
    rng = np.random.default_rng(seed)
    ours, theirs = ours.double(), theirs.double()
    draws = ([x[rng.choice(len(x), size, replace=False)] for x in (ours, theirs)] for _ in range(subsets))
    return np.array([discrepancy(*draw) for draw in draws])


def compare(originals: Sample, images: Sample) -> dict[str, float]:
    """Divergences of two sets; less is better, 0 is for sets that agree.

    pictures, patches: how many there are of the images. fid; kid with the standard deviation and the 2.5 % and 97.5 % quantiles
    of its subsets; pim: Fréchet distance in PIM's z, if it was sampled.
    """
    values = kid(originals.features, images.features)
    low, high = np.quantile(values, [0.025, 0.975])
    found = {"pictures": images.pictures, "patches": len(images.features), "fid": fid(originals.features, images.features),
             "kid": float(values.mean()), "kid_deviation": float(values.std(ddof=1)), "kid_low": float(low),
             "kid_high": float(high)}
    return found | ({"pim": divergence(originals.moments, images.moments)} if images.moments else {})


def realism(originals: Iterable[Image.Image | np.ndarray], images: Iterable[Image.Image | np.ndarray]) -> dict[str, float]:
    """`compare` of two sets of 8-bit pictures. For several codecs, `sample` the originals once."""
    return compare(sample(originals), sample(images))


def paired(references: Path, images: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of two folders by name, whatever their formats. `ImageError` where either has what the other lacks."""
    named = [{path.stem: path for path in folder.iterdir() if path.suffix.lower() in pixels.SUFFIXES}
             for folder in (references, images)]
    for folder, missing in ((images, set(named[0]) - set(named[1])), (references, set(named[1]) - set(named[0]))):
        if missing:
            raise ImageError(f"{folder} has no picture called {min(missing)}")
    if not named[0]:
        raise ImageError(f"{references}: no pictures there")
    names = sorted(named[0])
    return [named[0][name] for name in names], [named[1][name] for name in names]


def of_folders(references: Path, images: Path) -> dict[str, float]:
    """`realism` of two folders with pictures of the same names."""
    return realism(*(map(read, paths) for paths in paired(references, images)))


def caution(found: dict[str, float]) -> str | None:
    """What must be said of FID where there are few patches."""
    if found["patches"] >= FEW:
        return None
    return (f"FID is biased upwards with {found['patches']} patches, fewer than its {FEW} dimensions: compare it only between "
            f"codecs on these very pictures")


def lines(found: dict[str, float]) -> Sequence[str]:
    """`compare`'s figures to read."""
    return (f"{found['pictures']:g} pictures, {found['patches']:g} patches of {SIDE}x{SIDE}; less is better",
            f"FID/256       {found['fid']:.3f}",
            f"KID           {1000 * found['kid']:.3f} ± {1000 * found['kid_deviation']:.3f} ×10⁻³ "
            f"[{1000 * found['kid_low']:.3f}, {1000 * found['kid_high']:.3f}] over {SUBSETS} subsets",
            *([f"Fréchet, PIM  {found['pim']:.6g}"] if "pim" in found else []))
