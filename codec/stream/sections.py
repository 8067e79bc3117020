"""What a file holds besides the coded picture: transparency, colour profile, EXIF and XMP."""

from PIL import Image

from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.grid import Box
from metamer.codec.picture import alpha
from metamer.codec.picture.load import Picture
from metamer.codec.picture.metadata import packing

# where Pillow's pictures carry each
INFO: dict[int, str] = {Kind.ICC: "icc_profile", Kind.EXIF: "exif", Kind.XMP: "xmp"}


def extra_sections(picture: Picture) -> list[Section]:
    """Packs what a picture has besides pixels.

    Args:
        picture: The picture.

    Returns:
        Sections, in the order of a file.
    """
    sections = (
        []
        if picture.transparency is None
        else [Section(Kind.ALPHA, alpha.encode_alpha(picture.transparency))]
    )
    carried = {Kind.ICC: picture.icc, Kind.EXIF: picture.exif, Kind.XMP: picture.xmp}
    return sections + [
        Section(kind, packing.pack_metadata(data)) for kind, data in carried.items() if data
    ]


def decode_transparency(header: Header, sections: list[Section], region: Box) -> Image.Image | None:
    """Decodes a picture's transparency.

    Args:
        header: The file's.
        sections: All of the file.
        region: Which of its pixels.

    Returns:
        Mode L, 255 for opaque; None where no section holds any.

    Raises:
        StreamError: It is damaged.
    """
    body = next((section.body for section in sections if section.kind == Kind.ALPHA), None)
    return None if body is None else alpha.decode_alpha(body, header.width, header.height, region)


def pillow_info(sections: list[Section]) -> dict[str, bytes]:
    """Unpacks metadata.

    Args:
        sections: Of a file.

    Returns:
        What there is of it, under Pillow's names: `icc_profile`, `exif`, `xmp`.

    Raises:
        StreamError: It is damaged.
    """
    return {
        INFO[section.kind]: packing.unpack_metadata(section.body)
        for section in sections
        if section.kind in INFO
    }


def attach_extras(
    picture: Image.Image, transparency: Image.Image | None, info: dict[str, bytes]
) -> Image.Image:
    """Gives a decoded picture its transparency and metadata.

    Args:
        picture: Mode L or RGB; it is changed.
        transparency: Mode L, of the same size, if there is any.
        info: Of `pillow_info`.

    Returns:
        ``picture``.
    """
    if transparency is not None:
        picture.putalpha(transparency)
    picture.info.update(info)
    return picture
