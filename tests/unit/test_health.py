"""What a frame tells of the camera."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder
from tagger.vision.health import health
from tagger.vision.models import Preprocessing

PREPROCESSING = Preprocessing(128, 112, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def scene(width: int = 640, height: int = 360) -> Image.Image:
    """Leaves, as it were: overlapping discs of all sizes and colours, whose detail is that of nature."""
    chance = np.random.default_rng(0)
    frame = np.full((height, width, 3), 128, np.uint8)
    rows, columns = np.mgrid[:height, :width]
    for radius in sorted(3 / chance.random(600) ** 0.8, reverse=True):
        y, x = chance.integers(height), chance.integers(width)
        frame[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = chance.integers(0, 256, 3)
    return Image.fromarray(frame)


def test_a_scene_is_neither_dark_nor_blurred_nor_grey() -> None:
    seen = health(scene())
    assert 0.3 < seen.brightness < 0.7
    assert seen.sharpness > 0.2
    assert seen.colourfulness > 30
    assert not seen.is_blank


@pytest.mark.parametrize("blur", [ImageFilter.GaussianBlur(3), ImageFilter.BoxBlur(5)])
def test_a_blurred_frame_is_less_sharp_whatever_its_light(blur: ImageFilter.Filter) -> None:
    blurred = scene().filter(blur)
    dim = blurred.point([value // 4 for value in range(256)] * 3)
    assert health(blurred).sharpness < 0.1
    assert health(dim).sharpness < 0.1


def test_what_moves_is_smeared_in_one_direction() -> None:
    values = np.asarray(scene(), np.float32)
    smeared = np.mean([np.roll(values, shift, axis=1) for shift in range(8)], axis=0)
    assert health(Image.fromarray(smeared.astype(np.uint8))).sharpness < 0.1


@pytest.mark.long
def test_a_large_version_is_as_sharp_as_a_small_one() -> None:
    large = scene(2560, 1440)
    assert health(large).sharpness == pytest.approx(health(large.reduce(5)).sharpness, abs=0.1)


def test_a_night_in_infrared_is_dark_and_grey() -> None:
    seen = health(scene().convert("L").point([value // 3 for value in range(256)]))
    assert seen.brightness < 0.3
    assert seen.colourfulness == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("colour", ["black", "white", (90, 120, 60)])
def test_one_colour_shows_nothing(colour: str | tuple[int, ...]) -> None:
    seen = health(Image.new("RGB", (640, 360), colour))
    assert seen.is_blank
    assert max(seen.contrast, seen.sharpness) < 1e-6


def test_brightness_is_luma() -> None:
    assert health(Image.new("RGB", (64, 64), "white")).brightness == pytest.approx(1)
    assert health(Image.new("RGB", (64, 64), (0, 255, 0))).brightness == pytest.approx(0.587)


def test_a_colourful_frame_is_as_colourful_as_its_authors_say() -> None:
    """Half of pure red and half of pure blue, by hand: σ 127.5 and 191.25, µ 127.5 and -63.75."""
    frame = Image.new("RGB", (100, 100), (255, 0, 0))
    frame.paste((0, 0, 255), (0, 0, 50, 100))
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75)
    assert health(frame).colourfulness == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(["L", "RGB", "RGBA"]))
def test_every_size_has_a_health(width: int, height: int, mode: str) -> None:
    seen = health(Image.new(mode, (width, height)))
    assert seen.is_blank


@pytest.mark.parametrize(
    "save",
    [
        lambda image, file: image.save(file, "JPEG"),
        lambda image, file: image.save(file, "PNG"),
        lambda image, file: image.convert("P").save(file, "GIF"),
        lambda image, file: image.convert("CMYK").save(file, "JPEG"),
        lambda image, file: image.convert("RGBA").save(file, "PNG"),
        lambda image, file: Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257).save(
            file, "PNG"
        ),
    ],
)
def test_a_decoded_picture_has_the_health_of_its_whole_frame(
    save: Callable[[Image.Image, io.BytesIO], None],
) -> None:
    file = io.BytesIO()
    save(scene(), file)
    content = Content(Stamp("/a", "", file.tell(), 0, 0), file.getvalue(), "")
    picture = Decoder(PREPROCESSING, 1_000_000, PixelBudget(), "fast").decode(content)
    assert isinstance(picture, Picture)
    assert picture.facts.health
    assert picture.facts.health.brightness == pytest.approx(health(scene()).brightness, abs=0.02)
    assert picture.facts.health.sharpness > 0.2
