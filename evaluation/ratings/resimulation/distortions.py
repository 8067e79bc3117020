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

import numpy as np
from PIL import Image
from scipy import fft, ndimage

from metamer.evaluation.images import round_trip

BLOCK = 32  # side of the blocks of type 15 [KADID]
BLOCK_VARIANCE = 130.0  # mean squared error of type 15 at all levels: 27 dB, the middle one


def eight_bits(image: np.ndarray) -> np.ndarray:
    return np.rint(image).clip(0, 255).astype(np.uint8)


def _white(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(image.shape, np.float32)


def _unit(noise: np.ndarray) -> np.ndarray:
    return noise / np.sqrt(np.square(noise).mean())


def gaussian_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """White noise of equal ``variance`` in R, G and B, independent of each other."""
    return eight_bits(image + np.sqrt(variance) * _white(image, rng))


def colour_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White noise in BT.601 YCbCr: ``deviation`` in Cb and Cr, half of it in Y; the ratio is a
    guess.
    """
    y, cb, cr = np.moveaxis(_white(image, rng) * deviation * np.float32([0.5, 1, 1]), 2, 0)
    return eight_bits(
        image + np.stack([y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb], 2)
    )


def correlated_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """White noise through a 3×3 mean, brought to ``deviation``; the kernel is a guess."""
    return eight_bits(
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
    return eight_bits(image + deviation * _unit(_white(image, rng) * mask))


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
    return eight_bits(image + deviation * _unit(fft.irfft2(spectrum, image.shape[:2], axes=(0, 1))))


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
    return eight_bits(np.rint(image / step) * step)


def blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur of all channels, ``sigma`` in pixels.

    That a level has one sigma is from [MOS], which sigma is a guess: the mean PSNR asks for 8.6 at
    level 5, a step to which opinions hardly fit.
    """
    return eight_bits(ndimage.gaussian_filter(image.astype(np.float32), (sigma, sigma, 0)))


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
    side, distance = 16, 8
    out = image.copy()
    for _ in range(int(patches)):
        y, x = (rng.integers(distance, length - side - distance + 1) for length in image.shape[:2])
        dy, dx = rng.integers(-distance, distance + 1, 2)
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
    return eight_bits(out)


def mean_shift(image: np.ndarray, offset: float, rng: np.random.Generator) -> np.ndarray:
    """The same ``offset`` on all channels; positive is brighter.

    That signs alternate is from [MOS], held against TID2008's; that odd levels are the darker ones
    is a guess.
    """
    return eight_bits(image + np.float32(offset))


def contrast(image: np.ndarray, change: float, rng: np.random.Generator) -> np.ndarray:
    """Distances from the picture's mean times 1 + ``change``; odd levels lose contrast, even ones
    gain [MOS].
    """
    mean = image.mean(dtype=np.float64)
    return eight_bits(mean + (1 + change) * (image - mean))


def saturation(image: np.ndarray, change: float, rng: np.random.Generator) -> np.ndarray:
    """Cb and Cr times 1 − ``change``, Y kept; beyond 1, colours turn into their opposites. The
    direction is a guess.
    """
    luma = (image @ np.float32([0.299, 0.587, 0.114]))[..., None]
    return eight_bits(luma + (1 - change) * (image - luma))


def multiplicative_noise(
    image: np.ndarray, deviation: float, rng: np.random.Generator
) -> np.ndarray:
    """Every value times its own 1 + ``deviation`` · white noise."""
    return eight_bits(image * (1 + deviation * _white(image, rng)))


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
    out = eight_bits(ndimage.uniform_filter(image.astype(np.float64), (side, side, 0))).astype(
        np.float64
    )
    for channel, way in ((0, shift), (2, -shift)):
        out[..., channel] = (1 - moved) * out[..., channel] + moved * np.roll(
            out[..., channel], way, 1
        )
    return eight_bits(out)
