"""A picture without one opaque pixel is one whose alpha says nothing: games and emulators write screenshots so."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tagger.config.tagging import DecodeSettings
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.engines.fake import PREPROCESSING
from tagger.vision.thumbnail import Thumbnailer

ASTRONAUT = Image.fromarray(data.astronaut()).resize((64, 48))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def with_alpha(image: Image.Image, alpha: int = 0) -> Image.Image:
    image = image.copy()
    image.putalpha(alpha)
    return image


def bitmap(version: int) -> bytes:
    """A BMP of version 4 or 5, which has an alpha channel: 0 everywhere."""
    pixels = np.asarray(with_alpha(ASTRONAUT))[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    size = {4: 108, 5: 124}[version]
    head = struct.pack("<IiiHHIIiiII4I", size, 64, 48, 1, 32, 3, len(pixels), 0, 0, 0, 0, *masks)
    file = struct.pack("<2sIII", b"BM", 14 + size + len(pixels), 0, 14 + size)
    return file + head.ljust(size, b"\0") + pixels


def decode(file: bytes, mode: Mode = "fast") -> Picture:
    stamp = Stamp("/a picture", "source", len(file), 0, 0)
    picture = Decoder(PREPROCESSING, 1_000_000, PixelBudget(), mode).decode(Content(stamp, file, ""))
    assert isinstance(picture, Picture), picture
    return picture


CLEAR, GREY, INDEXED = with_alpha(ASTRONAUT), ASTRONAUT.convert("L"), ASTRONAUT.quantize(64)
PICTURES = [
    pytest.param(saved(CLEAR, "PNG"), ASTRONAUT, id="PNG"),
    pytest.param(saved(with_alpha(GREY), "PNG"), GREY, id="grey PNG"),
    pytest.param(saved(INDEXED, "PNG", transparency=bytes(64)), INDEXED, id="indexed PNG"),
    pytest.param(saved(CLEAR, "WEBP", lossless=True, exact=True), ASTRONAUT, id="WebP"),
    pytest.param(saved(CLEAR, "TIFF"), ASTRONAUT, id="TIFF"),
    pytest.param(saved(CLEAR, "AVIF", quality=100, subsampling="4:4:4"), ASTRONAUT, id="AVIF"),
    pytest.param(bitmap(4), ASTRONAUT, id="BMP, version 4"),
    pytest.param(bitmap(5), ASTRONAUT, id="BMP, version 5"),
]


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(("file", "meant"), PICTURES)
def test_its_colours_are_seen(file: bytes, meant: Image.Image, mode: Mode) -> None:
    seen, expected = decode(file, mode), decode(saved(meant.convert("RGB"), "PNG"), mode)
    assert np.abs(seen.frames.astype(int) - expected.frames).max() <= 8
    assert seen.facts.health is not None
    assert expected.facts.health is not None
    assert seen.facts.health.brightness == pytest.approx(expected.facts.health.brightness, abs=0.01)


@pytest.mark.parametrize(("file", "meant"), PICTURES)
def test_its_thumbnail_has_its_colours(file: bytes, meant: Image.Image) -> None:
    thumbnail = Image.open(io.BytesIO(Thumbnailer(DecodeSettings()).make(file, 64)))
    assert np.abs(np.asarray(thumbnail.convert("RGB"), int) - np.asarray(meant.convert("RGB"))).mean() < 8


@pytest.mark.parametrize("at", [(0, 0), (40, 23), (63, 47)])
def test_where_one_pixel_is_opaque_the_others_are_clear(at: tuple[int, int]) -> None:
    image = with_alpha(Image.new("RGB", (64, 48), "red"))
    image.putpixel(at, (0, 0, 0, 255))
    assert decode(saved(image, "PNG")).frames.mean() > 240
