"""Pictures whose pixels are there, though their file is not well."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from imagecodecs import jpeg8_encode
from PIL import ExifTags, Image
from skimage import data

from tagger.config.tagging import DecodeSettings
from tagger.errors import PictureError
from tagger.records import Content, Failed, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.engines.fake import PREPROCESSING
from tagger.vision.thumbnail import Thumbnailer

CAT = Image.fromarray(data.chelsea())
SIDEWAYS = Image.Exif()
SIDEWAYS[ExifTags.Base.Orientation] = 6

both = pytest.mark.parametrize("mode", ["exact", "fast"])


def decode(file: bytes, mode: Mode = "fast") -> Picture | Failed:
    decoder = Decoder(PREPROCESSING, 1_000_000, PixelBudget(), mode)
    return decoder.decode(Content(Stamp("/a picture", "source", len(file), 0, 0), file, ""))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def difference(one: Picture | Failed, other: Picture | Failed) -> float:
    assert isinstance(one, Picture), one
    assert isinstance(other, Picture), other
    return float(np.abs(one.frames.astype(int) - other.frames).mean())


# JPEG without its end

KINDS: dict[str, dict[str, Any]] = {
    "one scan": {},
    "progressive": {"progressive": True},
    "full colour": {"subsampling": 0, "quality": 95},
    "with restarts": {"restart_marker_rows": 1},
    "grey": {},
    "CMYK": {},
}


def jpeg(kind: str) -> bytes:
    image = CAT.convert({"grey": "L", "CMYK": "CMYK"}.get(kind, "RGB"))
    return saved(image, "JPEG", exif=SIDEWAYS, **KINDS[kind])


@both
@pytest.mark.parametrize("lacking", [1, 2, 12, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_only_its_end_is_read_and_called_damaged(
    kind: str, lacking: int, mode: Mode
) -> None:
    whole, damaged = decode(jpeg(kind), mode), decode(jpeg(kind)[:-lacking], mode)
    assert difference(whole, damaged) < 4
    assert isinstance(whole, Picture)
    assert isinstance(damaged, Picture)
    assert (whole.facts.damaged, damaged.facts.damaged) == (False, True)
    assert (
        (damaged.facts.width, damaged.facts.height) == (whole.facts.width, whole.facts.height) == (300, 451)
    )


def test_what_is_read_to_its_last_row_without_an_end_is_called_damaged_too() -> None:
    flat = saved(Image.new("RGB", (400, 320), "orange"), "JPEG")
    for file, is_damaged in ((flat, False), (flat + b"a trailer", False), (flat[:-2], True)):
        picture = decode(file)
        assert isinstance(picture, Picture)
        assert picture.facts.damaged is is_damaged


@both
@pytest.mark.parametrize("there", [0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_of_which_rows_are_missing_fails(kind: str, there: float, mode: Mode) -> None:
    file = jpeg(kind)
    outcome = decode(file[: int(there * len(file))], mode)
    assert isinstance(outcome, Failed)
    assert "truncated" in outcome.reason


def test_room_that_was_made_for_the_rest_of_a_jpeg_is_none_of_its_rows() -> None:
    file = jpeg("one scan")
    half = file[: len(file) // 2]
    assert isinstance(decode(half + bytes(400)), Failed)
    assert isinstance(decode(file[:-12] + bytes(400)), Picture)


def test_a_progressive_jpeg_that_ends_between_two_scans_fails() -> None:
    file = jpeg("progressive")
    ends = [at for at in range(len(file)) if file[at : at + 2] in (b"\xff\xda", b"\xff\xc4")][2:]
    assert len(ends) > 8
    assert not [at for at in ends if isinstance(decode(file[:at]), Picture)]


def test_a_jpeg_that_ends_in_its_headers_fails() -> None:
    file = jpeg("one scan")
    assert all(isinstance(decode(file[:at]), Failed) for at in range(file.index(b"\xff\xda") + 14))


def test_a_thumbnail_is_made_where_there_are_tags() -> None:
    thumbnails, file = Thumbnailer(DecodeSettings()), jpeg("progressive")
    thumbnail = Image.open(io.BytesIO(thumbnails.make(file[:-2], 160)))
    assert thumbnail.size == (106, 160)
    with pytest.raises(PictureError, match="truncated"):
        thumbnails.make(file[: len(file) // 2], 160)


@both
def test_a_jpeg_without_loss_that_lacks_only_its_end_is_read(mode: Mode) -> None:
    pixels = np.asarray(CAT)
    file = bytes(jpeg8_encode(pixels, lossless=True, colorspace="rgb", outcolorspace="rgb"))
    assert difference(decode(file[:-2], mode), decode(file, mode)) < 1
    assert isinstance(decode(file[: len(file) // 2], mode), Failed)


# PNG remarks


def chunk(name: bytes, content: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def inflating(size: int) -> bytes:
    return zlib.compress(bytes(size))


SMALL = CAT.resize((113, 75))
REMARKS = {
    "long text": chunk(b"tEXt", b"Comment\0" + b"x" * 1_100_000),
    "text that inflates": chunk(b"zTXt", b"Comment\0\0" + inflating(1_100_000)),
    "other text that inflates": chunk(b"iTXt", b"Comment\0\1\0\0\0" + inflating(1_100_000)),
    "text that does not inflate": chunk(b"zTXt", b"Comment\0\0nonsense"),
    "text in an unknown way": chunk(b"zTXt", b"Comment\0\7nonsense"),
    "a profile that inflates": chunk(b"iCCP", b"icc\0\0" + inflating(1_100_000)),
    "a profile without a name": chunk(b"iCCP", b"icc"),
    "a profile in an unknown way": chunk(b"iCCP", b"icc\0\7nonsense"),
    "many profiles": chunk(b"iCCP", b"icc\0\0" + inflating(500)) * 20,
    "much text": chunk(b"zTXt", b"Comment\0\0" + inflating(1_000_000)) * 90,
    "a clear colour cut short": chunk(b"tRNS", b"\0"),
    "more clear colours than a palette has": chunk(b"tRNS", b"\xff" * 300),
    "an animation cut short": chunk(b"acTL", b"\0"),
    "an animation out of order": chunk(b"acTL", b"\0\0\0\2\0\0\0\0")
    + chunk(b"fcTL", b"\0\0\0\7" + bytes(22)),
    "pixels of no animation": chunk(b"fdAT", b"\0\0\0\7" + bytes(22)),
    "wrong text": chunk(b"tEXt", b"Comment\0x", crc=0),
    "wrong time": chunk(b"tIME", bytes(7), crc=0),
    "something unknown and wrong": chunk(b"abCd", bytes(7), crc=0),
} | {
    f"{name.decode()}, {size} bytes": chunk(name, bytes(size))
    for name in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT", b"bKGD", b"hIST", b"tIME")
    for size in (0, 1, 3)
}


@pytest.mark.parametrize(("form", "mode"), [("RGB", "exact"), ("RGB", "fast"), ("P", "fast")])
@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("remark", REMARKS)
def test_no_remark_costs_a_png_its_pixels(remark: str, place: str, form: str, mode: Mode) -> None:
    file = saved(SMALL.quantize(32) if form == "P" else SMALL, "PNG", exif=SIDEWAYS)
    at = file.index(b"IDAT") - 4 if place == "before" else len(file) - 12
    about = decode(file[:at] + REMARKS[remark] + file[at:], mode)
    assert difference(about, decode(file, mode)) < (1 if form == "RGB" else 40)
    assert isinstance(about, Picture)
    assert (about.facts.width, about.facts.height, about.facts.damaged) == (75, 113, False)
    assert Thumbnailer(DecodeSettings()).make(file[:at] + REMARKS[remark] + file[at:], 64)


def test_a_png_that_ends_within_a_remark_behind_its_pixels_is_read() -> None:
    file = saved(CAT, "PNG")
    cut = file[:-12] + chunk(b"tEXt", b"Comment\0" + bytes(100))[:50]
    assert difference(decode(cut), decode(file)) == 0


def test_wrong_pixels_are_as_wrong_as_ever() -> None:
    file = bytearray(saved(CAT, "PNG"))
    file[len(file) // 2] ^= 0xFF
    assert isinstance(decode(bytes(file)), Failed)
