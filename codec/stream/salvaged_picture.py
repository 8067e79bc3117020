"""The picture of a damaged file: what can be read is painted, lost tiles are crossed out."""

from dataclasses import dataclass

from PIL import Image, ImageColor, ImageDraw

from metamer.codec.errors import StreamError
from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.grid import STRIDE, Box
from metamer.codec.stream import overlays
from metamer.codec.stream.coded_picture import (
    CodedPicture,
)
from metamer.codec.stream.sections import attach_extras, decode_transparency, pillow_info

GREY, CROSS = "#808080", "#606060"


@dataclass(frozen=True)
class Salvaged:
    """A picture, and what is wrong with it.

    Attributes:
        picture: As `decode` gives it, with lost tiles crossed out.
        damage: A line for each damage; none for a whole file.
        lost: Tiles that cannot be decoded, (x, y, width, height) in pixels of the whole picture
            each; those that meet the region are crossed out.
    """

    picture: Image.Image
    damage: tuple[str, ...]
    lost: tuple[tuple[int, int, int, int], ...] = ()


def paint_salvaged(
    picture: CodedPicture, area: Box, image: Image.Image, lost: set[int], damage: list[str]
) -> Image.Image | None:
    """Puts those overlays that can be read into a decoded picture.

    Args:
        picture: The picture as coded.
        area: The pixels that ``image`` shows.
        image: Mode L or RGB; it is changed.
        lost: Numbers of lost tiles; those whose overlay is all there was are added.
        damage: A line is added for each overlay that cannot be read.

    Returns:
        The opacity of these pixels, mode L, if overlays hold it.
    """
    opacity = None
    for number, overlay in enumerate(picture.overlays):
        if overlay is not None and number not in lost and picture.area(number).meets(area):
            try:
                opacity = overlays.paint_overlay(
                    overlay, picture.area(number), area, image, opacity
                )
            except StreamError as problem:
                damage.append(
                    f"what tile {number} holds besides the networks' picture is lost: it {problem}"
                )
                if overlay.whole:
                    lost.add(number)
    return opacity


def attach_salvaged(
    picture: Image.Image,
    header: Header,
    sections: list[Section],
    area: Box,
    damage: list[str],
    transparency: Image.Image | None = None,
) -> Image.Image:
    """Gives a decoded picture what can be read of its transparency and metadata.

    Args:
        picture: The picture; it is changed.
        header: The file's.
        sections: Those that are whole.
        area: The pixels that ``picture`` shows.
        damage: A line is added for all that cannot be read.
        transparency: Of overlays, if there is any.

    Returns:
        ``picture``.
    """
    info: dict[str, bytes] = {}
    try:
        transparency = transparency or decode_transparency(header, sections, area)
    except StreamError as problem:
        damage.append(f"its transparency is lost: it {problem}")
    # the first of each kind
    for section in {section.kind: section for section in reversed(sections)}.values():
        try:
            info |= pillow_info([section])
        except StreamError as problem:
            damage.append(f"its {Kind(section.kind).name} is lost: it {problem}")
    return attach_extras(picture, transparency, info)


def mark_lost(
    picture: Image.Image, area: Box, tiles: CodedPicture, lost: set[int], damage: list[str]
) -> Salvaged:
    """Crosses lost tiles out, and reports.

    Args:
        picture: The decoded picture; it is changed.
        area: The pixels that it shows.
        tiles: The picture as coded.
        lost: Numbers of the lost tiles.
        damage: What is wrong besides.
    """
    whole, parts, lines = Box(0, 0, tiles.header.height, tiles.header.width), [], []
    for number in sorted(lost):
        box = tiles.tiles[number].scaled(STRIDE).grown(0, 0, whole)
        if box.meets(area):
            cross_out(picture, box, area)
        parts.append((box.left, box.top, box.width, box.height))
        lines.append(
            f"tile {number} is lost: {box.width}x{box.height} pixels at {box.left},{box.top}"
        )
    return Salvaged(picture, (*damage, *lines), tuple(parts))


def cross_out(picture: Image.Image, box: Box, area: Box) -> None:
    """Makes a part of a picture flat grey with a cross.

    Args:
        picture: The picture; it is changed.
        box: The part, in pixels.
        area: The pixels that ``picture`` shows.
    """
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = (
        box.left - area.left,
        box.top - area.top,
        box.right - area.left - 1,
        box.bottom - area.top - 1,
    )
    width = max(1, min(box.width, box.height) // 64)
    # opaque, of the picture's mode
    flat, cross = (ImageColor.getcolor(colour, picture.mode) for colour in (GREY, CROSS))
    draw.rectangle((left, top, right, bottom), flat)
    draw.line((left, top, right, bottom), cross, width)
    draw.line((left, bottom, right, top), cross, width)
