"""Pictures whose pixels are there, though their file is not well: a JPEG that lacks only its end, and a PNG whose remarks are wrong.

It is tried only once Pillow has refused a picture, and costs a good one nothing but a look for its end. Rejected: `LOAD_TRUNCATED_IMAGES`, which holds for the
whole process, takes any half of a picture for a picture, and does not say where it ends.
"""

import io
import zlib
from collections import Counter
from contextlib import suppress

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from tagger.vision import jpeg, png

_ENOUGH = 0.95
"""The part of its rows that a JPEG without an end must have; of a row of blocks, which comes block by block, that part of it."""
_ENOUGH_OF_LAST_SCAN = 0.75
"""The same where all rows came before in less detail: the last scan adds one bit to some frequencies."""
_BLOCK = 16
_END, _NOISE = b"\xff\xd9", bytes(range(1, 255)) * 16
"""The end of a JPEG, and what could stand before it: enough for a row of blocks to differ, and no marker."""
_UNWRITTEN = b"\0\xff"
"""What a file ends with where room was made for it before it came, and the first half of a marker."""
_FEW_SCANS, _MOST_EFFORT = 3, 1_500_000_000
"""The nanoseconds that a JPEG of more scans than its colours need may take each time: it is decoded three times."""
_BYTE_EFFORT, _ARITHMETIC_EFFORT = 30, 8
"""What a byte takes, and a pixel of a scan that needs no bytes to go on, as in `limits`."""
_BAND = 64
"""Rows that are summed up at once."""
_ONCE, _TEXTS = {b"tRNS", b"iCCP", b"eXIf"}, {b"tEXt", b"zTXt", b"iTXt"}
_PALETTE = 256
"""Entries of a palette: of how opaque more of them are, Pillow will not hear."""
_MOST_REMARKS = 50
"""So many of a PNG's remarks are tried: each may take a megabyte, and three milliseconds."""


def load(image: Image.Image, data: bytes) -> tuple[Image.Image, bool]:
    """Return a picture, loaded, and whether it is damaged. Raises whatever a decoder does where too little of it is there."""
    try:
        image.load()
    except Exception:
        if image.format == "PNG":
            with suppress(Exception):  # what was wrong at first is what is wrong
                return _loaded(PngImageFile(io.BytesIO(without_wrong_remarks(data)))), False
            raise
        if not (isinstance(image, JpegImageFile) and jpeg.has_last_scan(data) and _is_quick(image, data)):
            raise
        ended = _ended(image, data.rstrip(_UNWRITTEN))
        if ended is None:
            raise
        return ended, True
    if isinstance(clear := image.info.get("transparency"), bytes):
        image.info["transparency"] = clear[:_PALETTE]
    return image, isinstance(image, JpegImageFile) and not jpeg.has_end(data)


def _is_quick(image: JpegImageFile, data: bytes) -> bool:
    """Return whether a JPEG may be decoded twice more. Raises ValueError where there are too many parts to tell."""
    scans, pixels = jpeg.scans(data), image.width * image.height * _scale(image) ** 2
    for_each = _ARITHMETIC_EFFORT if scans.is_arithmetic else 1
    effort = scans.number * pixels * for_each + _BYTE_EFFORT * scans.size
    return scans.number <= _FEW_SCANS or effort <= _MOST_EFFORT


def _scale(image: JpegImageFile) -> int:
    return image.decoderconfig[0] if image.decoderconfig else 1


def _ended(image: JpegImageFile, data: bytes) -> Image.Image | None:
    """Return a JPEG as it is without its end, what is missing in grey; None where that is more than the last few rows.

    Rows that are there are the same whatever follows in the file.
    """
    scale = _scale(image)
    part = _ENOUGH_OF_LAST_SCAN if "progressive" in image.info else _ENOUGH
    image.close()  # only one of them is held in memory
    sums = _sums(_drafted(data + _NOISE + _END, scale), _BLOCK // scale, part)
    ended = _drafted(data + _END, scale)
    return ended if _sums(ended, _BLOCK // scale, part) == sums else None


def _drafted(data: bytes, scale: int) -> Image.Image:
    image = JpegImageFile(io.BytesIO(data))
    image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
    return _loaded(image)


def _loaded(image: Image.Image) -> Image.Image:
    image.load()
    return image


def _sums(image: Image.Image, block: int, part: float) -> tuple[int, int]:
    """Return checksums of what must be there: whole rows of blocks, and the beginning of another, less what mixes with what follows."""
    width, height = image.size
    top = int(part * height // block) * block
    bottom = min(top + block, height)
    right = int(width * (part * height - top) / (bottom - top))
    return _sum(image, (0, 0, width, top - 1)), _sum(image, (0, top, right - 1, bottom - 1))


def _sum(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    left, top, right, bottom = box
    checksum = 0
    for at in range(top, bottom, _BAND):
        band = image.crop((left, at, max(left, right), min(at + _BAND, bottom)))
        checksum = zlib.crc32(band.tobytes(), checksum)
    return checksum


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
