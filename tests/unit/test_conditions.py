"""In which conditions a picture is."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from tagger.config.views import ConditionSettings
from tagger.records import Content, Facts, Health, Picture, Stamp
from tagger.search.conditions import NAMES, SCREENS, conditions_of
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder
from tagger.vision.health import health
from tagger.vision.models import Preprocessing
from tagger.web.page import filters

LIMITS = ConditionSettings()
GOOD = Health(0.5, 0.2, 0.3, 30, is_blank=False, flatness=0.1)
DECODER = Decoder(Preprocessing(256, 224, "bicubic", (0.5,) * 3, (0.5,) * 3), 10**8, PixelBudget(), "fast")


def facts(health: Health | None = GOOD, *, width: int = 1920, height: int = 1080) -> Facts:
    return Facts("", width, height, "PNG", None, health, from_camera=False)


def photo() -> Image.Image:
    return Image.fromarray(data.astronaut())


def window(width: int = 1920, height: int = 1080) -> Image.Image:
    """A desktop with a window in which something is written."""
    desktop = Image.new("RGB", (width, height), (0, 90, 120))
    draw = ImageDraw.Draw(desktop)
    draw.rectangle((width // 10, height // 10, width * 9 // 10, height * 9 // 10), (250, 250, 250))
    for line in range(height // 8, height * 7 // 8, 20):
        draw.text((width // 8, line), "The quick brown fox jumps over the lazy dog. " * 5, (20, 20, 20))
    return desktop


def conditions_in(image: Image.Image, form: str = "PNG", **options: object) -> tuple[str, ...]:
    """Of a file, decoded as the daemon does."""
    return conditions_of(decoded(image, form, **options), None, LIMITS)


def decoded(image: Image.Image, form: str = "PNG", **options: object) -> Facts:
    file = io.BytesIO()
    image.save(file, form, **options)
    content = Content(Stamp("/a", "", file.tell(), 0, 0), file.getvalue(), "")
    picture = DECODER.decode(content)
    assert isinstance(picture, Picture)
    return picture.facts


def dim(image: Image.Image, light: float) -> Image.Image:
    return image.point([round(value * light) for value in range(256)] * len(image.getbands()))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (photo, ()),
        (lambda: dim(photo(), 0.5), ("night",)),
        (lambda: dim(photo(), 0.2), ("night", "dark")),
        (lambda: dim(photo().convert("L"), 0.8), ("night", "monochrome")),
        (lambda: photo().convert("L"), ("monochrome",)),
        (lambda: photo().filter(ImageFilter.GaussianBlur(6)), ("blurred",)),
        (lambda: dim(photo(), 0.2).filter(ImageFilter.GaussianBlur(6)), ("night", "dark")),
        (lambda: Image.new("RGB", (640, 360), (200, 30, 30)), ("blank",)),
        (lambda: Image.new("RGB", (640, 360)), ("dark", "blank", "monochrome")),
        (window, ("screenshot",)),
        (lambda: window(1000, 1000), ()),
        (lambda: Image.fromarray(data.camera()), ("monochrome",)),
    ],
)
def test_a_picture_is_in_the_conditions_that_are_seen(
    make: Callable[[], Image.Image], expected: tuple[str, ...]
) -> None:
    assert conditions_in(make()) == expected
    assert conditions_in(make(), "JPEG", quality=90) == expected


@pytest.mark.parametrize("size", [(1080, 2400), (2560, 1440), (3840, 2160)])
def test_a_screenshot_is_one_on_every_screen_upright_or_not(size: tuple[int, int]) -> None:
    assert conditions_in(window(*size)) == ("screenshot",)
    assert conditions_in(window(*size), "JPEG", quality=85) == ("screenshot",)


def test_a_cameras_picture_is_no_screenshot_however_flat() -> None:
    exif = Image.Exif()
    exif[271], exif[272] = "Canon", "EOS 5D"
    assert decoded(window(), "JPEG", exif=exif).from_camera is True
    assert conditions_in(window(), "JPEG", exif=exif) == ()


@pytest.mark.parametrize("name", ["", " ", "\0"])
def test_a_camera_without_a_name_is_none(name: str) -> None:
    exif = Image.Exif()
    exif[271] = name
    assert decoded(window(), "JPEG", exif=exif).from_camera is False


@pytest.mark.parametrize(
    ("outdoor", "expected"),
    [(None, ()), (0.0, ("indoor",)), (0.4, ("indoor",)), (0.5, ()), (0.6, ("outdoor",)), (1.0, ("outdoor",))],
)
def test_between_indoors_and_outdoors_is_neither(outdoor: float | None, expected: tuple[str, ...]) -> None:
    assert conditions_of(facts(), outdoor, LIMITS) == expected


def test_what_is_not_known_puts_a_picture_into_no_condition() -> None:
    assert conditions_of(facts(None), None, LIMITS) == ()
    flat = replace(GOOD, flatness=0.9)
    assert conditions_of(facts(flat), None, LIMITS) == ("screenshot",)
    assert conditions_of(replace(facts(flat), from_camera=None), None, LIMITS) == ()
    assert conditions_of(facts(replace(flat, flatness=None)), None, LIMITS) == ()


def test_thresholds_are_the_configs() -> None:
    bright = conditions_of(facts(), 0.5, ConditionSettings(night=0.6, dark=0.55, outdoor=0.5, colourless=40))
    assert bright == ("night", "dark", "monochrome", "outdoor")


def test_flat_is_what_a_computer_draws() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8), (256, 256))
    stripes = Image.fromarray(np.where(np.arange(600) % 2, 255, 0).astype(np.uint8)[None].repeat(400, 0))
    assert health(Image.new("L", (300, 200), 30)).flatness == 1
    assert health(Image.new("L", (300, 200), 5)).flatness == 0
    assert health(Image.fromarray(noise)).flatness == 0
    assert health(Image.fromarray(ramp)).flatness == 0
    assert health(stripes).flatness == 0
    assert (health(window()).flatness or 0) > 0.7
    assert (health(photo()).flatness or 1) < 0.2
    half = Image.new("RGB", (400, 400), "blue")
    half.paste(Image.fromarray(noise[:, :200]), (0, 0))
    assert health(half).flatness == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 2), (31, 33), (5000, 3)])
def test_every_size_has_a_flatness(size: tuple[int, int]) -> None:
    assert health(Image.new("RGB", size, "white")).flatness == 1


def test_the_page_offers_all_conditions() -> None:
    assert get_args(filters.Condition) == ("", *NAMES)


def test_screens_are_wider_than_high_and_no_usual_size_of_cameras() -> None:
    assert all(long >= short for long, short in SCREENS)
    assert SCREENS.isdisjoint({(640, 480), (800, 600), (4032, 3024), (4000, 3000)})
