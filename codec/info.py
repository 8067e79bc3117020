"""What a `.mtm` file says of itself, and what is installed for it."""

from collections import Counter
from dataclasses import dataclass, field

from metamer.codec.decode import File, read_stream
from metamer.codec.format import container
from metamer.codec.format.container import Header, Kind
from metamer.codec.network.decoders import shipped_decoders
from metamer.codec.network.model import model_ids, shipped_models
from metamer.codec.options import MAX_QUALITY, QUALITIES
from metamer.codec.stream.coded_picture import parse_tiles

NETWORKS, LOSSLESS = "networks", "lossless"  # in `Info.forms`


@dataclass(frozen=True)
class Info:
    """What a file says of itself, and what is installed for it.

    Attributes:
        width: Pixels.
        height: Pixels.
        quality: 0 … 100.
        model: The name of the installed model; None where it is not installed, or none is needed.
        model_id: Eight hexadecimal digits.
        version: Of the format.
        bytes: The file's size.
        tiles: How many there are; 0 for a picture in one piece.
        decoders: Names that `decode` takes, besides the model's own decoder.
        grey: Whether the picture has one plane.
        sections: Bytes of what there is of `alpha`, `icc`, `exif` and `xmp`.
        forms: How many tiles are coded how, a picture in one piece being one tile: `networks`
            alone, `blocks` (some of the tile without loss), `residual` (networks, and what they
            lack), `lossless`.
    """

    width: int
    height: int
    quality: float
    model: str | None
    model_id: str
    version: int
    bytes: int
    tiles: int
    decoders: tuple[str, ...] = ()
    grey: bool = False
    sections: dict[str, int] = field(default_factory=dict)
    forms: dict[str, int] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Whether every visible pixel is as it was, and no model is needed."""
        return set(self.forms) == {LOSSLESS}

    @property
    def bpp(self) -> float:
        """Bits a pixel of the whole file."""
        return 8 * self.bytes / (self.width * self.height)


def info(data: File) -> Info:
    """Reads a file's header and verifies all checksums, and that all tiles are there.

    Args:
        data: The bytes of a `.mtm` file, its path, or the file opened for reading bytes.

    Returns:
        What the file holds.

    Raises:
        FileError: The file cannot be read.
        StreamError: The file is damaged, or not a `.mtm` file.

    Examples:
        >>> from PIL import Image
        >>> from metamer.codec.encode import encode
        >>> found = info(encode(Image.new("RGB", (64, 48), "navy"), 30, lossless=False))
        >>> found.width, found.height, found.quality, found.model
        (64, 48, 29.8, 'base')
    """
    data = read_stream(data)
    header, sections = container.unpack(data)
    coded = parse_tiles(header, sections)
    forms = Counter(
        NETWORKS if overlay is None else LOSSLESS if overlay.whole else overlay.form.name.lower()
        for overlay in coded.overlays
    )
    name, networks = _installed(header)
    return Info(
        width=header.width,
        height=header.height,
        quality=round(header.quality * MAX_QUALITY / (QUALITIES - 1), 1),
        model=name,
        model_id=header.model_id.hex(),
        version=container.version(data),
        bytes=len(data),
        tiles=len(coded.tiles) if header.tiled else 0,
        decoders=tuple(d.name for d in shipped_decoders() if d.decodes == networks),
        grey=header.grey,
        sections={
            Kind(section.kind).name.lower(): len(section.body)
            for section in sections
            if Kind.PICTURE < section.kind <= Kind.XMP
        },
        forms=dict(forms),
    )


def _installed(header: Header) -> tuple[str | None, bytes]:
    """The shipped model that a file names, None if there is none, and what decoders call it."""
    for path in shipped_models():
        ids = model_ids(path.stem)
        if ids[header.grey] == header.model_id:
            return path.stem, ids[0]
    return None, header.model_id
