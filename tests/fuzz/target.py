"""What every `.mtm` file is given to, and what must hold.

Nothing but a MetamerError comes out; no input takes long or much memory; what is accepted has one
form only; a damaged file is refused, and salvage never calls it whole. Networks take a thousand
times as long as all that stands before them, so only a share of the inputs goes through them:
which, depends on their bytes alone.
"""

import zlib

import numpy as np

import metamer
from metamer.codec.errors import MetamerError, StreamError
from metamer.codec.format import container, limits
from metamer.codec.format.container import Header, Section
from metamer.codec.grid import Box
from metamer.codec.network import model as models
from metamer.codec.picture.metadata import packing
from metamer.codec.picture.save import find_format, picture_bytes
from metamer.codec.stream import coded_picture, salvage
from metamer.codec.stream.scan import scan_sections
from metamer.codec.stream.sections import decode_transparency, pillow_info
from metamer.entropy.coder import DamagedError, Decoder
from tests.fuzz import mutation
from tests.fuzz.harness import Harness, SilentError

# one in so many inputs has its words and its transparency read, which takes ten times as long as
# the rest
COSTLY = 8
ALPHA_PIXELS = 1 << 20  # larger pictures' transparency is read with the networks' share only
# pixels: pictures up to this many have the whole share, larger ones less in proportion
UNIT = 1 << 12
WORDS = 48  # symbols read from a payload with tables of its own choosing
SUFFIXES = (".png", ".jpg", ".webp", ".tiff", ".ppm", ".bmp")
SUFFIX = ".mtm"  # of files that hold an input
seeds, mutate = mutation.seeds, mutation.mutate


class Target(Harness):
    """Everything that reads a stream."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tables = models.load_model("base", 1).tables

    def check(self, data: bytes, parent: bytes | None) -> int:
        try:
            header, sections = container.unpack(data)
            undamaged = True
        except StreamError:
            undamaged = False
            try:
                header, sections, damage = scan_sections(data)
            except StreamError:
                return 0
            if not (damage or salvage.report_disorder(header, sections)):
                raise SilentError("salvage finds nothing wrong with what is refused") from None
        self.reached["accepted" if undamaged else "salvageable"] += 1
        if undamaged:
            self._one_form(data, header, sections, parent)
        try:
            limits.check_stream_size(header, len(data), None)
            picture = (
                coded_picture.parse_tiles(header, sections)
                if undamaged
                else salvage.salvage_tiles(header, sections)
            )
        except MetamerError:
            return 0
        self.reached["pictures"] += 1
        pixels, chance = header.width * header.height, zlib.crc32(data)
        if chance % COSTLY == 0:
            self._words(picture.payloads[0] or b"")
            self._alpha(header, sections)
        self._metadata(sections)
        if (chance >> 8) / (1 << 24) < self.share * min(1.0, UNIT / pixels):
            self.reached["networks"] += 1
            self.reached["networks, colours turned"] += header.turned
            self._public(data, header, undamaged)
        return pixels

    def _one_form(
        self, data: bytes, header: Header, sections: list[Section], parent: bytes | None
    ) -> None:
        if parent is not None and data != parent:
            _, before = container.unpack(parent)
            if sections[0] != before[0] or not all(section in before for section in sections):
                raise SilentError("a damaged file is accepted")
            # nothing in a file counts them
            self.reached["whole sections lost or repeated, and accepted"] += 1
        repacked = container.pack(header, sections)
        if repacked != data and container.version(repacked) == container.version(data):
            raise SilentError("two files hold the same")

    def _words(self, payload: bytes) -> None:
        tables = np.frombuffer(payload or b"\0", np.uint8) % len(self._tables)
        reader = Decoder(self._tables, payload)
        try:
            for _ in range(2):
                reader.read(np.resize(tables, WORDS))
            self.reached["words read"] += 1
            reader.finish()
        except DamagedError:
            pass

    def _alpha(self, header: Header, sections: list[Section]) -> None:
        if header.width * header.height <= ALPHA_PIXELS:
            try:
                plane = decode_transparency(
                    header, sections, Box(0, 0, header.height, header.width)
                )
                self.reached["alpha decoded"] += plane is not None
            except StreamError:
                self.reached["alpha refused"] += 1

    def _metadata(self, sections: list[Section]) -> None:
        try:
            info = pillow_info(sections)
            self.reached["metadata unpacked"] += bool(info)
            if any(len(value) > packing.LIMIT for value in info.values()):
                raise SilentError("more metadata than the limit")
        except StreamError:
            self.reached["metadata refused"] += 1

    def _public(self, data: bytes, header: Header, undamaged: bool) -> None:
        """The functions that people call."""
        choice = zlib.adler32(data)
        x, y = choice % header.width, choice // 7 % header.height
        region = (
            x,
            y,
            min(header.width - x, 1 + choice % 40),
            min(header.height - y, 1 + choice % 30),
        )
        options = ({}, {"region": region}, {"preview": True}, {"realism": 1.0})[choice // 11 % 4]
        size = region[2:] if "region" in options else (header.width, header.height)
        picture = None
        try:
            metamer.info(data)
            picture = metamer.decode(data, threads=1, **options)
            if not undamaged or picture.size != size:
                raise SilentError("a picture of what is refused, or of another size")
            self.reached["decoded"] += 1
        except MetamerError:
            self.reached["decoding refused"] += 1
        try:
            salvaged = metamer.rescue(data, threads=1, **options)
        except MetamerError:
            if picture is not None:
                raise SilentError("what decodes cannot be salvaged") from None
            return
        self.reached["salvaged"] += 1
        if (picture is None) == (salvaged.damage == ()) or salvaged.picture.size != size:
            raise SilentError("salvage tells otherwise than decoding")
        if picture is not None and salvaged.picture.tobytes() != picture.tobytes():
            raise SilentError("salvage gives another picture than decoding")
        try:
            picture_bytes(
                salvaged.picture, find_format(SUFFIXES[choice // 44 % len(SUFFIXES)]), "white"
            )
            self.reached["written"] += 1
        except MetamerError:
            self.reached["writing refused"] += 1
