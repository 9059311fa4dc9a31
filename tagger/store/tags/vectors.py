"""Vectors of features as they lie in their table: packed, so that two of the default model's fit into a page.

Of 1280 numbers half are zero, and a row of 2,560 bytes would have a page of 4,096 for itself. A packed vector has an odd number
of bytes, and a plain one, as release 0.1.0 stored all, an even number. Rejected: fewer bits for each number, which saves more and
makes of two equal pictures two that are nearly equal.
"""

import zlib

_FAST = 1
_END = b"\0"
"""Behind what is packed in an even number of bytes; zlib finds its own end."""
_MOST = 1 << 17
"""Bytes of a vector: more than any model has, and no more than a damaged row may claim."""


def packed(vector: bytes) -> bytes:
    """Return what to store of a vector of float16 numbers: the vector itself where packing saves nothing."""
    small = zlib.compress(vector, _FAST)
    small += _END if len(small) % 2 == 0 else b""
    return small if len(small) < len(vector) else vector


def unpacked(stored: bytes) -> bytes:
    """Return the vector that was stored; it is empty where it is damaged."""
    if len(stored) % 2 == 0:
        return stored
    try:
        return zlib.decompressobj().decompress(stored, _MOST)
    except zlib.error:
        return b""
