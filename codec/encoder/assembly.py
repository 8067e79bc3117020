"""Tiles in their chosen forms to the header and sections of a file."""

from dataclasses import replace

from metamer.codec.encoder.mode_decision.choice import Choice
from metamer.codec.encoder.tiled_picture import TiledPicture
from metamer.codec.format.container import NO_MODEL, Header, Kind, Section
from metamer.codec.stream.coded_picture import pack_overlay, pack_tile
from metamer.codec.stream.overlays import Form, Overlay


def assemble(
    picture: TiledPicture, choices: list[Choice], index: int, extras: list[Section]
) -> tuple[Header, list[Section]]:
    """Puts a file together.

    Args:
        picture: The picture.
        choices: The form of each tile.
        index: The quality, 0 … 255.
        extras: The sections besides the picture's.

    Returns:
        Header and sections, as `container.pack` takes them.
    """
    overlays = [choice.overlay for choice in choices]
    header = replace(picture.header, quality=index, overlaid=any(overlays))
    if all(choice.words is None for choice in choices):
        return _without_networks(picture, [one for one in overlays if one], header, extras)
    header = replace(header, turned=picture.turn is not None)
    pictures = [
        Section(Kind.PICTURE, pack_tile(header, number, picture.turn, choice.words))
        for number, choice in enumerate(choices)
        if choice.words is not None
    ]
    return header, [*pictures, *extras, *_sections(header, overlays)]


def assemble_lossless(
    picture: TiledPicture, index: int, extras: list[Section]
) -> tuple[Header, list[Section]]:
    """`assemble` of all tiles without loss."""
    header = replace(picture.header, quality=index, overlaid=True)
    overlays = [tile.whole() for tile in picture.tiles]
    return _without_networks(picture, overlays, header, extras)


def _without_networks(
    picture: TiledPicture, overlays: list[Overlay], header: Header, extras: list[Section]
) -> tuple[Header, list[Section]]:
    """Opacity is held with the colours where that takes fewer bytes."""
    header = replace(header, model_id=NO_MODEL)
    opaque = [section for section in extras if section.kind != Kind.ALPHA]
    if picture.opacity is None:
        return header, [*opaque, *_sections(header, overlays)]
    pairs = list(zip(picture.tiles, overlays, strict=True))
    apart = [one if one.form == Form.WHOLE else tile.whole() for tile, one in pairs]
    together = [
        one if one.form == Form.WITH_OPACITY else tile.with_opacity() for tile, one in pairs
    ]
    if _bytes(together) < _bytes(apart) + picture.alpha_bytes:
        return header, [*opaque, *_sections(header, together)]
    return header, [*extras, *_sections(header, apart)]


def _bytes(overlays: list[Overlay]) -> int:
    return sum(len(overlay.data) for overlay in overlays)


def _sections(header: Header, overlays: list[Overlay | None] | list[Overlay]) -> list[Section]:
    return [
        Section(Kind.OVERLAY, pack_overlay(header, number, overlay))
        for number, overlay in enumerate(overlays)
        if overlay is not None
    ]
