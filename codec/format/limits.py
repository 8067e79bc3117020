"""How large a picture may be before memory is taken for it. Callers who know better raise
``max_pixels``.
"""

from metamer.codec.errors import ImageError, StreamError
from metamer.codec.format.container import Header

# where Pillow takes a picture for a bomb: the PNG that a larger one decodes to would not open again
MAX_PIXELS = 178_956_970
# what is coded in one piece, in version 1 and 2; decoding takes 28 bytes a pixel
MAX_UNTILED = 24 << 20
# plain colour at the lowest quality, all in one, comes to a fifteenth of this
PIXELS_A_BYTE = 1 << 14
PIXELS_A_BYTE_OVERLAID = 1 << 17  # of plain colour without loss: 2²² pixels in some 50 bytes
ALWAYS = 1 << 20  # pixels that any number of bytes may declare


def check_picture_size(width: int, height: int, max_pixels: int | None) -> None:
    """Checks that a picture is not too large to be encoded.

    Args:
        width: Pixels.
        height: Pixels.
        max_pixels: How many it may have; None for `MAX_PIXELS`.

    Raises:
        ImageError: It has more.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if width * height > limit:
        raise ImageError(
            f"has {width * height} pixels; at most {limit} are coded unless max-pixels says more"
        )


def check_stream_size(header: Header, size: int, max_pixels: int | None) -> None:
    """Checks that a file does not declare more pixels than should be decoded.

    Args:
        header: The file's.
        size: The file's, in bytes.
        max_pixels: How many it may declare; None for `MAX_PIXELS`, and no more than ``size`` makes
            plausible. A number alone decides.

    Raises:
        StreamError: It declares more.
    """
    count, declares = (
        header.width * header.height,
        f"declares {header.width}x{header.height} pixels",
    )
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if count > limit:
        raise StreamError(f"{declares}; at most {limit} are decoded unless max-pixels says more")
    if max_pixels is not None:
        return
    if not header.tiled and count > MAX_UNTILED:
        raise StreamError(
            f"{declares} in one piece; at most {MAX_UNTILED} are decoded unless max-pixels says "
            "more"
        )
    if count > max(ALWAYS, (PIXELS_A_BYTE_OVERLAID if header.overlaid else PIXELS_A_BYTE) * size):
        raise StreamError(
            f"{declares} in {size} bytes, which looks like a trap; max-pixels lets it be decoded"
        )
