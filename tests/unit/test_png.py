"""Plain PNG takes a faster road to the same pixels; what is not plain, or damaged, is left to Pillow."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin
from skimage import data

from tagger.records import Content, Failed, Picture, Stamp
from tagger.vision import png
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.models import Preprocessing

PREPROCESSING = Preprocessing(128, 112, "bilinear", (0, 0, 0), (1, 1, 1))


def photo(mode: str = "RGB") -> Image.Image:
    image = Image.fromarray(data.astronaut()).resize((150, 101))
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image.convert(mode)


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def behind_the_pixels(file: bytes, name: bytes, content: bytes) -> bytes:
    return file[:-12] + chunk(name, content) + file[-12:]


def interlaced() -> bytes:
    """An Adam7 picture of one pixel, whose first pass is all of it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\x10\x20\x30"))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def animated() -> bytes:
    frame = photo()
    return saved(frame, save_all=True, append_images=[frame.transpose(Image.Transpose.FLIP_TOP_BOTTOM)])


def decode(file: bytes, mode: Mode) -> Picture | Failed:
    decoder = Decoder(PREPROCESSING, 1_000_000, PixelBudget(), mode)
    return decoder.decode(Content(Stamp("/a picture", "source", len(file), 0, 0), file, ""))


def by_pillow(image: Image.Image) -> NDArray[np.uint8]:
    """What Pillow alone makes of the same pixels, in another format without loss."""
    file = io.BytesIO()
    image.save(file, "TIFF")
    found = decode(file.getvalue(), "fast")
    assert isinstance(found, Picture)
    frame: NDArray[np.uint8] = found.frames[0]
    return frame


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_pixels_are_pillows(mode: str) -> None:
    image = photo(mode)
    found = png.pixels(saved(image))
    assert found is not None
    assert np.array_equal(found, np.asarray(image))


def test_what_is_said_before_the_pixels_changes_nothing() -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", "a screenshot tool")
    file = saved(photo(), pnginfo=about, dpi=(96, 96), icc_profile=b"not a profile")
    found = png.pixels(file)
    assert found is not None
    assert np.array_equal(found, np.asarray(photo()))


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(saved(photo().quantize(16)), id="palette"),
        pytest.param(saved(photo("LA")), id="grey with transparency"),
        pytest.param(saved(photo(), transparency=(0, 0, 0)), id="one colour is transparent"),
        pytest.param(saved(Image.new("I;16", (9, 9), 40_000)), id="16 bits"),
        pytest.param(saved(photo("1")), id="1 bit"),
        pytest.param(interlaced(), id="interlaced"),
        pytest.param(animated(), id="animated"),
        pytest.param(behind_the_pixels(saved(photo()), b"tEXt", b"a\0b"), id="text behind the pixels"),
        pytest.param(saved(photo())[:-400], id="cut off"),
        pytest.param(saved(photo())[:10], id="cut off in its header"),
        pytest.param(b"", id="empty"),
        pytest.param(b"GIF89a" + bytes(100), id="not PNG"),
    ],
)
def test_all_else_is_left_to_pillow(file: bytes) -> None:
    assert png.pixels(file) is None


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_picture_is_upright_wherever_its_exif_stands(mode: Mode, place: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = saved(photo(), exif=exif) if place == "before" else saved(photo())
    if place == "behind":
        file = behind_the_pixels(file, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    picture = decode(file, mode)
    assert isinstance(picture, Picture)
    assert (picture.facts.width, picture.facts.height) == (101, 150)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_picture_keeps_its_pixels_when_another_is_decoded(mode: str) -> None:
    one = decode(saved(photo(mode)), "fast")
    other = decode(saved(photo(mode).transpose(Image.Transpose.ROTATE_180)), "fast")
    assert isinstance(one, Picture)
    assert isinstance(other, Picture)
    assert np.array_equal(one.frames[0], by_pillow(photo(mode)))
    assert np.array_equal(other.frames[0], by_pillow(photo(mode).transpose(Image.Transpose.ROTATE_180)))


def test_threads_that_decode_at_once_do_not_mix_their_pictures() -> None:
    pictures = [Image.effect_noise((150 + number, 101), 80).convert("RGB") for number in range(8)]
    files, barrier = [saved(picture) for picture in pictures], Barrier(len(pictures))

    def decode_often(number: int) -> bool:
        barrier.wait(10)
        expected = np.asarray(pictures[number])
        return all(np.array_equal(png.pixels(files[number]), expected) for _ in range(50))  # type: ignore[arg-type]

    with ThreadPoolExecutor(len(pictures)) as threads:
        assert all(threads.map(decode_often, range(len(pictures))))


def test_rows_that_a_file_lacks_are_not_those_of_the_picture_before() -> None:
    assert png.pixels(saved(photo())) is not None
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 150, 101, 8, 2, 0, 0, 0))
    half = chunk(b"IDAT", zlib.compress(bytes(1 + 3 * 150) * 50))
    assert png.pixels(b"\x89PNG\r\n\x1a\n" + header + half + chunk(b"IEND", b"")) is None


FILE = saved(photo())


@given(place=st.integers(0, len(FILE) - 1), value=st.integers(0, 255))
def test_damage_is_judged_as_pillow_judges_it(place: int, value: int) -> None:
    damaged = FILE[:place] + bytes([value]) + FILE[place + 1 :]
    fast, exact = decode(damaged, "fast"), decode(damaged, "exact")
    if isinstance(exact, Failed):
        assert fast == exact
    else:
        assert isinstance(fast, Picture)
        assert fast.facts == exact.facts
        assert np.abs(fast.frames[0].astype(int) - exact.frames[0].astype(int)).max() <= 2
