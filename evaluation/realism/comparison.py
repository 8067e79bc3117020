"""Realism of a codec on a set of photographs: distances and divergences between what was coded and
what was decoded, as sets.

FID/256 is that of Mentzer et al., "High-fidelity generative image compression", NeurIPS 2020, on
the features of Heusel et al., NeurIPS 2017; KID that of Bińkowski et al., ICLR 2018, on the same; a
Fréchet distance in any other layer of a network is named after it, as figures on other features
than Inception's are no FID; PIM's z is Ballé's proposal (`evaluation.realism.frechet`); the
post-hoc critic finds f-divergences (`evaluation.realism.post_hoc_critic`). Every one has a 95 %
interval over pictures.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import ImageError
from metamer.evaluation.images import pictures_by_name, read_image
from metamer.evaluation.intervals import LEAST_PICTURES, jackknife_interval
from metamer.evaluation.realism import post_hoc_critic
from metamer.evaluation.realism.features import LAYER, FeatureSampler, SetFeatures
from metamer.evaluation.realism.frechet import (
    frechet_distance_of_features,
    mean_frechet_distance,
    pooled_moments,
)
from metamer.evaluation.realism.kid import kid_of_subsets, paired_squared_mmd, squared_mmd


def compare_sets(originals: SetFeatures, images: SetFeatures) -> dict[str, float]:
    """How far two sets of the same pictures, in the same order, lie apart; less is better, 0 is for
    sets that agree.

    Args:
        originals: What `FeatureSampler` makes of the originals.
        images: The same of what was decoded.

    Returns:
        pictures, patches: how many there are. fid. kid, in the usual estimator, and kid_paired, in
        that for sets of the same pictures (`kid`); kid_deviation and kid_paired_deviation, the
        standard deviations between their subsets. The Fréchet distance in a layer is called
        NETWORK:LAYER, that in PIM's z pim, what the critic finds js and kl
        (`post_hoc_critic.divergence_bounds`); the last three if sampled. Each comes with NAME_low
        and NAME_high, a 95 % interval over pictures (`intervals.jackknife_interval`), where at
        least 4 have patches.

    Raises:
        ImageError: Sets of other sizes, or too few patches.
    """
    counts = [list(map(len, of.features["fid"])) for of in (originals, images)]
    if counts[0] != counts[1]:
        raise ImageError(
            "realism compares pictures and what became of them: as many, of the same sizes"
        )
    cut = np.flatnonzero(counts[1])

    def features(name: str, chosen: np.ndarray) -> list[Tensor]:
        return [
            torch.cat([of.features[name][index] for index in chosen]).double()
            for of in (originals, images)
        ]

    def frechet(name: str, chosen: np.ndarray) -> float:
        return frechet_distance_of_features(*features(name, chosen))

    def in_z(chosen: np.ndarray) -> float:
        return mean_frechet_distance(
            *(pooled_moments(of.moments[index] for index in chosen) for of in (originals, images))
        )

    result = {"pictures": len(counts[1]), "patches": sum(counts[1]), "fid": frechet("fid", cut)}
    result |= interval_fields("fid", partial(frechet, "fid"), result["fid"], cut)
    for name, discrepancy in (("kid", squared_mmd), ("kid_paired", paired_squared_mmd)):
        subsets = kid_of_subsets(*features("fid", cut), paired=name == "kid_paired")
        result |= {name: float(subsets.mean()), f"{name}_deviation": float(subsets.std(ddof=1))}
        result |= interval_fields(
            name,
            lambda chosen, of=discrepancy: of(*features("fid", chosen)),
            result[name],
            cut,
        )
    for name in set(images.features) - {"fid"}:
        result[name] = frechet(name, cut)
        result |= interval_fields(name, partial(frechet, name), result[name], cut)
    if images.moments:
        every = np.arange(len(images.moments))
        result["pim"] = in_z(every)
        result |= interval_fields("pim", in_z, result["pim"], every)
    if images.cells:
        result |= post_hoc_critic.divergence_bounds(originals.cells, images.cells)
    return result


def interval_fields(
    name: str, measure: Callable[[np.ndarray], float], value: float, pictures: np.ndarray
) -> dict[str, float]:
    """NAME_low and NAME_high, or nothing where pictures are too few."""
    if len(pictures) < LEAST_PICTURES:
        return {}
    low, high = jackknife_interval(measure, value, pictures)
    # of these KID alone can be below 0
    return {
        f"{name}_low": low if name.startswith("kid") else max(0.0, low),
        f"{name}_high": high,
    }


def paired_pictures(references: Path, images: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of two folders by name, whatever their formats. Raises FileError; ImageError
    where either has what the other lacks, none, or two of one name.
    """
    named = [pictures_by_name(folder) for folder in (references, images)]
    for folder, missing in (
        (images, set(named[0]) - set(named[1])),
        (references, set(named[1]) - set(named[0])),
    ):
        if missing:
            raise ImageError(f"{folder} has no picture called {min(missing)}")
    if not named[0]:
        raise ImageError(f"{references}: no pictures there")
    names = sorted(named[0])
    return [named[0][name] for name in names], [named[1][name] for name in names]


def compare_folders(
    references: Path,
    images: Path,
    layer: str = LAYER,
    pim: str | None = "pim",
    critic: str | None = None,
) -> dict[str, float]:
    """`compare_sets` of two folders with pictures of the same names, by what a `FeatureSampler`
    takes.
    """
    pairs = paired_pictures(references, images)
    sample = FeatureSampler(layer, pim, critic)
    return compare_sets(*(sample(map(read_image, paths)) for paths in pairs))
