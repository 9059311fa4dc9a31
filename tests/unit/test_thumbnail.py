"""Small pictures for people: upright, in their colours, with nothing in them but pixels."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from tagger.config.tagging import DecodeSettings
from tagger.errors import TaggerError
from tagger.vision.thumbnail import Thumbnailer

RED, BLUE = (255, 0, 0), (0, 0, 255)


def made(image: Image.Image, kind: str = "PNG", side: int = 320, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    small = Image.open(io.BytesIO(Thumbnailer(DecodeSettings()).make(file.getvalue(), side)))
    small.load()
    return small


def is_near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    seen = image.convert("RGB").getpixel(at)
    assert isinstance(seen, tuple)
    return all(abs(a - b) < 25 for a, b in zip(seen, colour, strict=True))


def halves(width: int = 600, height: int = 400) -> Image.Image:
    """Red above blue."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width, height // 2))
    return image


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [
        (1, (320, 213), (160, 20)),
        (2, (320, 213), (160, 20)),
        (3, (320, 213), (160, 190)),
        (4, (320, 213), (160, 190)),
        (5, (213, 320), (20, 160)),
        (6, (213, 320), (190, 160)),
        (7, (213, 320), (190, 160)),
        (8, (213, 320), (20, 160)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_it_is_upright(kind: str, orientation: int, size: tuple[int, int], red_at: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    small = made(halves(), kind, exif=exif)
    assert small.size == size
    assert is_near(small, red_at, RED)


def test_nothing_but_pixels_is_in_it() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "at home"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    small = made(halves(), "JPEG", exif=exif, comment=b"secret")
    assert (dict(small.getexif()), small.info.get("comment")) == ({}, None)


@pytest.mark.parametrize(("space", "is_kept"), [(b"RGB ", True), (b"GRAY", False), (b"CMYK", False)])
def test_a_colour_profile_is_sent_along_where_it_is_of_such_pixels(space: bytes, is_kept: bool) -> None:
    profile = bytes(16) + space + bytes(500)
    small = made(Image.new("L", (40, 30), 128), icc_profile=profile)
    assert small.info.get("icc_profile") == (profile if is_kept else None)


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (Image.new("RGBA", (40, 30), (0, 0, 0, 1)), (255, 255, 255)),
        (Image.new("RGBA", (40, 30), (*RED, 0)), RED),
        (Image.new("L", (40, 30), 128), (128, 128, 128)),
        (Image.new("1", (40, 30), 1), (255, 255, 255)),
        (halves(40, 30).quantize(2), RED),
        (Image.fromarray(np.full((30, 40), 65535, np.uint16)), (255, 255, 255)),
    ],
)
def test_any_kind_of_pixels_has_its_colours(image: Image.Image, seen: tuple[int, int, int]) -> None:
    small = made(image)
    assert small.size == (40, 30)
    assert is_near(small, (20, 5), seen)


def test_of_print_and_of_animations_the_first_frame() -> None:
    assert is_near(made(Image.new("CMYK", (40, 30), (0, 255, 255, 0)), "JPEG"), (20, 15), RED)
    frames = [Image.new("RGB", (40, 30), colour) for colour in (RED, BLUE)]
    assert is_near(made(frames[0], "GIF", save_all=True, append_images=frames[1:]), (20, 15), RED)


def test_a_large_one_is_no_larger_than_asked_for_and_a_sliver_stays_one() -> None:
    assert made(halves(4000, 3000), "JPEG", 1600).size == (1600, 1200)
    assert made(halves(5000, 2)).size == (320, 1)


def test_what_decoding_refuses_is_refused_here_too() -> None:
    file = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(file, "PNG")
    with pytest.raises(TaggerError, match=r"more than decode\.max_pixels allows"):
        Thumbnailer(DecodeSettings()).make(file.getvalue(), 320)
    with pytest.raises(TaggerError, match="not a picture"):
        Thumbnailer(DecodeSettings()).make(b"no picture", 320)
