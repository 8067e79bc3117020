"""What every input is given to, and what must hold.

Nothing but a MetamerError comes out; no input takes long or much memory; what is accepted has one form only; a damaged file is
refused, and salvage never calls it whole. Networks take a thousand times as long as all that stands before them, so only a
share of the inputs goes through them: which, depends on their bytes alone.
"""

import resource
import time
import traceback
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

import codec
from codec import auxiliary, container, decoding, limits, metadata, outputs, salvage
from codec import model as models
from codec.container import Header, Section
from codec.errors import MetamerError, StreamError
from codec.tiles import Box
from entropy.coder import DamagedError, Decoder

SECONDS, SECONDS_A_PIXEL = 2.0, 8e-6  # by the clock, for what is not pictures, and for each pixel declared
MEMORY = 2 << 30  # bytes of addresses that all inputs together may add to the process; above it allocations fail
COSTLY = 8  # one in so many inputs has its words and its transparency read, which takes ten times as long as the rest
ALPHA_PIXELS = 1 << 20  # larger pictures' transparency is read with the networks' share only
UNIT = 1 << 12  # pixels: pictures up to this many have the whole share, larger ones less in proportion
WORDS = 48  # symbols read from a payload with tables of its own choosing
SUFFIXES = (".png", ".jpg", ".webp", ".tiff", ".ppm", ".bmp")


class SilentError(AssertionError):
    """Something wrong was taken for right."""


@dataclass
class Target:
    """share: of the inputs that have a picture, how many go through the networks.

    reached: how many inputs came to each stage; failures: input and traceback by where it was raised; longest: seconds by
    the clock, as processor time takes as long to ask for as an input does, and the input; what seems too long is run again,
    by processor time.
    """

    share: float = 1 / 256
    reached: Counter = field(default_factory=Counter)
    failures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    longest: tuple[float, bytes] = (0.0, b"")
    longest_without: float = 0.0  # networks
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        warnings.simplefilter("error")  # a command would print them
        self._tables = models.load("base", 1).tables

    def __call__(self, data: bytes, parent: bytes | None = None) -> None:
        """parent: the good file that ``data`` is damaged from."""
        begin, deep = time.perf_counter(), self.reached["networks"]
        self.reached["inputs"] += 1
        self.reached["damaged, checksums as they were"] += parent is not None and data != parent
        try:
            pixels = self._check(data, parent)
            seconds, limit = time.perf_counter() - begin, SECONDS + SECONDS_A_PIXEL * pixels
            if seconds > limit:  # others may have had the core meanwhile
                again = time.process_time()
                self._check(data, parent)
                seconds = time.process_time() - again
            self._note(seconds, data, self.reached["networks"] > deep)
            if seconds > limit:
                raise TimeoutError(f"{seconds:.1f} s for {pixels} pixels")
        except Exception as problem:
            last = traceback.extract_tb(problem.__traceback__)[-1]
            place = f"{type(problem).__name__} at {last.filename.rsplit('/', 2)[-1]}:{last.lineno} {last.name}"
            self.reached["failures"] += 1
            self.failures.setdefault(place, (data, traceback.format_exc()))

    def _note(self, seconds: float, data: bytes, deep: bool) -> None:
        self.longest = max(self.longest, (seconds, data))
        if not deep:
            self.longest_without = max(self.longest_without, seconds)

    def _check(self, data: bytes, parent: bytes | None) -> int:
        try:
            header, sections = container.unpack(data)
            whole = True
        except StreamError:
            whole = False
            try:
                header, sections, damage = salvage.sections(data)
            except StreamError:
                return 0
            if not (damage or salvage.disorder(header, sections)):
                raise SilentError("salvage finds nothing wrong with what is refused") from None
        self.reached["accepted" if whole else "salvageable"] += 1
        if whole:
            self._one_form(data, header, sections, parent)
        try:
            limits.check_stream(header, len(data), None)
            picture = decoding.coded(header, sections) if whole else salvage.coded(header, sections)
        except MetamerError:
            return 0
        self.reached["pictures"] += 1
        pixels, drawn = header.width * header.height, zlib.crc32(data)
        if drawn % COSTLY == 0:
            self._words(picture.payloads[0] or b"")
            self._alpha(header, sections)
        self._metadata(sections)
        if (drawn >> 8) / (1 << 24) < self.share * min(1.0, UNIT / pixels):
            self.reached["networks"] += 1
            self.reached["networks, colours turned"] += header.turned
            self._public(data, header, whole)
        return pixels

    def _one_form(self, data: bytes, header: Header, sections: list[Section], parent: bytes | None) -> None:
        if parent is not None and data != parent:
            _, before = container.unpack(parent)
            if sections[0] != before[0] or not all(section in before for section in sections):
                raise SilentError("a damaged file is accepted")
            self.reached["whole sections lost or repeated, and accepted"] += 1  # nothing in a file counts them
        again = container.pack(header, sections)
        if again != data and container.version(again) == container.version(data):
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
                plane = auxiliary.transparency(header, sections, Box(0, 0, header.height, header.width))
                self.reached["alpha decoded"] += plane is not None
            except StreamError:
                self.reached["alpha refused"] += 1

    def _metadata(self, sections: list[Section]) -> None:
        try:
            found = auxiliary.info(sections)
            self.reached["metadata unpacked"] += bool(found)
            if any(len(value) > metadata.LIMIT for value in found.values()):
                raise SilentError("more metadata than the limit")
        except StreamError:
            self.reached["metadata refused"] += 1

    def _public(self, data: bytes, header: Header, whole: bool) -> None:
        """The functions that people call."""
        choice = zlib.adler32(data)
        x, y = choice % header.width, choice // 7 % header.height
        region = (x, y, min(header.width - x, 1 + choice % 40), min(header.height - y, 1 + choice % 30))
        options = ({}, {"region": region}, {"preview": True}, {"realism": 1.0})[choice // 11 % 4]
        size = region[2:] if "region" in options else (header.width, header.height)
        picture = None
        try:
            codec.info(data)
            picture = codec.decode(data, threads=1, **options)
            if not whole or picture.size != size:
                raise SilentError("a picture of what is refused, or of another size")
            self.reached["decoded"] += 1
        except MetamerError:
            self.reached["decoding refused"] += 1
        try:
            salvaged = codec.rescue(data, threads=1, **options)
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
            outputs.to_bytes(salvaged.picture, outputs.find(SUFFIXES[choice // 44 % len(SUFFIXES)]), "white")
            self.reached["written"] += 1
        except MetamerError:
            self.reached["writing refused"] += 1

    def report(self) -> dict:
        """Figures as plain numbers."""
        seconds = time.perf_counter() - self.started
        return {
            **self.reached,
            "seconds": round(seconds, 1), "inputs a second": round(self.reached["inputs"] / seconds, 1),
            "longest input, seconds": round(self.longest[0], 3),
            "longest without networks, seconds": round(self.longest_without, 3),
            "peak memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
            "distinct failures": len(self.failures),
        }


def warm(target: Target, files: list[bytes]) -> int:
    """Loads all that is loaded once, and then limits memory to `MEMORY` more. Returns what the process holds, in kB."""
    share, target.share = target.share, 1e9
    for data in files:
        target(data)
    target.share = share
    target.reached.clear()
    target.longest, target.longest_without, target.started = (0.0, b""), 0.0, time.perf_counter()
    with open("/proc/self/statm") as status:
        taken = int(status.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
