"""What a file holds beside the coded picture, transparency and metadata, to sections and back."""

from PIL import Image

from metamer.codec.container import Header, Kind, Section
from metamer.codec.grid import Box
from metamer.codec.picture import alpha, metadata
from metamer.codec.picture.load import Picture

# where Pillow's pictures carry each
INFO: dict[int, str] = {Kind.ICC: "icc_profile", Kind.EXIF: "exif", Kind.XMP: "xmp"}


def extra_sections(picture: Picture) -> list[Section]:
    """The sections of all that ``picture`` has besides pixels, in the order of a file."""
    found = (
        []
        if picture.transparency is None
        else [Section(Kind.ALPHA, alpha.encode_alpha(picture.transparency))]
    )
    carried = {Kind.ICC: picture.icc, Kind.EXIF: picture.exif, Kind.XMP: picture.xmp}
    return found + [
        Section(kind, metadata.pack_metadata(data)) for kind, data in carried.items() if data
    ]


def decode_transparency(header: Header, sections: list[Section], region: Box) -> Image.Image | None:
    """Mode L, of the pixels ``region``; None where the picture is opaque. Raises StreamError."""
    body = next((section.body for section in sections if section.kind == Kind.ALPHA), None)
    return None if body is None else alpha.decode_alpha(body, header.width, header.height, region)


def pillow_info(sections: list[Section]) -> dict[str, bytes]:
    """Metadata under the names that Pillow has for them. Raises StreamError."""
    return {
        INFO[section.kind]: metadata.unpack_metadata(section.body)
        for section in sections
        if section.kind in INFO
    }


def attach_extras(
    picture: Image.Image, transparency: Image.Image | None, info: dict[str, bytes]
) -> Image.Image:
    """The decoded picture with its transparency and metadata; changes ``picture``."""
    if transparency is not None:
        picture.putalpha(transparency)
    picture.info.update(info)
    return picture
