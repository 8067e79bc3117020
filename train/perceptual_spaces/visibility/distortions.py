"""Distortions of photographs that a teacher is asked about, each from invisible to gross."""

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from metamer.codec.decode import decode
from metamer.codec.encode import encode

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


def metamer(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
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
    shifted = padded.transform(padded.size, Image.Transform.AFFINE, shift, Image.Resampling.BICUBIC)
    return np.asarray(shifted.crop((pad, pad, pad + size[0], pad + size[1])))


def patch(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Noise in one rectangle, the rest untouched."""
    (top, bottom), (left, right) = (
        np.sort(rng.integers(0, side + 1, 2)) for side in image.shape[:2]
    )
    noisy = image.copy()
    noisy[top:bottom, left:right] = noise(image[top:bottom, left:right], strength, rng)
    return noisy


def blended(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
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
    blended,
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
    distortion = (jpeg, metamer, OTHERS[rng.integers(len(OTHERS))])[kind]
    return distortion(image, strength, rng), kind
