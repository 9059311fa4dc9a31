"""How much there is to decode in a JPEG, by its markers alone: each scan goes over the whole picture once more.

A scan may be of ten bytes, so that a small file can hold hundreds and take minutes. What a scan is made of is not
looked at: a marker cannot occur in it.
"""

import re
from typing import NamedTuple

_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_START_OF_SCAN, _END = 0xDA, 0xD9
_ARITHMETIC = range(0xC9, 0xD0)
_MOST_PARTS = 100_000


class Scans(NamedTuple):
    number: int
    size: int
    """The bytes up to the end of the picture: there may be other ones behind it."""
    is_arithmetic: bool
    """Its coding needs no bytes to go on, and takes longer for each pixel."""


def scans(data: bytes) -> Scans:
    """Return how much there is to decode. Raises ValueError where there are too many parts to tell."""
    count, at, is_arithmetic = 0, 2, False
    for _ in range(_MOST_PARTS):
        found = _MARKER.search(data, at)
        if not found or found[1][0] == _END:
            return Scans(count, found.end() if found else len(data), is_arithmetic)
        count += found[1][0] == _START_OF_SCAN
        is_arithmetic |= found[1][0] in _ARITHMETIC
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    raise ValueError("it has far too many parts")
