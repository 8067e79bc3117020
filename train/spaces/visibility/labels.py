"""A labelled set for `visibility`: crops of photographs, distorted versions of them, and how far
the teacher sees them apart.

The teacher is ColorVideoVDP (Mantiuk et al., SIGGRAPH 2024): a model of vision, not people. It is
asked about JPEG and the codec's own artefacts, each at every quality, and a share of other
distortions, down to what nobody can see.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from PIL import Image, ImageFilter
from safetensors import SafetensorError
from torch import Tensor
from tqdm import tqdm

from metamer.codec.decode import decode
from metamer.codec.encode import encode
from metamer.codec.errors import RecipeError
from metamer.codec.system import files
from metamer.perception import create
from metamer.train.data import Crops, Photographs

VERSIONS = 4  # distorted versions of every crop
# crops in a file: half a minute of labelling on one thread, the most that an interruption costs
SHARD = 32
REDUCED = 3  # every third crop is of the photograph at half its size, which is sharper

# (H, W, 3) uint8, strength in [0, 1) → the same
Distortion = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def eight_bits(image: np.ndarray) -> np.ndarray:
    return np.rint(image).clip(0, 255).astype(np.uint8)


def saved(image: np.ndarray, kind: str, **options) -> np.ndarray:
    """The image after Pillow's codec ``kind``."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def between(low: float, high: float, strength: float) -> float:
    """Geometric: equal steps of strength are equal factors."""
    return low * (high / low) ** strength


def jpeg(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return saved(image, "JPEG", quality=100 - int(100 * strength))


def own_codec(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(decode(encode(image, quality=100 * (1 - strength), threads=1), threads=1))


def jpeg2000(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return saved(image, "JPEG2000", quality_mode="dB", quality_layers=[50 - 28 * strength])


def webp(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return saved(image, "WEBP", quality=100 - int(100 * strength))


def noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return eight_bits(image + between(0.5, 50, strength) * rng.standard_normal(image.shape))


def grey_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return eight_bits(
        image + between(0.5, 50, strength) * rng.standard_normal((*image.shape[:2], 1))
    )


def coarse_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise of a random scale: smooth shading at one end, grain at the other."""
    height, width = image.shape[:2]
    side = int(rng.integers(3, height // 2))
    small = rng.standard_normal((side, side, 3)).astype(np.float32)
    planes = [
        Image.fromarray(small[..., c]).resize((width, height), Image.Resampling.BICUBIC)
        for c in range(3)
    ]
    return eight_bits(
        image + between(0.5, 40, strength) * np.stack([np.asarray(plane) for plane in planes], -1)
    )


def chroma_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    ycbcr = np.asarray(Image.fromarray(image).convert("YCbCr")).astype(np.float64)
    ycbcr[..., 1:] += between(0.5, 60, strength) * rng.standard_normal(ycbcr[..., 1:].shape)
    return np.asarray(Image.fromarray(eight_bits(ycbcr), "YCbCr").convert("RGB"))


def blur(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(
        Image.fromarray(image).filter(ImageFilter.GaussianBlur(between(0.25, 5, strength)))
    )


def chroma_blur(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    y, *chroma = Image.fromarray(image).convert("YCbCr").split()
    soft = [plane.filter(ImageFilter.GaussianBlur(between(0.4, 16, strength))) for plane in chroma]
    return np.asarray(Image.merge("YCbCr", (y, *soft)).convert("RGB"))


def sharpened(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(
        Image.fromarray(image).filter(ImageFilter.UnsharpMask(2, int(between(4, 300, strength)), 0))
    )


def contrast(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    factor = 1 + rng.choice((-1, 1)) * between(0.005, 0.7, strength)
    return eight_bits((image - image.mean()) * factor + image.mean())


def brightness(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return eight_bits(image + rng.choice((-1, 1)) * between(0.5, 80, strength))


def gamma(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    return eight_bits(
        255 * (image / 255) ** (1 + between(0.005, 1, strength)) ** rng.choice((-1, 1))
    )


def colour_shift(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    direction = rng.standard_normal(3)
    return eight_bits(image + between(0.5, 80, strength) * direction / np.abs(direction).max())


def saturation(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    grey = image.mean(-1, keepdims=True)
    return eight_bits(
        grey + (image - grey) * (1 + rng.choice((-1, 1)) * between(0.01, 1, strength))
    )


def posterised(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    step = between(2, 80, strength)
    return eight_bits(np.floor(image / step) * step + step / 2)


def moved(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Shifted by a fraction of a pixel up to a few; the uncovered edge is repeated."""
    angle, length = 2 * math.pi * rng.random(), between(0.05, 5, strength)
    shift = (1, 0, length * math.cos(angle), 0, 1, length * math.sin(angle))
    size, pad = image.shape[1::-1], 8
    padded = Image.fromarray(np.pad(image, ((pad, pad), (pad, pad), (0, 0)), "edge"))
    found = padded.transform(padded.size, Image.Transform.AFFINE, shift, Image.Resampling.BICUBIC)
    return np.asarray(found.crop((pad, pad, pad + size[0], pad + size[1])))


def patch(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Noise in one rectangle, the rest untouched."""
    (top, bottom), (left, right) = (
        np.sort(rng.integers(0, side + 1, 2)) for side in image.shape[:2]
    )
    found = image.copy()
    found[top:bottom, left:right] = noise(image[top:bottom, left:right], strength, rng)
    return found


def another(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blended with white noise, or with itself turned upside down, up to nothing being left
    of it.
    """
    other = (
        255 * rng.random(image.shape)
        if rng.random() < 0.5
        else image[::-1, ::-1].astype(np.float64)
    )
    share = between(0.02, 1, strength)
    return eight_bits((1 - share) * image + share * other)


def mixture(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Two of the others, one after the other, both milder."""
    for choice in rng.choice(len(OTHERS) - 1, 2, replace=False):
        image = OTHERS[choice](image, 0.8 * strength, rng)
    return image


OTHERS: tuple[Distortion, ...] = (
    jpeg2000,
    webp,
    noise,
    grey_noise,
    coarse_noise,
    chroma_noise,
    blur,
    chroma_blur,
    sharpened,
    contrast,
    brightness,
    gamma,
    colour_shift,
    saturation,
    posterised,
    moved,
    patch,
    another,
    mixture,
)
KINDS = ("jpeg", "codec", "other")  # what `Labels` numbers the versions by
SHARES = (0.45, 0.2, 0.35)
# half of the strengths are even, half lean to the strong: evenly drawn, two in three would be hard
# to see
POWERS = (1, 0.4)


def distorted(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A version of an (H, W, 3) uint8 image, and its number among `KINDS`."""
    kind = int(rng.choice(len(KINDS), p=SHARES))
    strength = float(rng.random() ** rng.choice(POWERS))
    distortion = (jpeg, own_codec, OTHERS[rng.integers(len(OTHERS))])[kind]
    return distortion(image, strength, rng), kind


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
