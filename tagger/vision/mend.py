"""A PNG whose pixels are there, though something beside them is wrong, or too large: a text, a profile, a checksum.

It is tried only once Pillow has refused a picture, and costs a good one nothing. Rejected: `LOAD_TRUNCATED_IMAGES`, which holds for the
whole process, and takes any half of a picture for a picture.
"""

import io
from collections import Counter

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from tagger.vision import png

_ONCE, _TEXTS = {b"tRNS", b"iCCP", b"eXIf"}, {b"tEXt", b"zTXt", b"iTXt"}
_MOST_REMARKS = 50
"""So many of a PNG's remarks are tried: each may take a megabyte, and three milliseconds."""


def load(image: Image.Image, data: bytes) -> Image.Image:
    """Return a picture, loaded. Raises whatever a decoder does where its pixels are not there."""
    try:
        image.load()
    except Exception:
        if image.format != "PNG":
            raise
        image = PngImageFile(io.BytesIO(without_wrong_remarks(data)))
        image.load()
    return image


def without_wrong_remarks(data: bytes) -> bytes:
    """Return a PNG with its pixels, and with those remarks that Pillow reads. Raises ValueError where there are too many parts to tell."""
    head, tried = data[: png.HEAD], Counter[bytes]()
    kept: list[bytes | memoryview] = [png.SIGNATURE]
    for name, part in png.parts(data):
        is_remark = name in _TEXTS or (name in _ONCE and not tried[name])
        if name[:1].isupper() or (is_remark and tried.total() < _MOST_REMARKS and _is_read(head + part)):
            kept.append(part)
        tried[name] += is_remark
    return b"".join(kept)


def _is_read(data: bytes) -> bool:
    """Return whether Pillow reads what stands before a PNG's pixels."""
    try:
        PngImageFile(io.BytesIO(data + png.NO_PIXELS)).close()
    except Exception:  # whatever is wrong with a remark
        return False
    return True
