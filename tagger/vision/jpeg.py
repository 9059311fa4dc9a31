"""How much there is to decode in a JPEG, by its markers alone: each scan goes over the whole picture once more.

A scan may be of ten bytes, so that a small file can hold hundreds and take minutes. What a scan is made of is not
looked at: a marker cannot occur in it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_START_OF_SCAN, _END = 0xDA, 0xD9
_END_OF_IMAGE = bytes((0xFF, _END))
_ARITHMETIC = range(0xC9, 0xD0)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE, _LOSSLESS = (0xC2, 0xC6, 0xCA, 0xCE), (0xC3, 0xC7, 0xCB, 0xCF)
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


def has_end(data: bytes) -> bool:
    """Return whether a JPEG's pixels have an end; there may be more behind it. Raises ValueError where there are too many parts to tell."""
    if data.endswith(_END_OF_IMAGE):
        return True
    first = next((at for marker, at in _segments(data) if marker == _START_OF_SCAN), len(data))
    return data.find(_END_OF_IMAGE, first) >= 0


def has_last_scan(data: bytes) -> bool:
    """Return whether the last scan of every colour has begun: of a progressive one, that with the last bit of each frequency."""
    wanted: set[tuple[int, int]] = set()
    is_progressive = is_known = False
    try:
        for marker, at in _segments(data):
            if marker in _FRAMES:
                is_known, is_progressive = True, marker in _PROGRESSIVE
                colours = data[at + 8 : at + 8 + 3 * data[at + 7] : 3]
                wanted = {(colour, each) for colour in colours for each in range(64 if is_progressive else 1)}
            elif marker == _START_OF_SCAN:
                wanted -= _finished(data, at, is_progressive)
    except (IndexError, ValueError):
        return False
    return is_known and not wanted


def _finished(data: bytes, at: int, is_progressive: bool) -> set[tuple[int, int]]:
    """Return the colours and frequencies of which the scan that begins there has the last bit. Raises IndexError where it is cut off."""
    end = at + 3 + 2 * data[at + 2]
    colours, first, last, bits = data[at + 3 : end : 2], data[end], data[end + 1], data[end + 2]
    if not is_progressive:
        return {(colour, 0) for colour in colours}
    left = bits & 15
    return set() if left else {(colour, each) for colour in colours for each in range(first, last + 1)}


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
