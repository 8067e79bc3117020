"""Pictures to `.mtm` files: read, analyse, choose a form for every tile, code, write."""

from collections.abc import Mapping

from metamer.codec.encoder.encoding import Encoding, model_for, write_picture
from metamer.codec.encoder.metric_target import Target
from metamer.codec.network.colour_axes import choose_turn
from metamer.codec.options import EncodeOptions, Progress, quality_index
from metamer.codec.picture.load import Source, read_source
from metamer.entropy.coder import Meter


def encode(
    image: Source,
    quality: float = 50.0,
    *,
    lossless: bool | None = None,
    max_bytes: int | None = None,
    bpp: float | None = None,
    target: Mapping[str, float] | None = None,
    model: str = "base",
    tile: bool = False,
    max_pixels: int | None = None,
    threads: int = 0,
    icc: str = "convert",
    metadata: str = "keep",
    first_frame: bool = False,
    alpha_quality: int = 100,
    effort: int = 0,
    distortion: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encodes a picture.

    What the bytes decode to is the same on every machine and for every number of threads. The bytes
    themselves have not depended on threads so far either (tests/codec/system/test_jobs.py), though
    the analysis network is floating point; with effort they may differ between machines.

    Args:
        image: A PIL image; a uint8 array (H, W), (H, W, 3) or (H, W, 4); the path of a picture
            file, its bytes, or the file opened for reading bytes. Grey pictures are coded as grey.
        quality: 0 (smallest) … 100 (best).
        lossless: True keeps every visible pixel as it is, whatever the quality. By default what is
            drawn rather than photographed is kept so, tile by tile, where that is the better trade
            (`codec.encoder.mode_decision.choice`). False leaves everything to the networks.
        max_bytes: Take the highest quality that fits into so many bytes, instead of ``quality``.
        bpp: The same in bits a pixel of the whole file.
        target: A metric and a value, as {"psnr": 38}: take the smallest file whose decoded picture
            reaches it, instead of ``quality``. `metamer metrics list` has the metrics; all but
            `psnr` need the extra `perception`.
        model: A shipped model's name, or the path of a model file.
        tile: Code tiles of 1024 × 1024 pixels apart, each with a checksum, so that parts can be
            decoded and damage stays where it is. Pictures of more than
            `codec.encoder.encoding.TILED_ABOVE` pixels always are.
        max_pixels: How many pixels the picture may have; by default
            `codec.format.limits.MAX_PIXELS`.
        threads: 0 for every core.
        icc: ``convert`` colours to sRGB, or ``keep`` them as they are, with their profile.
        metadata: ``keep`` or ``strip`` EXIF and XMP.
        first_frame: Take the first frame or page of several, instead of refusing them.
        alpha_quality: 100 codes transparency without loss; less, down to 0, with fewer levels.
        effort: 0 … 9, time spent on a better trade of bits against error, of which decoders need
            not know (`codec.encoder.effort`); above 3 it takes PyTorch.
        distortion: What error is to ``effort``, as positive weights of distances of
            `metamer.perception`; by default what the model was trained on.
        progress: Called after each step of ``effort``.

    Returns:
        The bytes of a `.mtm` file.

    Raises:
        ImageError: The picture cannot be read, does not fit into ``max_bytes`` or ``bpp``, or does
            not reach ``target``.
        ModelError: The model cannot be loaded, or does not know the distortion.
        ValueError: An option is out of its range, or ``distortion`` is given without ``effort``.
        ImportError: ``effort`` needs the extra `train`, or ``target`` the extra `perception`, which
            is not installed.

    Examples:
        >>> from PIL import Image
        >>> picture = Image.radial_gradient("L")  # 256x256
        >>> len(encode(picture, 10)) < len(encode(picture, 90))
        True
        >>> len(encode(picture, max_bytes=500)) <= 500
        True
    """
    options = EncodeOptions(
        quality,
        lossless=lossless,
        max_bytes=max_bytes,
        bpp=bpp,
        target=target,
        model=model,
        tile=tile,
        max_pixels=max_pixels,
        threads=threads,
        icc=icc,
        metadata=metadata,
        first_frame=first_frame,
        alpha_quality=alpha_quality,
        effort=effort,
        distortion=distortion,
        progress=progress,
    )
    goal = None if target is None else Target.of(target)
    encoding = Encoding.of(image, options)
    limit = options.byte_limit(encoding.picture.image.width * encoding.picture.image.height)
    if lossless:
        return encoding.lossless_file()
    if goal:
        return encoding.file_reaching(goal, options)
    if limit is None:
        return encoding.refined_file(quality_index(quality))
    return encoding.file_within(limit)


def cross_entropy(
    image: Source, quality: float = 50.0, *, model: str = "base", threads: int = 0
) -> float:
    """The information content of a picture, as the model's tables have it.

    Args:
        image: As for `encode`.
        quality: 0 … 100.
        model: A shipped model's name, or the path of a model file.
        threads: 0 for every core.

    Returns:
        Bits; a file that is left to the networks exceeds them by header and rounding alone.

    Raises:
        ImageError: The picture cannot be read.
        ModelError: The model cannot be loaded.
        ValueError: The quality is out of its range.

    Examples:
        >>> from PIL import Image
        >>> picture = Image.radial_gradient("L")
        >>> cross_entropy(picture, 10) < cross_entropy(picture, 90)
        True
    """
    index, picture = quality_index(quality), read_source(image).image
    network = model_for(picture, model, threads)
    meter = Meter(network.tables)
    write_picture(picture, index, network, meter, choose_turn(picture))
    return meter.bits
