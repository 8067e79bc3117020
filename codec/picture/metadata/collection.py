"""EXIF and XMP of a picture, collected and kept true of an upright one."""

from PIL import Image

from metamer.codec.errors import ImageError
from metamer.codec.picture.metadata import exif, tiff
from metamer.codec.picture.metadata.exif import PREFIX
from metamer.codec.picture.metadata.packing import LIMIT
from metamer.codec.picture.metadata.xmp import upright_xmp, xmp_orientation


def collect_metadata(image: Image.Image, strip: bool = False) -> tuple[bytes, bytes, int]:
    """Takes EXIF and XMP of a loaded picture, both as of one that orientation upright.

    EXIF keeps its bytes, so that what makers note at offsets of their own stays readable; broken
    EXIF is left out. Pillow turns TIFF itself.

    Args:
        image: The picture.
        strip: Take neither.

    Returns:
        EXIF without its prefix and the XMP packet, each empty if there is none; and the picture's
        orientation, 1 to 8.

    Raises:
        ImageError: One is longer than `LIMIT`.
    """
    exif_data, xmp = (
        _exif(image),
        image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b"",
    )
    xmp = (xmp.encode() if isinstance(xmp, str) else bytes(xmp)).rstrip(b"\0")
    orientation = (
        1 if image.format == "TIFF" else exif.orientation(exif_data) or xmp_orientation(xmp) or 1
    )
    exif_data, xmp = (b"", b"") if strip else (exif.upright(exif_data), upright_xmp(xmp))
    for name, data in (("EXIF", exif_data), ("XMP", xmp)):
        if len(data) > LIMIT:
            raise ImageError(
                f"holds {len(data)} bytes of {name}; at most {LIMIT} are kept: --metadata strip "
                "leaves them out"
            )
    return exif_data, xmp, 1 if image.format == "TIFF" else orientation


def _exif(image: Image.Image) -> bytes:
    given = image.info.get("exif")
    if given:
        return bytes(given).removeprefix(PREFIX)
    try:
        # as ImageMagick writes it into PNG: three lines, then hexadecimal
        profile = image.info.get("Raw profile type exif")
        if profile:
            return bytes.fromhex("".join(profile.split("\n")[3:])).removeprefix(PREFIX)
        if image.format != "TIFF":
            return b""
        tags, chosen = image.getexif(), Image.Exif()
        chosen.update({tag: tags[tag] for tag in tiff.PHOTOGRAPH if tag in tags})
        for directory in (exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY):
            if entries := tags.get_ifd(directory):
                chosen.get_ifd(directory).update(entries)
                chosen[directory] = entries
        return chosen.tobytes().removeprefix(PREFIX) if chosen else b""
    except Exception:  # Pillow's parser raises what it meets: such EXIF is broken
        return b""
