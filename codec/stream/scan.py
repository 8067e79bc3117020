"""What is still whole in a damaged file: its header and its sections.

Version 2 has a checksum for each section, and a tile's section says which tile it is. Behind a
damaged section the next one is looked for where its length says, failing that at any byte. Version
1 has one checksum for all.
"""

import contextlib
from collections.abc import Iterator

from metamer.codec.errors import StreamError
from metamer.codec.format import container
from metamer.codec.format.container import ANCILLARY, HEADER_BYTES, Header, Kind, Section
from metamer.codec.stream.coded_picture import TILE_NUMBER, tile_boxes, unpack_overlay

# sections that a file may have besides its tiles; what more there are is not looked at
OTHERS = 1 << 8
SEARCH = 1 << 30  # bytes that are summed at most in search of whole sections: about a second
# bytes that could be summed in the time that it takes to look at a candidate at all
TRIED = 1 << 12
_KINDS = frozenset(Kind)


def scan_sections(data: bytes) -> tuple[Header, list[Section], list[str]]:
    """Reads what is whole of a damaged file.

    Args:
        data: The file.

    Returns:
        Header, whole sections, and a line for all that is wrong with the rest. Of a damaged picture
        in one piece there is a section too, though nothing tells what of it is right.

    Raises:
        StreamError: The header is damaged, or nothing of the picture is left.
    """
    header = container.read_header(data)
    if container.version(data) == 1:
        return (
            header,
            [Section(Kind.PICTURE, data[HEADER_BYTES:])],
            [
                "its one checksum does not match, so nothing tells which parts of the picture are "
                "right"
            ],
        )
    sections: list[Section] = []
    damage: list[str] = []
    end, finished = HEADER_BYTES, False
    tiles = len(tile_boxes(header))
    most = tiles * (1 + header.overlaid) + OTHERS
    for place, after, section, last in _whole(data, tiles):
        if place > end:
            damage.append(f"bytes {end} to {place - 1} are damaged")
        if section.kind < ANCILLARY and section.kind not in list(Kind):
            raise StreamError(
                f"uses features (section {section.kind}) that this program does not know"
            )
        sections.append(section)
        end, finished = after, last
        if last:
            break
        if len(sections) == most:
            damage.append(
                "it has more sections than a picture of its size needs; those behind the first "
                f"{most} are left out"
            )
            finished, end = True, len(data)
            break
    if not finished:
        damage.append(
            f"bytes {end} to {len(data) - 1} are damaged, or cut off"
            if end < len(data)
            else "its end is cut off"
        )
    elif end < len(data):
        damage.append(f"{len(data) - end} bytes follow its last section")
    if not header.tiled and not any(_holds_everything(header, one) for one in sections):
        sections.insert(0, _damaged_picture(data, header))
        damage.append("its picture is damaged, and nothing tells which parts are right")
    return header, sections, damage


def _damaged_picture(data: bytes, header: Header) -> Section:
    """The first section, which should hold a picture in one piece. Raises StreamError."""
    nothing = "is damaged where its picture begins; nothing of it can be salvaged"
    try:
        container.read_section(data, HEADER_BYTES)
    except StreamError:
        whole = False
    else:
        whole = True
    if whole and not header.overlaid:
        raise StreamError("is not as the format has it: it holds no picture")
    try:
        kind, start, end = container.read_start(data, HEADER_BYTES)
    except StreamError:
        raise StreamError(nothing) from None
    if header.overlaid and kind & ~container.LAST != Kind.PICTURE:
        raise StreamError(nothing)
    return Section(Kind.PICTURE, data[start:end])


def _holds_everything(header: Header, section: Section) -> bool:
    """Whether a section shows all of a picture in one piece, for better or worse."""
    if section.kind != Kind.OVERLAY:
        return section.kind == Kind.PICTURE
    with contextlib.suppress(StreamError):
        return unpack_overlay(header, tile_boxes(header), section.body)[1].whole
    return False


def _whole(data: bytes, tiles: int) -> Iterator[tuple[int, int, Section, bool]]:
    """(where it begins, where it ends, section, whether it is the last) for all whole sections, in
    order.

    Behind a damaged one: where it says that the next begins, and the next; failing that, at any
    byte.
    """
    place: int | None = HEADER_BYTES
    budget = SEARCH
    while place is not None and place < len(data):
        try:
            section, last, end = container.read_section(data, place)
        except StreamError:
            damaged = place
            for candidates in (_following(data, damaged), _plausible(data, damaged, tiles)):
                place, budget = _first_whole(data, candidates, budget)
                if place is not None:
                    break
        else:
            yield place, end, section, last
            place = end


def _first_whole(
    data: bytes, candidates: Iterator[tuple[int, int]], budget: int
) -> tuple[int | None, int]:
    """Where the first whole section begins, None if nowhere, and how much is left of ``budget``."""
    for place, cost in candidates:
        budget -= TRIED + cost
        if budget < 0:
            break
        with contextlib.suppress(StreamError):
            container.read_section(data, place)
            return place, budget
    return None, budget


def _following(data: bytes, place: int) -> Iterator[tuple[int, int]]:
    """Where sections begin behind a damaged one, if lengths are right, and how many bytes to sum to
    see.
    """
    with contextlib.suppress(StreamError):
        while True:
            _, _, place = container.read_start(data, place)
            if place >= len(data):
                return
            _, _, end = container.read_start(data, place)
            yield place, min(end, len(data)) - place


def _plausible(data: bytes, place: int, tiles: int) -> Iterator[tuple[int, int]]:
    """Where a section might begin, going by its first bytes, and how many bytes to sum to see."""
    for begin in range(place + 1, len(data)):
        if data[begin] & ~container.LAST not in _KINDS:
            continue
        try:
            kind, start, end = container.read_start(data, begin)
        except StreamError:
            continue
        tile = int.from_bytes(data[start : start + TILE_NUMBER.size], "little")
        if end <= len(data) and (kind & ~container.LAST != Kind.PICTURE or tile < tiles):
            yield begin, end - begin
