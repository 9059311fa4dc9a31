"""What decoding is taken to hold, against what the kernel counts: a picture that needs more must not pass for less."""

import io
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
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
    "in one strip.tif": ("RGB", {"compression": "tiff_lzw", "tiffinfo": {278: SIZE[1]}}),
    "lossy.webp": ("RGB", {"method": 0}),
    "lossless.webp": ("RGBA", {"lossless": True, "method": 0}),
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


needs_avif = pytest.mark.skipif(".avif" not in SUFFIXES, reason="this Pillow has no AVIF")
SIDE = 1_600
"""Of an AVIF's frame."""


def avif(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "orange").save(file, "AVIF", speed=10, **options)
    return file.getvalue()


def animation() -> bytes:
    return avif(save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), "blue")])


def claiming(side: int, data: bytes) -> bytes:
    """It is claimed in pixels, and in those of 65536 parts."""
    for shift in (0, 16):
        old, new = (struct.pack(">II", number << shift, number << shift) for number in (SIDE, side))
        data = data.replace(old, new)
    return data


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def rebuilt(extents: int, is_in_idat: bool) -> bytes:
    """The same picture, its bytes in as many parts as asked for, one of many ways to say where they are."""
    data = avif()
    meta, iloc, mdat = (data.index(kind) - 4 for kind in (b"meta", b"iloc", b"mdat"))
    behind, pixels = iloc + struct.unpack_from(">I", data, iloc)[0], data[mdat + 8 :]
    cuts = [len(pixels) * number // extents for number in range(extents + 1)]

    def file(start: int) -> bytes:
        places = b"".join(struct.pack(">II", start + a, b - a) for a, b in pairwise(cuts))
        places = struct.pack(">IHHHHHH", 1 << 24, 0x4400, 1, 1, is_in_idat, 0, extents) + places
        body = data[meta + 8 : iloc] + box(b"iloc", places) + data[behind:mdat]
        if is_in_idat:
            return data[:meta] + box(b"meta", body + box(b"idat", pixels))
        return data[:meta] + box(b"meta", body) + box(b"mdat", pixels)

    return file(0) if is_in_idat else file(len(file(0)) - len(pixels))


AVIFS: dict[str, Callable[[], bytes]] = {
    "still": avif,
    "animated": animation,
    "in two parts": lambda: rebuilt(2, False),
    "within the header": lambda: rebuilt(1, True),
}


@needs_avif
@pytest.mark.parametrize("name", AVIFS)
@pytest.mark.parametrize("claimed", [SIDE, 64])
def test_an_avif_is_judged_by_its_frame_whatever_it_claims(name: str, claimed: int) -> None:
    data = claiming(claimed, AVIFS[name]())
    enough = 14 * SIDE * SIDE + len(data)
    assert isinstance(decode(data, "fast", enough), Picture)
    refused = decode(data, "fast", enough - 1)
    assert isinstance(refused, Failed)
    assert refused.reason.startswith(f"{enough:,} bytes to decode it are more than decode.max_memory")


def with_a_frame_that_overrides(data: bytes) -> bytes:
    """The seventh bit of its header says that its size is another one than the sequence's."""
    sequence = data.index(b"\x12\0\x0a") + 3
    frame = sequence + 1 + data[sequence]
    header = frame + (3 if data[frame + 1] > 127 else 2)
    return data[:header] + bytes([data[header] | 2]) + data[header + 1 :]


@needs_avif
@pytest.mark.parametrize(
    ("made", "pixels"),
    [
        pytest.param(
            lambda: with_a_frame_that_overrides(animation()), 2048 * 2048, id="as many as its bits can hold"
        ),
        pytest.param(
            lambda: avif().replace(b"\x12\0\x0a", b"\x12\0\x7a"), 16_384 * 16_384, id="no sequence header"
        ),
    ],
)
def test_an_avif_that_hides_its_size_is_taken_to_be_as_large_as_can_be(
    made: Callable[[], bytes], pixels: int
) -> None:
    data = made()
    refused = decode(data, "fast", 14 * SIDE * SIDE + len(data))
    assert isinstance(refused, Failed)
    assert refused.reason.startswith(f"{14 * pixels + len(data):,} bytes to decode it")


if __name__ == "__main__":
    give_back_what_is_freed()
    file = Path(sys.argv[1])
    small = io.BytesIO()
    Image.new("RGB", (8, 8)).save(small, Image.registered_extensions()[file.suffix])
    decode(small.getvalue(), "fast", 10**9)  # what is imported and allocated once
    modes: tuple[Mode, ...] = ("fast", "exact")
    sys.stdout.write(json.dumps({mode: grown(file.read_bytes(), mode) for mode in modes}))
