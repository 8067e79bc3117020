"""The distortions of TID2013 that have a definition.

TID2013's images cannot be had, its 3000 opinions can. Where a distortion can be defined, the
picture that an opinion is about can be approximated: an approximation it stays, and every figure
that comes of it has to say so. Nothing here was chosen by what any metric makes of it.

Sources. [2008] Ponomarenko et al., "TID2008 - a database for evaluation of full-reference visual
quality assessment metrics", Advances of Modern Radioelectronics 10 (2009) 30-45. [2013] Ponomarenko
et al., "Image database TID2013: peculiarities, results and perspectives", Signal Processing: Image
Communication 30 (2015) 57-77. [KADID] Lin, Hosu, Saupe, "KADID-10k", QoMEX 2019, whose generator
follows TID in types 14 and 15. [true] the few true images beside the ratings. [MOS] TID2013's
opinions themselves, which tell the order of signs and whether a level has one parameter or one
PSNR: where textured references are rated far worse than smooth ones (blur, JPEG), it is a
parameter; where better (JPEG 2000, chromatic aberration), a PSNR.

The levels of TID2013 are about 33, 30, 27, 24 and 21 dB [2013], noise variances of 32.5 to 520
[true]. The papers' full text was not at hand when this was written: what is marked [2008] or [2013]
is as they are commonly quoted.

Left out, as no published definition suffices: 9 denoising, 12 and 13 transmission errors, 20
comfort noise, 21 compression of noisy images and 24 sparse sampling hang on their authors'
programs. The artificial reference I25 was never published apart.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import fft, ndimage, spatial

from metamer.evaluation.images import round_trip

LEVELS = range(1, 6)
# of additive noise, squared 8-bit steps [true]
VARIANCES = {level: 32.5 * 2 ** (level - 1) for level in LEVELS}
BLOCK = 32  # side of the blocks of type 15 [KADID]
BLOCK_VARIANCE = 130.0  # mean squared error of type 15 at all levels: 27 dB, the middle one
# (H, W, 3) uint8, strength, noise → the same shape
Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _eight_bits(image: np.ndarray) -> np.ndarray:
    return np.rint(image).clip(0, 255).astype(np.uint8)


def _white(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(image.shape, np.float32)


def _unit(noise: np.ndarray) -> np.ndarray:
    return noise / np.sqrt(np.square(noise).mean())


def gaussian_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """White noise of equal ``variance`` in R, G and B, independent of each other."""
    return _eight_bits(image + np.sqrt(variance) * _white(image, rng))


def colour_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White noise in BT.601 YCbCr: ``deviation`` in Cb and Cr, half of it in Y; the ratio is a
    guess.
    """
    y, cb, cr = np.moveaxis(_white(image, rng) * deviation * np.float32([0.5, 1, 1]), 2, 0)
    return _eight_bits(
        image + np.stack([y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb], 2)
    )


def correlated_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White noise through a 3×3 mean, brought to ``deviation``; the kernel is a guess."""
    return _eight_bits(
        image
        + deviation * _unit(ndimage.uniform_filter(_white(image, rng), (3, 3, 0), mode="wrap"))
    )


def masked_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White noise, in every 8×8 block and channel as strong as what hides it: the root of the
    block's AC energy.

    That is the leading term of the masking in PSNR-HVS-M (Ponomarenko et al., VPQM 2007); how TID
    weights it is a guess.
    """
    height, width, _ = image.shape
    edge = ((0, -height % 8), (0, -width % 8), (0, 0))
    blocks = np.pad(image, edge, mode="edge").astype(np.float32)
    blocks = blocks.reshape(blocks.shape[0] // 8, 8, blocks.shape[1] // 8, 8, 3)
    mask = blocks.std((1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
    return _eight_bits(image + deviation * _unit(_white(image, rng) * mask))


def high_frequency_noise(
    image: np.ndarray, deviation: float, rng: np.random.Generator
) -> np.ndarray:
    """White noise of which only frequencies over a quarter cycle a pixel are left; the border is a
    guess.
    """
    spectrum = fft.rfft2(_white(image, rng), axes=(0, 1))
    height, width, _ = image.shape
    low = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None]) < 0.25
    spectrum[low] = 0
    return _eight_bits(
        image + deviation * _unit(fft.irfft2(spectrum, image.shape[:2], axes=(0, 1)))
    )


def impulse_noise(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A ``share`` of all values, whatever their channel, becomes 0 or 255, as MATLAB's "salt &
    pepper" does.
    """
    draw = rng.random(image.shape, np.float32)
    return np.where(draw < share / 2, 0, np.where(draw > 1 - share / 2, 255, image)).astype(
        np.uint8
    )


def quantisation(image: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    """Every channel rounded to multiples of ``step``."""
    return _eight_bits(np.rint(image / step) * step)


def blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur of all channels, ``sigma`` in pixels.

    That a level has one sigma is from [MOS], which sigma is a guess: the mean PSNR asks for 8.6 at
    level 5, a step to which opinions hardly fit.
    """
    return _eight_bits(ndimage.gaussian_filter(image.astype(np.float32), (sigma, sigma, 0)))


def _through(image: np.ndarray, kind: str, **options) -> np.ndarray:
    return np.asarray(round_trip(Image.fromarray(image), kind, **options))


def jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """Baseline JPEG with 4:2:0, the default of MATLAB's imwrite; ``quality`` is libjpeg's, 1 to
    100.
    """
    return _through(image, "JPEG", quality=int(quality), subsampling="4:2:0")


def jpeg2000(image: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000, 9/7 wavelet, colour transform, one layer at compression ``ratio`` (Kakadu in TID,
    OpenJPEG here).
    """
    return _through(
        image, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1
    )


def pattern_noise(image: np.ndarray, patches: float, rng: np.random.Generator) -> np.ndarray:
    """``patches`` fragments of 16×16 pixels copied over others up to 8 pixels away [KADID]."""
    side, reach = 16, 8
    out = image.copy()
    for _ in range(int(patches)):
        y, x = (rng.integers(reach, length - side - reach + 1) for length in image.shape[:2])
        dy, dx = rng.integers(-reach, reach + 1, 2)
        out[y + dy : y + dy + side, x + dx : x + dx + side] = out[y : y + side, x : x + side].copy()
    return out


def blocks(image: np.ndarray, count: float, rng: np.random.Generator) -> np.ndarray:
    """``count`` blocks of 32×32 pixels, each channel moved to where there is room; one mean square
    at all levels.

    So few blocks are strong and many are weak, which is why opinions rise with the level [MOS].
    Numbers are a guess.
    """
    rows, columns = (length // BLOCK for length in image.shape[:2])
    cells = rng.permutation(rows * columns)[: int(count)]
    shift = np.sqrt(BLOCK_VARIANCE * image[..., 0].size / (len(cells) * BLOCK**2))
    out = image.astype(np.float32)
    for cell in cells:
        y, x = divmod(int(cell), columns)
        part = out[y * BLOCK : (y + 1) * BLOCK, x * BLOCK : (x + 1) * BLOCK]
        part += np.where(part.mean((0, 1)) < 127.5, shift, -shift)
    return _eight_bits(out)


def mean_shift(image: np.ndarray, offset: float, rng: np.random.Generator) -> np.ndarray:
    """The same ``offset`` on all channels; positive is brighter.

    That signs alternate is from [MOS], held against TID2008's; that odd levels are the darker ones
    is a guess.
    """
    return _eight_bits(image + np.float32(offset))


def contrast(image: np.ndarray, change: float, rng: np.random.Generator) -> np.ndarray:
    """Distances from the picture's mean times 1 + ``change``; odd levels lose contrast, even ones
    gain [MOS].
    """
    mean = image.mean(dtype=np.float64)
    return _eight_bits(mean + (1 + change) * (image - mean))


def saturation(image: np.ndarray, change: float, rng: np.random.Generator) -> np.ndarray:
    """Cb and Cr times 1 − ``change``, Y kept; beyond 1, colours turn into their opposites. The
    direction is a guess.
    """
    luma = (image @ np.float32([0.299, 0.587, 0.114]))[..., None]
    return _eight_bits(luma + (1 - change) * (image - luma))


def multiplicative_noise(
    image: np.ndarray, deviation: float, rng: np.random.Generator
) -> np.ndarray:
    """Every value times its own 1 + ``deviation`` · white noise."""
    return _eight_bits(image * (1 + deviation * _white(image, rng)))


@functools.lru_cache(2)
def _splits(data: bytes, most: int) -> tuple[np.ndarray, ...]:
    """Palettes of 1 to ``most`` colours by Wu's rule: the box of most squared error is cut where
    that falls most.

    ``data``: RGB triples of a picture, uint8. Colours are (n, 3) in 0 … 255.
    """
    colours, weights = np.unique(
        np.frombuffer(data, np.uint8).reshape(-1, 3), axis=0, return_counts=True
    )
    colours = colours.astype(np.float64)

    def box(members: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        share, values = weights[members, None], colours[members]
        centre = (share * values).sum(0) / share.sum()
        return float((share * (values - centre) ** 2).sum()), centre, members

    boxes, palettes = [box(np.arange(len(colours)))], []
    while len(boxes) <= most:
        palettes.append(np.array([centre for _, centre, _ in boxes]))
        worst = max(range(len(boxes)), key=lambda index: boxes[index][0])
        if boxes[worst][0] < 1e-9:
            break  # every colour has its own box
        members = boxes.pop(worst)[2]
        spread = np.sqrt(weights[members, None]) * (colours[members] - colours[members].mean(0))
        members = members[
            np.argsort(colours[members, np.argmax(np.square(spread).sum(0))], kind="stable")
        ]
        share, sums = (
            weights[members].cumsum()[:-1],
            (weights[members, None] * colours[members]).cumsum(0),
        )
        gain = (sums[:-1] ** 2).sum(1) / share + ((sums[-1] - sums[:-1]) ** 2).sum(1) / (
            weights[members].sum() - share
        )
        cut = int(np.argmax(gain)) + 1
        boxes += [box(members[:cut]), box(members[cut:])]
    return tuple(palettes)


def colour_quantisation(image: np.ndarray, colours: float, rng: np.random.Generator) -> np.ndarray:
    """A palette of ``colours`` by variance, dithered after Floyd and Steinberg, as MATLAB's rgb2ind
    does [2013].
    """
    palettes = _splits(image.tobytes(), 1024)
    palette = palettes[min(int(colours), len(palettes)) - 1]
    tree, (height, width, _) = spatial.cKDTree(palette), image.shape
    rest = np.zeros((height + 1, width + 2, 3))  # a border on three sides takes what falls off
    rest[:height, 1:-1] = image
    out = np.empty(image.shape)
    # all pixels of one x + 2·y depend on earlier ones only
    for time in range(width + 2 * height - 2):
        y = np.arange(max(0, (time - width + 2) // 2), min(height, time // 2 + 1))
        x = time - 2 * y + 1
        value = rest[y, x].clip(0, 255)
        out[y, x - 1] = palette[tree.query(value)[1]]
        error = value - out[y, x - 1]
        for dy, dx, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
            rest[y + dy, x + dx] += error * (share / 16)
    return _eight_bits(out)


def chromatic_aberration(image: np.ndarray, shift: float, rng: np.random.Generator) -> np.ndarray:
    """A square mean of all channels, then red ``shift`` pixels to the right and blue as many to the
    left.

    ``shift`` + radius columns at either side keep their place, and the change to the rest is as
    soft as the mean is wide. i01_23_5 is this with shift 5 and a 5×5 mean, bit for bit [true]; the
    side at other shifts, 2·⌊shift/2⌋ + 1, is a guess. One pixel is already past 33 dB on all
    references and past 24 dB on some, so that levels of textured references share pictures here,
    while their opinions differ.
    """
    shift = int(shift)
    side = 2 * (shift // 2) + 1
    margin = shift + side // 2
    moved = np.zeros(image.shape[1])
    moved[margin:-margin] = 1
    moved = ndimage.uniform_filter1d(moved, side)
    out = _eight_bits(ndimage.uniform_filter(image.astype(np.float64), (side, side, 0))).astype(
        np.float64
    )
    for channel, way in ((0, shift), (2, -shift)):
        out[..., channel] = (1 - moved) * out[..., channel] + moved * np.roll(
            out[..., channel], way, 1
        )
    return _eight_bits(out)


@dataclass(frozen=True)
class Distortion:
    """One type: how it is made and how the strength of a level is found.

    ``mild`` and ``strong`` bound the search for the strength of a level's PSNR; ``whole``: only
    integers will do. ``common``: one strength for all references, which reaches the PSNR in the
    mean. ``strengths``: given, not searched. ``signs``: what a strength is multiplied by, level by
    level. ``basis``: 'published parameter', 'PSNR of the level', or 'guess' where even the kind of
    change, and not only its strength, is partly ours.
    """

    number: int
    title: str
    basis: str
    function: Function
    mild: float = 0.0
    strong: float = 0.0
    whole: bool = False
    common: bool = False
    strengths: tuple[float, ...] = ()
    signs: tuple[int, ...] = (1, 1, 1, 1, 1)


PUBLISHED, LEVEL_PSNR, GUESS = "published parameter", "PSNR of the level", "guess"

DISTORTIONS: dict[int, Distortion] = {
    kind.number: kind
    for kind in (
        Distortion(
            1,
            "additive Gaussian noise",
            PUBLISHED,
            gaussian_noise,
            strengths=tuple(VARIANCES.values()),
        ),
        Distortion(2, "additive noise, stronger in colour", GUESS, colour_noise, 1, 80),
        Distortion(3, "spatially correlated noise", GUESS, correlated_noise, 1, 80),
        Distortion(4, "masked noise", GUESS, masked_noise, 1, 160),
        Distortion(5, "high-frequency noise", GUESS, high_frequency_noise, 1, 80),
        Distortion(6, "impulse noise", LEVEL_PSNR, impulse_noise, 1e-4, 0.5),
        Distortion(7, "quantisation noise", LEVEL_PSNR, quantisation, 2, 128, whole=True),
        Distortion(8, "Gaussian blur", GUESS, blur, 0.2, 20, common=True),
        Distortion(10, "JPEG", LEVEL_PSNR, jpeg, 100, 1, whole=True, common=True),
        Distortion(11, "JPEG 2000", LEVEL_PSNR, jpeg2000, 2, 2000),
        Distortion(
            14,
            "non-eccentricity pattern noise",
            GUESS,
            pattern_noise,
            strengths=(20, 40, 60, 80, 100),
        ),
        Distortion(15, "local block-wise distortions", GUESS, blocks, strengths=(2, 4, 8, 16, 32)),
        Distortion(16, "mean shift", GUESS, mean_shift, 1, 255, signs=(-1, 1, -1, 1, -1)),
        Distortion(
            17, "contrast change", LEVEL_PSNR, contrast, 1e-3, 0.999, signs=(-1, 1, -1, 1, -1)
        ),
        Distortion(18, "change of colour saturation", GUESS, saturation, 1e-3, 8),
        Distortion(19, "multiplicative Gaussian noise", LEVEL_PSNR, multiplicative_noise, 1e-3, 4),
        Distortion(
            22,
            "image colour quantisation with dither",
            LEVEL_PSNR,
            colour_quantisation,
            1024,
            2,
            whole=True,
        ),
        Distortion(23, "chromatic aberrations", GUESS, chromatic_aberration, 1, 16, whole=True),
    )
}
