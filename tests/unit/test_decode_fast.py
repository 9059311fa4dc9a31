"""What `fast` decoding may change, which is little, and what it may not; and what `exact` is equal to."""

import io
import platform
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from imagecodecs import jpeg8_encode
from numpy.typing import NDArray
from PIL import ExifTags, Image
from skimage import data

from tagger.config.tagging import DecodeSettings
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.models import Preprocessing
from tagger.vision.thumbnail import Thumbnailer

PREPROCESSING = Preprocessing(128, 112, "bilinear", (0, 0, 0), (1, 1, 1))
MEGABYTE = 1_000_000


def decode(
    file: bytes, mode: Mode, budget: PixelBudget | None = None, preprocessing: Preprocessing = PREPROCESSING
) -> Picture:
    decoder = Decoder(preprocessing, 100_000_000, budget or PixelBudget(), mode)
    picture = decoder.decode(Content(Stamp("/a picture", "source", len(file), 0, 0), file, ""))
    assert isinstance(picture, Picture), picture
    return picture


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo(mode: str = "RGB", size: tuple[int, int] = (1301, 901)) -> Image.Image:
    image = Image.fromarray(data.astronaut()).resize(size, Image.Resampling.BICUBIC)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(size))
        return image
    return image.quantize(64) if mode == "P" else image.convert(mode)


def wait_for_a_line(budget: PixelBudget) -> None:
    deadline = time.monotonic() + 30
    while not budget._line:
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def by_hand(file: bytes) -> NDArray[np.uint8]:
    """The shorter side to 128 pixels, the middle 112×112, as torchvision rounds; for a landscape picture."""
    image = Image.open(io.BytesIO(file)).convert("RGB")
    width = int(128 * image.width / image.height)
    left = round((width - 112) / 2)
    image = image.resize((width, 128), Image.Resampling.BILINEAR)
    return np.asarray(image.crop((left, 8, left + 112, 120)))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_exact_is_resized_whole_and_to_the_last_bit(mode: str) -> None:
    file = saved(photo(mode), "JPEG")
    assert np.array_equal(decode(file, "exact").frames[0], by_hand(file))


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        *((mode, "PNG") for mode in ("RGB", "RGBA", "P", "LA")),
    ],
)
@pytest.mark.parametrize("size", [(1301, 901), (640, 853), (130, 131), (40, 90), (9, 4000)])
def test_fast_shows_the_same_picture(mode: str, form: str, size: tuple[int, int]) -> None:
    file = saved(photo(mode, size), form)
    exact, fast = (decode(file, how).frames[0].astype(int) for how in ("exact", "fast"))
    assert np.abs(exact - fast).mean() < 2.5


def test_fast_pads_where_the_crop_is_larger_than_the_picture() -> None:
    larger = Preprocessing(91, 128, "bilinear", (0, 0, 0), (1, 1, 1))
    file = saved(photo(size=(200, 200)), "PNG")
    exact, fast = (decode(file, mode, preprocessing=larger).frames[0] for mode in ("exact", "fast"))
    assert np.array_equal(exact == 0, fast == 0)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_fine_stripes_become_grey_and_no_moire(form: str) -> None:
    """Three pixels wide, in a picture that is sixteen times too large: half of them would alias if skipped."""
    stripes = np.where(np.arange(2048) % 3 < 1, 255, 0).astype(np.uint8)
    file = saved(Image.fromarray(np.broadcast_to(stripes, (2048, 2048)).copy()), form)
    assert decode(file, "fast").frames[0].std() < 6


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_facts_tell_the_size_of_the_file_and_not_of_what_was_decoded(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    facts = decode(saved(photo(), "JPEG", exif=exif), "fast").facts
    assert (facts.width, facts.height) == ((1301, 901) if orientation < 5 else (901, 1301))


@pytest.mark.parametrize(
    ("mode", "options", "waits"),
    [
        pytest.param("fast", {}, False, id="scaled while it is decoded"),
        pytest.param("fast", {"progressive": True}, True, id="but its coefficients are all held"),
        pytest.param("exact", {}, True, id="whole"),
    ],
)
def test_a_large_jpeg_waits_only_for_the_memory_it_needs(
    mode: Mode, options: dict[str, Any], waits: bool
) -> None:
    """3 megapixels: 12 MB whole, 18 MB of coefficients, or a sixteenth of it."""
    file, budget = saved(photo(size=(2000, 1500)), "JPEG", **options), PixelBudget(10)
    with ThreadPoolExecutor(1) as pool:
        with budget.hold(8 * MEGABYTE):
            done = pool.submit(decode, file, mode, budget)
            if waits:
                wait_for_a_line(budget)
                assert not done.done()
            else:
                done.result(timeout=30)
        assert done.result(timeout=30).frames[0].shape == (112, 112, 3)


GROW_AND_FREE = """
from pathlib import Path
from tagger.vision import memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
memory.give_back_what_is_freed()
pins = []
for size in (6_000_000, 4_000_000):  # malloc learns from what is freed first
    before, blocks = resident(), []
    for _ in range(10):
        blocks.append(bytes([1]) * size)
        pins.append(bytes([1]) * 100_000)  # what stays lies behind what goes
    del blocks
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's malloc that is told")
def test_what_is_freed_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", GROW_AND_FREE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_without_loss_is_read_as_the_same_pixels_in_png_are(mode: str) -> None:
    space = "rgb" if mode == "RGB" else None
    pixels = np.asarray(photo(mode))
    file = bytes(jpeg8_encode(pixels, lossless=True, colorspace=space, outcolorspace=space))
    plain = saved(photo(mode), "PNG")
    assert np.array_equal(decode(file, "exact").frames, decode(plain, "exact").frames)
    assert np.array_equal(decode(file, "fast").frames, decode(plain, "fast").frames)
    assert Thumbnailer(DecodeSettings()).make(file, 320)
