"""What decoding is taken to hold, against what the kernel counts: a picture that needs more must not pass for less."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from tagger.records import Content, Failed, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import SUFFIXES, Decoder, Mode
from tagger.vision.memory import give_back_what_is_freed
from tagger.vision.models import Preprocessing

pytestmark = pytest.mark.long

PREPROCESSING = Preprocessing(64, 56, "bilinear", (0, 0, 0), (1, 1, 1))
SIZE = (2000, 1500)
NOISE = 2_300_000
"""Bytes of the interpreter's own, which come and go."""
TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain.jpg": ("RGB", {}),
    "progressive.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "progressive, with halved colours.jpg": ("RGB", {"progressive": True, "subsampling": 2}),
    "colour by colour.jpg": ("L", {}),
    "progressive CMYK.jpg": ("CMYK", {"progressive": True}),
    "turned.jpg": ("RGB", {"exif": TURNED}),
    "plain.png": ("RGB", {"compress_level": 1}),
    "with alpha.png": ("RGBA", {"compress_level": 1}),
    "grey with alpha.png": ("LA", {"compress_level": 1}),
    "one grey is clear.png": ("L", {"transparency": 7}),
    "one colour is clear.png": ("RGB", {"transparency": (1, 2, 3)}),
    "clear palette.png": ("P", {"transparency": bytes(16)}),
    "deep.png": ("I;16", {}),
    "clear palette.gif": ("P", {"transparency": 3}),
    "float.tif": ("F", {}),
    "turned.tif": ("RGB", {"exif": TURNED}),
    "whole numbers.tif": ("I", {}),
    "in one strip.tif": ("RGB", {"compression": "tiff_lzw", "tiffinfo": {278: SIZE[1]}}),
    "lossy.webp": ("RGB", {"method": 0}),
    "lossless.webp": ("RGBA", {"lossless": True, "method": 0}),
    "plain.avif": ("RGB", {"speed": 10, "subsampling": "4:4:4"}),
    "with alpha.avif": ("RGBA", {"speed": 10, "subsampling": "4:4:4"}),
    "with alpha.heic": ("RGBA", {"chroma": "444", "enc_params": {"preset": "ultrafast"}}),
}


def picture(name: str) -> bytes:
    mode, options = PICTURES[name]
    colours = np.random.default_rng(0).integers(0, 256, (40, 48, 4), np.uint8)
    image = Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "P":
        image = image.convert("L").quantize(16)
    else:
        image = image.convert("L" if mode == "F" else mode).convert(mode)
    file = io.BytesIO()
    image.save(file, Image.registered_extensions()[Path(name).suffix], **options)
    return colour_by_colour(file.getvalue()) if name == "colour by colour.jpg" else file.getvalue()


def colour_by_colour(grey: bytes) -> bytes:
    """A JPEG of three colours, each of which is a grey one's and has a scan of its own."""
    scan, end = grey.index(b"\xff\xda"), b"\xff\xd9"
    frame = grey.index(b"\xff\xc0")
    size = grey[frame + 4 : frame + 9]
    colours = b"\x03" + b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    header = grey[:frame] + b"\xff\xc0\0\x11" + size + colours + grey[frame + 13 : scan]
    scans = (grey[scan : scan + 5] + bytes([n]) + grey[scan + 6 :].removesuffix(end) for n in (1, 2, 3))
    return header + b"".join(scans) + end


def decode(data: bytes, mode: Mode, max_memory: int) -> Picture | Failed:
    decoder = Decoder(PREPROCESSING, 10**9, PixelBudget(), mode, max_memory=max_memory)
    return decoder.decode(Content(Stamp("/a picture", "source", len(data), 0, 0), data, ""))


def memory(key: str) -> int:
    """This process's bytes: `VmRSS` now, `VmHWM` at most."""
    return 1024 * int(Path("/proc/self/status").read_text().partition(f"{key}:")[2].split()[0])


def forget_the_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def grown(data: bytes, mode: Mode) -> int:
    """The bytes that the process grows by, at most, while it decodes; the file's are there already."""
    Image.core.clear_cache()  # type: ignore[attr-defined]
    forget_the_peak()
    before = memory("VmRSS")
    outcome = decode(data, mode, 10**12)
    assert isinstance(outcome, Picture), outcome
    return memory("VmHWM") - before + len(data)


@pytest.mark.parametrize("name", [name for name in PICTURES if Path(name).suffix in SUFFIXES])
def test_a_picture_is_not_decoded_where_that_takes_more_than_it_may(name: str, tmp_path: Path) -> None:
    data = picture(name)
    (tmp_path / name).write_bytes(data)
    command = (sys.executable, "-m", "tests.unit.test_decode_memory", str(tmp_path / name))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for mode, taken in json.loads(done.stdout).items():
        refused = decode(data, mode, taken - NOISE)
        assert isinstance(refused, Failed), f"{mode} took {taken}"
        assert "decode.max_memory" in refused.reason


if __name__ == "__main__":
    give_back_what_is_freed()
    file = Path(sys.argv[1])
    small = io.BytesIO()
    Image.new("RGB", (8, 8)).save(small, Image.registered_extensions()[file.suffix])
    decode(small.getvalue(), "fast", 10**9)  # what is imported and allocated once
    modes: tuple[Mode, ...] = ("fast", "exact")
    sys.stdout.write(json.dumps({mode: grown(file.read_bytes(), mode) for mode in modes}))
