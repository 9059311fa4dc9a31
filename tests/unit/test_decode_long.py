"""What takes long for each row, strip, tile or part of a file is bounded before it is decoded; what people scan is far below."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tagger.config.tagging import DecodeSettings
from tagger.records import Failed, Picture
from tests.unit.test_decode_bad_input import decode
from tests.unit.test_hostile_pictures import chunk, long, png, seeds, tiff

MOST = DecodeSettings().max_pixels


def fax(width: int, height: int, rows: int) -> bytes:
    """All its strips are the same bytes, which are noise."""
    strip = np.random.default_rng(1).integers(0, 256, 4_000, np.uint8).tobytes()
    strips = -(-height // rows)
    numbers = {256: width, 257: height, 258: 1, 259: 3, 262: 0, 277: 1, 278: rows}
    tags = [(tag, 4, long(number)) for tag, number in numbers.items()]
    tags.append((279, 4, long(*[len(strip)] * strips)))
    start = len(tiff([*tags, (273, 4, long(*[0] * strips))]))
    return tiff([*tags, (273, 4, long(*[start] * strips))]) + strip


def tiled(width: int, height: int, tile: tuple[int, int], size: int, compression: int = 8) -> bytes:
    """All its tiles are the same bytes, of so large a `size`."""
    count = -(-width // tile[0]) * -(-height // tile[1])
    numbers = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 277: 1, 322: tile[0], 323: tile[1]}
    tags = [(tag, 4, long(number)) for tag, number in numbers.items()]
    tags.append((325, 4, long(*[size] * count)))
    start = len(tiff([*tags, (324, 4, long(*[0] * count))]))
    return tiff([*tags, (324, 4, long(*[start] * count))]) + zlib.compress(bytes(tile[0] * tile[1])).ljust(
        size, b"\0"
    )


def png_of(*parts: bytes, behind: bytes = b"") -> bytes:
    """A small one with such chunks before its pixels, and behind them."""
    data = png(8, 8, bytes(25) * 8, before=b"".join(parts))
    end = chunk(b"IEND", b"")
    return data.removesuffix(end) + behind + end


def jpeg_of_exif(segments: int) -> bytes:
    segment = b"\xff\xe1" + struct.pack(">H", 2_008) + b"Exif\0\0" + bytes(2_000)
    return b"\xff\xd8" + segment * segments + seeds()["baseline.jpg"][2:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(1, 90_000_000, b"", 0), "a side of 90,000,000 pixels is longer than that of any picture may be"),
        (png(90_000_000, 1, b"", 0, interlace=1), "a side of 90,000,000 pixels is longer"),
        (fax(1, 90_000_000, 10_000), "a side of 90,000,000 pixels is longer"),
        (fax(1, 1_000_000, 10_000), "1,000,000 rows are more than a fax may have (200,000)"),
        (
            tiled(16, 16, (16, 1_000_000), 40, compression=3),
            "1,000,000 rows are more than a fax may have (200,000)",
        ),
        (
            tiled(1, 500_000, (16_384, 16), 40),
            "8,192,000,000 pixels of its tiles, for 500,000 of the picture, would take too long to decode",
        ),
        (tiled(160_000, 16, (16, 16), 100_000), "its strips claim 1,000,000,000 bytes of a file that has "),
        (png_of(chunk(b"IDAT", b"") * 100_000), "it has far too many parts"),
        (png_of(behind=chunk(b"abCd", b"") * 100_000), "it has far too many parts"),
        (jpeg_of_exif(600), "its EXIF is larger than 1,048,576 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_take_minutes_is_refused_in_a_sentence(data: bytes, reason: str) -> None:
    outcome = decode(data, MOST, "fast")
    assert isinstance(outcome, Failed)
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("BMP", "RGB", {}),
        ("JPEG", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "L", {"compression": "tiff_adobe_deflate", "tiffinfo": {278: 1}}),
        ("TIFF", "L", {"compression": "tiff_lzw"}),
        ("TIFF", "1", {"compression": "group3"}),
        ("TIFF", "1", {"compression": "group4"}),
    ],
)
def test_a_receipt_may_be_as_long_as_scanners_take_them(
    form: str, mode: str, options: dict[str, Any]
) -> None:
    for width, height in ((1, 50_000), (100, 50_000), (50_000, 1)):
        file = io.BytesIO()
        Image.new(mode, (width, height)).save(file, form, **options)
        assert isinstance(decode(file.getvalue(), MOST, "fast"), Picture), (width, height)


def test_a_photo_may_have_a_thumbnail_a_profile_and_text_of_every_kind() -> None:
    assert isinstance(decode(jpeg_of_exif(400), MOST), Picture)
    text = chunk(b"tEXt", b"Comment\0hello")
    assert isinstance(decode(png_of(chunk(b"iCCP", b"x\0\0"), text * 1_000, behind=text * 1_000)), Picture)
