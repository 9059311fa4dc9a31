"""What comes out of a file that is well: the right colours, upright, with the right facts."""

import hashlib
import io
import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tagger.config.path_rules import IMPOSSIBLE
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import SUFFIXES, Decoder
from tagger.vision.engines.fake import PREPROCESSING

ORANGE = (230, 120, 20)
SIZE = (48, 32)


def content(data: bytes) -> Content:
    return Content(Stamp("/a picture", "source", len(data), 0, 0), data, hashlib.sha256(data).hexdigest())


def decode(data: bytes) -> Picture:
    picture = Decoder(PREPROCESSING, 100_000_000, PixelBudget()).decode(content(data))
    assert isinstance(picture, Picture), picture
    return picture


def saved(image: Image.Image, suffix: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, Image.registered_extensions().get(suffix, "JPEG"), **options)
    return file.getvalue()


def mean_colour(data: bytes) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = decode(data).frames[0].mean(axis=(0, 1))
    return mean


def orange(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", SIZE, ORANGE)
    if mode == "LAB":
        from PIL import ImageCms

        to_lab = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        return ImageCms.applyTransform(image, to_lab) or image
    return image.quantize(1) if mode == "P" else image.convert(mode)


def deep_grey(value: float, dtype: str) -> Image.Image:
    """Half black, half `value`."""
    values = np.zeros((SIZE[1], SIZE[0]), dtype)
    values[:, SIZE[0] // 2 :] = value
    return Image.fromarray(values)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_that_is_picked_up_can_be_decoded(suffix: str) -> None:
    picture = decode(saved(orange(), suffix))
    assert (picture.facts.width, picture.facts.height) == SIZE
    assert picture.frames[0].shape == (32, 32, 3)
    assert picture.frames[0].mean(axis=(0, 1)) == pytest.approx(ORANGE, abs=6)


def test_names_that_cameras_and_browsers_give_are_looked_at() -> None:
    names = "jpg jpe jfif jfi jif pjpeg jpg_large mpo png apng bmp dib tif tiff webp gif heic heif hif heics heifs"
    assert {f".{name}" for name in names.split()} <= SUFFIXES


def test_a_bmp_is_read_with_the_head_of_its_file_and_without() -> None:
    whole = saved(orange(), ".bmp")
    assert mean_colour(whole) == pytest.approx(ORANGE, abs=2)
    assert mean_colour(whole[14:]) == pytest.approx(ORANGE, abs=2)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("CMYK", ".jpg"),
        ("CMYK", ".tif"),
        ("YCbCr", ".tif"),
        ("LAB", ".tif"),
        ("P", ".png"),
        ("P", ".gif"),
        ("P", ".bmp"),
    ],
)
def test_other_colour_spaces_keep_their_colour(mode: str, suffix: str) -> None:
    assert mean_colour(saved(orange(mode), suffix)) == pytest.approx(ORANGE, abs=6)


@pytest.mark.parametrize(
    ("image", "suffix", "options"),
    [
        pytest.param(Image.new("RGBA", SIZE, (255, 0, 0, 51)), ".png", {}, id="RGBA"),
        pytest.param(Image.new("RGBA", SIZE, (255, 0, 0, 51)), ".webp", {"lossless": True}, id="WebP"),
        pytest.param(Image.new("RGBA", SIZE, (255, 0, 0, 51)), ".tif", {}, id="TIFF"),
    ],
)
def test_what_shines_through_is_white(image: Image.Image, suffix: str, options: dict[str, Any]) -> None:
    assert mean_colour(saved(image, suffix, **options)) == pytest.approx((255, 204, 204), abs=2)


@pytest.mark.parametrize(
    ("image", "suffix", "options"),
    [
        pytest.param(Image.new("L", SIZE, 7), ".png", {"transparency": 7}, id="a grey that is clear"),
        pytest.param(Image.new("RGB", SIZE, ORANGE), ".png", {"transparency": ORANGE}, id="a clear colour"),
        pytest.param(orange("P"), ".png", {"transparency": 0}, id="a clear palette entry"),
        pytest.param(orange("P"), ".gif", {"transparency": 0}, id="GIF"),
    ],
)
def test_what_is_clear_is_white(image: Image.Image, suffix: str, options: dict[str, Any]) -> None:
    assert mean_colour(saved(image, suffix, **options)) == pytest.approx((255, 255, 255))


@pytest.mark.parametrize(
    ("image", "suffix"),
    [
        pytest.param(deep_grey(51_400, "<u2"), ".png", id="16-bit PNG"),
        pytest.param(deep_grey(51_400, "<u2"), ".tif", id="16-bit TIFF"),
        pytest.param(deep_grey(51_400, ">u2"), ".tif", id="16-bit TIFF, big-endian"),
        pytest.param(deep_grey(51_400, "<i4"), ".tif", id="32-bit integers of 16-bit values"),
        pytest.param(deep_grey(200 / 255, "<f4"), ".tif", id="floats up to 1"),
        pytest.param(deep_grey(200, "<f4"), ".tif", id="floats up to 255"),
        pytest.param(deep_grey(51_400, "<f4"), ".tif", id="floats up to 65535"),
        pytest.param(deep_grey(200, "u1"), ".png", id="8-bit"),
    ],
)
def test_deep_grey_is_scaled_and_not_clipped(image: Image.Image, suffix: str) -> None:
    pixels = decode(saved(image, suffix)).frames[0]
    assert pixels[:, 0].tolist() == [[0, 0, 0]] * 32
    assert pixels[:, -1].tolist() == [[200, 200, 200]] * 32


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
def test_a_float_that_is_no_brightness_is_black(value: float) -> None:
    values = np.full((SIZE[1], SIZE[0]), 1.0, "<f4")
    values[:, : SIZE[0] // 2] = value
    pixels = decode(saved(Image.fromarray(values), ".tif")).frames[0]
    assert (pixels[:, 0].max(), pixels[:, -1].min()) == (0, 255)


def test_one_bit_pictures_are_black_and_white() -> None:
    assert mean_colour(saved(Image.new("1", SIZE, 1), ".png")) == pytest.approx((255, 255, 255))


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif", ".avif"])
def test_of_many_frames_the_first_is_taken(suffix: str) -> None:
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    data = saved(frames[0], suffix, save_all=True, append_images=frames[1:])
    assert mean_colour(data) == pytest.approx((255, 0, 0), abs=6)


_STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
"""How an upright picture lies in the file, by EXIF orientation."""


@pytest.mark.parametrize("orientation", _STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_camera_held_askew_gives_an_upright_picture(suffix: str, orientation: int) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24], upright[:16, 24:], upright[16:, :24] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    stored = Image.fromarray(np.ascontiguousarray(_STORED[orientation](upright)))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = decode(saved(stored, suffix, exif=exif))
    assert (picture.facts.width, picture.facts.height) == (48, 32)
    corners = [picture.frames[0][y, x].argmax() for y, x in ((4, 4), (4, 27), (27, 4))]
    assert corners == [0, 1, 2]
    assert picture.frames[0][27, 27].max() < 40


def test_a_sliver_is_decoded_without_blowing_it_up() -> None:
    picture = decode(saved(Image.new("RGB", (2, 60_000), ORANGE), ".png"))
    assert (picture.facts.width, picture.facts.height) == (2, 60_000)
    assert picture.frames[0].mean(axis=(0, 1)) == pytest.approx(ORANGE)


def test_facts_name_the_content_and_its_format() -> None:
    data = saved(orange(), ".png")
    facts = decode(data).facts
    assert (facts.sha256, facts.format, facts.taken_at) == (hashlib.sha256(data).hexdigest(), "PNG", None)


@pytest.mark.parametrize(
    ("tags", "taken_at"),
    [
        pytest.param(
            {"DateTimeOriginal": "2024:05:01 12:00:00", "OffsetTimeOriginal": "+02:00"},
            datetime(2024, 5, 1, 10, tzinfo=UTC),
            id="with its offset",
        ),
        pytest.param(
            {"DateTimeOriginal": "2024:05:01 12:00:00"},
            datetime(2024, 5, 1, 12),
            id="without one: by the source's clock",
        ),
        pytest.param(
            {"DateTimeOriginal": "2024:05:01 12:00:00", "OffsetTimeOriginal": "   :  "},
            datetime(2024, 5, 1, 12),
            id="a blank offset: by the source's clock",
        ),
        pytest.param(
            {
                "DateTimeOriginal": "2024:05:01 12:00:00",
                "OffsetTimeOriginal": "Z",
                "SubsecTimeOriginal": "25",
            },
            datetime(2024, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC),
            id="to the hundredth",
        ),
        pytest.param(
            {"DateTimeDigitized": "1999:12:31 23:59:59", "OffsetTimeDigitized": "+00:00"},
            datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
            id="a scan",
        ),
        pytest.param(
            {
                "DateTimeOriginal": "0000:00:00 00:00:00",
                "DateTimeDigitized": "1999:12:31 23:59:59",
                "OffsetTimeDigitized": "Z",
            },
            datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
            id="an unset clock, but a scan",
        ),
        pytest.param({"DateTimeOriginal": "0000:00:00 00:00:00"}, None, id="an unset clock"),
        pytest.param({"DateTimeOriginal": "2024:13:01 12:00:00"}, IMPOSSIBLE, id="a 13th month"),
        pytest.param({"DateTimeOriginal": "yesterday"}, None, id="words"),
        pytest.param(
            {"DateTime": "2024:05:01 12:00:00"},
            datetime(2024, 5, 1, 12),
            id="no better than that of the last edit",
        ),
    ],
)
def test_when_it_was_taken(tags: dict[str, str], taken_at: datetime | None) -> None:
    exif = Image.Exif()
    ifd = exif.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        (exif if name == "DateTime" else ifd)[ExifTags.Base[name]] = value
    assert decode(saved(orange(), ".jpg", exif=exif)).facts.taken_at == taken_at


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"])
def test_broken_exif_does_not_cost_the_picture(exif: bytes) -> None:
    picture = decode(saved(orange(), ".jpg", exif=exif))
    assert picture.frames[0].mean(axis=(0, 1)) == pytest.approx(ORANGE, abs=6)
    assert picture.facts.taken_at is None


def test_what_pillow_warns_of_is_decoded_all_the_same() -> None:
    """A JPEG whose index of further pictures is broken: the warning says no more than that."""
    data = saved(orange(), ".jpg")
    index = b"MPF\0" + b"broken index"
    segment = b"\xff\xe2" + (len(index) + 2).to_bytes(2, "big") + index
    assert mean_colour(data[:2] + segment + data[2:]) == pytest.approx(ORANGE, abs=6)
    with pytest.warns(UserWarning, match="malformed MPO"), warnings.catch_warnings():
        warnings.simplefilter("always")
        Image.open(io.BytesIO(data[:2] + segment + data[2:]))
