"""The orientation in XMP packets."""

import itertools
import re

PREFIXES = 8  # of XML for one namespace, that are looked at in a packet
# XMP part 1, section 8.3
_NAMESPACE = re.compile(rb"xmlns:([\w.-]+)\s*=\s*[\"']http://ns\.adobe\.com/tiff/1\.0/")


def _orientation_pattern(xmp: bytes) -> re.Pattern[bytes]:
    """What finds the orientation in an XMP packet: what stands before the digit, and the digit.
    Readers look no further.
    """
    names = [match[1] for match in itertools.islice(_NAMESPACE.finditer(xmp), PREFIXES)]
    prefixes = b"|".join(sorted({b"tiff", *map(re.escape, names)}))
    return re.compile(rb"((?:" + prefixes + rb"):Orientation\s*(?:=\s*[\"']|>)\s*)([0-9])")


def xmp_orientation(xmp: bytes) -> int | None:
    match = _orientation_pattern(xmp).search(xmp)
    return int(match[2]) if match and int(match[2]) in range(1, 9) else None


def upright_xmp(xmp: bytes) -> bytes:
    """An XMP packet with every orientation in it set to 1."""
    return _orientation_pattern(xmp).sub(rb"\g<1>1", xmp)
