"""A labelled set for `visibility`: crops of photographs, distorted versions of them, and how far
the teacher sees them apart.

The teacher is ColorVideoVDP (Mantiuk et al., SIGGRAPH 2024): a model of vision, not people. It is
asked about JPEG and the codec's own artefacts, each at every quality, and a share of other
distortions, down to what nobody can see.
"""

from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from tqdm import tqdm

from metamer.codec.errors import RecipeError
from metamer.codec.system import files
from metamer.perception import create
from metamer.train.data import Crops, Photographs
from metamer.train.perceptual_spaces.visibility.distortions import distorted

VERSIONS = 4  # distorted versions of every crop
# crops in a file: half a minute of labelling on one thread, the most that an interruption costs
SHARD = 32
REDUCED = 3  # every third crop is of the photograph at half its size, which is sharper


def half(image: np.ndarray) -> np.ndarray:
    """(2H, 2W, 3) → (H, W, 3), Lanczos."""
    return np.asarray(
        Image.fromarray(image).resize(
            (image.shape[1] // 2, image.shape[0] // 2), Image.Resampling.LANCZOS
        )
    )


class Labels:
    """Pairs of images (3, S, S) uint8 and their distance in JOD, 0 for what looks the same; made
    once, kept in files.

    paths: photographs to take crops of; count: pairs; folder: of the files. Files that are there
    already are not made again. Item i is (reference, image, distance, kind), and depends on nothing
    but the photographs, the side, the seed and i. Attributes: distance (count,) in JOD; kind
    (count,), numbers among `KINDS`.
    """

    def __init__(
        self, paths: list[Path], count: int, side: int, seed: int, folder: Path, name: str
    ):
        self.count, crops = count, -(-count // VERSIONS)
        names = [
            folder / f"{name}-{side}-{seed}-{first:06d}.safetensors"
            for first in range(0, crops, SHARD)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        missing = [(number, path) for number, path in enumerate(names) if not path.exists()]
        if missing:
            photographs = Photographs(paths)
            sources = Crops(photographs, side, seed), Crops(photographs, 2 * side, seed)
            teacher = create("cvvdp")
        for number, path in tqdm(missing, desc=f"labels: {name}", unit="file", disable=None):
            # whole files, whatever the count: a larger one adds to them
            chosen = range(number * SHARD, (number + 1) * SHARD)
            files.write_file(
                str(path), safetensors.torch.save(label(teacher, sources, chosen, seed))
            )
        try:
            self._shards = [safetensors.safe_open(str(path), "pt") for path in names]
            self._images = [shard.get_slice("images") for shard in self._shards]
            self.distance = torch.cat(
                [shard.get_tensor("distance").flatten() for shard in self._shards]
            )[:count]
            self.kind = torch.cat([shard.get_tensor("kind").flatten() for shard in self._shards])[
                :count
            ]
        except SafetensorError:
            raise RecipeError(f"{folder} holds damaged labels; remove them") from None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, int]:
        crop, version = divmod(index, VERSIONS)
        shard, place = divmod(crop, SHARD)
        images = self._images[shard][place]
        return images[0], images[1 + version], self.distance[index], int(self.kind[index])


def label(teacher, sources: tuple[Crops, Crops], chosen: range, seed: int) -> dict[str, Tensor]:
    """One file: images (n, 1 + VERSIONS, 3, S, S), references first; distance and kind (n,
    VERSIONS).
    """
    images, distances, kinds = [], [], []
    for index in chosen:
        reduced = index % REDUCED == 0
        reference = sources[reduced][index].permute(1, 2, 0).numpy()
        reference = half(reference) if reduced else reference
        rng = np.random.default_rng([seed, index, 1])
        versions, kind = zip(*(distorted(reference, rng) for _ in range(VERSIONS)), strict=True)
        stack = torch.from_numpy(np.stack((reference, *versions)).transpose(0, 3, 1, 2).copy())
        images.append(stack)
        kinds.append(torch.tensor(kind, dtype=torch.uint8))
        distances.append(teacher.loss(stack[:1].expand(VERSIONS, -1, -1, -1), stack[1:]))
    return {
        "images": torch.stack(images),
        "distance": torch.stack(distances),
        "kind": torch.stack(kinds),
    }
