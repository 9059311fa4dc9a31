"""What the model sees of a frame, for each crop; a frame is painted so that its parts can be told by their colours."""

import io
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from skimage import data

from tagger.config.sources import Crop
from tagger.config.sources import Mode as CropMode
from tagger.config.tagging import DecodeSettings
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.models import Preprocessing

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
ORANGE, MEAN = (230, 120, 20), (0.5, 0.4, 0.3)
PADDING = (128, 102, 76)
PREPROCESSING = Preprocessing(36, 32, "bilinear", MEAN, (1, 1, 1))
LARGER = Preprocessing(128, 112, "bilinear", MEAN, (1, 1, 1))
BOX = (0.25, 0.5, 0.5, 0.25)
CROPS: Sequence[Crop] = (*get_args(CropMode), BOX)
MODES: Sequence[Mode] = get_args(DecodeSettings.model_fields["mode"].annotation)
Pixels = NDArray[np.uint8]

both = pytest.mark.parametrize("mode", MODES)


def frames(file: bytes, crop: Crop, mode: Mode, preprocessing: Preprocessing = PREPROCESSING) -> Pixels:
    decoder = Decoder(preprocessing, 100_000_000, PixelBudget(), mode, crops={"source": crop})
    picture = decoder.decode(Content(Stamp("/a picture", "source", len(file), 0, 0), file, ""))
    assert isinstance(picture, Picture), picture
    assert picture.frames.shape[1:] == (preprocessing.crop, preprocessing.crop, 3)
    return picture.frames


def saved(pixels: Pixels | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    image, file = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels), io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def stripes(
    *colours: tuple[int, int, int], across: bool = False, size: tuple[int, int] = (320, 180)
) -> bytes:
    """From left to right, or `across` from top to bottom in a portrait."""
    width, height = size
    row = np.repeat(np.array(colours, np.uint8), width // len(colours), axis=0)
    pixels = np.broadcast_to(row, (height, *row.shape))
    return saved(np.ascontiguousarray(pixels.swapaxes(0, 1) if across else pixels))


def quadrants(width: int = 320, height: int = 180) -> Pixels:
    """Red and green above, blue and white below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for colour, (rows, columns) in zip((RED, GREEN, BLUE, WHITE), np.ndindex(2, 2), strict=True):
        top, left = rows * height // 2, columns * width // 2
        pixels[top : top + height // 2, left : left + width // 2] = colour
    return pixels


def corners(frame: Pixels) -> list[tuple[int, ...]]:
    return [tuple(frame[at].tolist()) for at in ((1, 1), (1, -2), (-2, 1), (-2, -2))]


def ends(frame: Pixels, across: bool) -> list[tuple[int, ...]]:
    """The colours at the two ends of the direction in which the stripes follow one another."""
    line = frame[:, 16] if across else frame[16]
    return [tuple(line[at].tolist()) for at in (0, -1)]


# What is seen


@both
def test_the_centre_crop_does_not_see_the_sides(mode: Mode) -> None:
    [frame] = frames(stripes(RED, GREEN, GREEN, GREEN, BLUE), "center", mode)
    assert (frame == GREEN).all()


@both
@pytest.mark.parametrize("size", [(320, 180), (180, 320), (1000, 100)])
def test_squashed_all_is_seen_in_its_place(mode: Mode, size: tuple[int, int]) -> None:
    [frame] = frames(saved(quadrants(*size)), "squash", mode)
    assert corners(frame) == [RED, GREEN, BLUE, WHITE]
    assert [tuple(frame[y, x].tolist()) for y, x in ((14, 14), (14, 17), (17, 14), (17, 17))] == corners(
        frame
    )


@both
@pytest.mark.parametrize("across", [False, True])
def test_a_letterbox_shows_all_between_bars_of_the_models_mean_colour(mode: Mode, across: bool) -> None:
    size = (180, 320) if across else (320, 180)
    [frame] = frames(saved(quadrants(*size)), "letterbox", mode)
    upright = frame.swapaxes(0, 1) if across else frame
    assert (upright[:7] == PADDING).all()
    assert (upright[-7:] == PADDING).all()
    colours = [tuple(frame[y, x].tolist()) for y, x in ((10, 10), (10, 22), (22, 10), (22, 22))]
    assert colours == [RED, GREEN, BLUE, WHITE]
    assert not (upright[8:-8] == PADDING).all(axis=2).any()


@both
@pytest.mark.parametrize("across", [False, True])
def test_tiles_see_both_ends_and_the_middle(mode: Mode, across: bool) -> None:
    file = stripes(RED, GREEN, BLUE, WHITE, BLACK, across=across)
    first, middle, last = frames(file, "tiles", mode)
    assert [ends(first, across), ends(last, across)] == [[RED, BLUE], [BLUE, BLACK]]
    assert np.abs(middle.astype(int) - frames(file, "center", mode)[0]).mean() < 1


@both
@pytest.mark.parametrize("size", [(180, 180), (200, 180), (180, 205)])
def test_of_what_is_nearly_square_one_tile_is_enough(mode: Mode, size: tuple[int, int]) -> None:
    file = saved(quadrants(*size))
    assert np.array_equal(frames(file, "tiles", mode), frames(file, "center", mode))


@both
@pytest.mark.parametrize(
    ("box", "colour"),
    [
        ((0, 0, 0.5, 0.5), RED),
        ((0.6, 0.1, 0.2, 0.3), GREEN),
        ((0, 0.75, 0.5, 0.25), BLUE),
        ((0.999, 0.999, 0.001, 0.001), WHITE),
        ((1 - 1e-9, 0, 1e-9, 1e-300), GREEN),
        ((0.563, 0, 0.438, 0.5), GREEN),
    ],
)
def test_a_box_shows_what_is_in_it_and_nothing_else(
    mode: Mode, box: Crop, colour: tuple[int, int, int]
) -> None:
    [frame] = frames(saved(quadrants()), box, mode)
    assert (frame[1:-1, 1:-1] == colour).all()


@both
def test_all_of_a_box_is_seen_and_the_whole_frame_as_a_box_is_squashed(mode: Mode) -> None:
    file = saved(quadrants())
    assert corners(frames(file, (0.25, 0.25, 0.5, 0.5), mode)[0]) == [RED, GREEN, BLUE, WHITE]
    assert np.array_equal(frames(file, (0, 0, 1, 1), mode), frames(file, "squash", mode))


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


@both
@pytest.mark.parametrize("orientation", _STORED)
def test_crops_are_of_the_upright_frame(mode: Mode, orientation: int) -> None:
    """Large, so that `fast` decodes it at a part of its size."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.ascontiguousarray(_STORED[orientation](quadrants(1600, 900)))
    file = saved(stored, "JPEG", exif=exif, quality=95)
    [right_above] = frames(file, (0.55, 0.1, 0.4, 0.3), mode)
    assert np.abs(right_above.astype(int) - GREEN).max() < 12
    first, _, last = frames(file, "tiles", mode)
    for tile, colours in ((first, (RED, BLUE)), (last, (GREEN, WHITE))):
        assert np.abs(tile[[2, -3], 16].astype(int) - colours).max() < 12
    [whole] = frames(file, "squash", mode)
    assert np.abs(np.array(corners(whole)) - (RED, GREEN, BLUE, WHITE)).max() < 12


# That `fast` sees the same


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize(("colours", "form"), [("RGB", "JPEG"), ("RGBA", "PNG")])
@pytest.mark.parametrize("size", [(1301, 731), (480, 853), (40, 90), (9, 4000)])
def test_fast_shows_the_same_frames(crop: Crop, colours: str, form: str, size: tuple[int, int]) -> None:
    photo = Image.fromarray(data.astronaut()).resize(size, Image.Resampling.BICUBIC).convert(colours)
    if colours == "RGBA":
        photo.putalpha(Image.linear_gradient("L").resize(size))
    file = saved(photo, form)
    exact, fast = (frames(file, crop, mode, LARGER).astype(int) for mode in MODES)
    assert exact.shape == fast.shape
    assert np.abs(exact - fast).mean() < 2.5


@both
def test_a_small_box_of_a_large_jpeg_is_as_sharp_as_the_file(mode: Mode) -> None:
    board = (np.indices((1600, 2400)) // 8).sum(axis=0) % 2 * 255
    file = saved(board.astype(np.uint8), "JPEG", quality=95)
    [frame] = frames(file, (0.5, 0.5, 0.04, 0.06), mode, LARGER)
    assert frame.std() > 100


# What is odd


@both
@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize(
    ("size", "form"),
    [((1, 1), "JPEG"), ((1, 2), "PNG"), ((2, 60_000), "PNG"), ((60_000, 2), "JPEG"), ((33, 1), "JPEG")],
)
def test_slivers_and_specks_are_seen_in_their_colour(
    mode: Mode, crop: Crop, size: tuple[int, int], form: str
) -> None:
    seen = frames(saved(Image.new("RGB", size, ORANGE), form), crop, mode)
    assert len(seen) == (3 if crop == "tiles" and size != (1, 1) else 1)
    colours = {tuple(colour) for frame in seen for colour in frame.reshape(-1, 3).tolist()} - {PADDING}
    assert np.abs(np.array(sorted(colours)) - ORANGE).max() <= 6


@both
@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize(
    ("image", "colour"),
    [
        pytest.param(Image.new("RGBA", (320, 180), (255, 0, 0, 51)), (255, 204, 204), id="red"),
        pytest.param(Image.new("LA", (320, 180), (0, 51)), (204, 204, 204), id="grey that shines through"),
        pytest.param(Image.new("L", (320, 180), 7), (7, 7, 7), id="grey"),
    ],
)
def test_grey_and_clear_pictures_are_white_behind_and_no_bar_is(
    mode: Mode, crop: Crop, image: Image.Image, colour: tuple[int, int, int]
) -> None:
    seen = frames(saved(image), crop, mode)
    found = {tuple(pixel) for pixel in seen.reshape(-1, 3).tolist()}
    assert found == ({colour, PADDING} if crop == "letterbox" else {colour})
