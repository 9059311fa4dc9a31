"""The pixels of a plain PNG by libpng, through imagecodecs: nearly twice as fast as Pillow, and the same bytes.

Screenshots are PNG, and inflating them is nearly all of their tagging. What is not plain stays Pillow's: palettes,
transparency by colour, 16 bits, interlacing, animation, and whatever has more to say behind its pixels. So does a
file that libpng will not have: what is damaged, and how to say it, is one decoder's word. Rejected: libvips, as fast
but with threads of its own and 9 MB of memory; kornia-rs, faster but alone, since it holds Python's lock.
"""

import logging
import struct
import threading
from collections.abc import Iterator
from math import prod

import numpy as np
from imagecodecs import PngError, png_decode
from numpy.typing import NDArray

# It would log each of libpng's warnings, and cannot know of which picture; Pillow's decoder says nothing of them either.
logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD, NO_PIXELS = 33, b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
"""The bytes up to the end of the first chunk, which tells size and mode; and a chunk of pixels without any."""
_HEADER = struct.Struct(">I4sIIBBBBB")
_CHUNK = struct.Struct(">I4s")
_AROUND = 12
"""Bytes of a chunk besides its data: length, name, checksum."""
_GREY, _RGB, _RGBA = 0, 2, 6
_CHANNELS = {_GREY: (), _RGB: (3,), _RGBA: (4,)}
_MOST_CHUNKS, _MOST_PROFILES = 100_000, 10
"""There are 32,768 chunks in the largest file whose pixels are in parts of 8 KiB, as libpng writes them, and one colour profile.
Pillow takes 3 µs for each chunk, and inflates each profile, in up to 3 ms."""
_MOST_KEPT = 16 << 20
"""Bytes that a thread keeps for the next picture. Fresh memory must be cleared by the kernel, page by page, which takes
a twentieth of the time that decoding takes."""


class _Sheet(threading.local):
    memory = np.empty(0, np.uint8)

    def of(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        size = prod(shape)
        if size > _MOST_KEPT:
            return np.empty(shape, np.uint8)
        if size > self.memory.size:
            self.memory = np.empty(size, np.uint8)
        return self.memory[:size].reshape(shape)


_sheet = _Sheet()


def judge_chunks(data: bytes) -> None:
    """Raises ValueError where a PNG has more chunks, or colour profiles, than can be of any use."""
    offset, profiles = len(SIGNATURE), 0
    for _ in range(_MOST_CHUNKS):
        if offset + _CHUNK.size > len(data):
            return
        length, name = _CHUNK.unpack_from(data, offset)
        offset += length + _AROUND
        profiles += name == b"iCCP"
        if profiles > _MOST_PROFILES:
            raise ValueError(f"it has more than {_MOST_PROFILES} colour profiles")
        if name == b"IEND":
            return
    raise ValueError("it has far too many parts")


def parts(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the name and the bytes of each whole chunk. Raises ValueError where they are too many."""
    offset, name = len(SIGNATURE), b""
    for _ in range(_MOST_CHUNKS):
        if name == b"IEND" or offset + _AROUND > len(data):
            return
        length, name = _CHUNK.unpack_from(data, offset)
        end = offset + length + _AROUND
        if end <= len(data):
            yield name, memoryview(data)[offset:end]
        offset = end
    raise ValueError("it has far too many parts")


def pixels(data: bytes) -> NDArray[np.uint8] | None:
    """Return H×W for grey, H×W×3 or H×W×4, exactly as Pillow decodes them; None where that is Pillow's to do.

    They are good until the thread asks for another picture's.
    """
    shape = _plain_shape(data)
    if shape is None:
        return None
    try:
        found: NDArray[np.uint8] = png_decode(data, out=_sheet.of(shape))
    except (PngError, UnicodeDecodeError):  # libpng's words may be overwritten before imagecodecs reads them
        return None
    return found


def _plain_shape(data: bytes) -> tuple[int, ...] | None:
    """Return the shape of its pixels; None where the picture is not plain."""
    try:
        _, _, width, height, depth, colour, _, _, interlace = _HEADER.unpack_from(data, len(SIGNATURE))
        before, behind = _chunks(data)
    except struct.error:
        return None
    usual = data.startswith(SIGNATURE) and depth == 8 and colour in _CHANNELS and not interlace
    plain = usual and before.isdisjoint((b"tRNS", b"acTL")) and behind == {b"IEND"}
    return (height, width, *_CHANNELS[colour]) if plain else None


def _chunks(data: bytes) -> tuple[set[bytes], set[bytes]]:
    """Return the names of the chunks before the pixels and behind them. Raises struct.error where the file ends early."""
    before, behind = set[bytes](), set[bytes]()
    offset, name, names = len(SIGNATURE), b"", before
    while name != b"IEND":
        length, name = _CHUNK.unpack_from(data, offset)
        offset += length + _AROUND
        if name == b"IDAT":
            names = behind
        else:
            names.add(name)
    return before, behind
