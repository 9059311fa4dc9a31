"""How much there is to decode in a JPEG, by its markers alone: each scan goes over the whole picture once more.

A scan may be of ten bytes, so that a small file can hold hundreds and take minutes. What a scan is made of is not
looked at: a marker cannot occur in it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_START_OF_SCAN, _END = 0xDA, 0xD9
_ARITHMETIC = range(0xC9, 0xD0)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
_MOST_PARTS = 100_000


class Scans(NamedTuple):
    number: int
    size: int
    """The bytes up to the end of the picture: there may be other ones behind it."""
    is_arithmetic: bool
    """Its coding needs no bytes to go on, and takes longer for each pixel."""


def scans(data: bytes) -> Scans:
    """Return how much there is to decode. Raises ValueError where there are too many parts to tell."""
    count, size, is_arithmetic = 0, len(data), False
    for marker, at in _segments(data):
        count += marker == _START_OF_SCAN
        is_arithmetic |= marker in _ARITHMETIC
        if marker == _END:
            size = at
    return Scans(count, size, is_arithmetic)


def is_lossless(data: bytes) -> bool:
    """Return whether a JPEG is one without loss, which cannot be decoded in a fraction of its size."""
    return next((marker for marker, _ in _segments(data) if marker in _FRAMES), 0) in _LOSSLESS


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker, and where what follows it begins, up to the end of the picture. Raises ValueError where they are too many."""
    at = 2
    for _ in range(_MOST_PARTS):
        found = _MARKER.search(data, at)
        if not found:
            return
        yield found[1][0], found.end()
        if found[1][0] == _END:
            return
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    raise ValueError("it has far too many parts")
