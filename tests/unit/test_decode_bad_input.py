"""What comes out of a file that is not well: a value with a reason, and never an exception."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tagger.config.tagging import DecodeSettings
from tagger.records import Changed, Content, Failed, FailureKind, Gone, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import SUFFIXES, Decoder, Mode, read, why
from tagger.vision.engines.fake import PREPROCESSING
from tagger.vision.limits import PictureLimits

MEGABYTE = 1_000_000
NOBODY = 65534


def stamp_of(path: Path) -> Stamp:
    seen = path.lstat()
    return Stamp(str(path), "source", seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def decode(data: bytes, max_pixels: int = MEGABYTE, mode: Mode = "exact", **limits: Any) -> object:
    content = Content(Stamp("/a picture", "source", len(data), 0, 0), data, hashlib.sha256(data).hexdigest())
    return Decoder(PREPROCESSING, max_pixels, PixelBudget(), mode, **limits).decode(content)


def noise(suffix: str) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, Image.registered_extensions().get(suffix, "JPEG"))
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(noise(".png"))
    return path


def test_content_is_the_bytes_and_their_hash(file: Path) -> None:
    content = read(stamp_of(file), MEGABYTE)
    assert isinstance(content, Content)
    assert content.data == file.read_bytes()
    assert content.sha256 == hashlib.sha256(content.data).hexdigest()


def grown(file: Path) -> None:
    with file.open("ab") as end:
        end.write(b"more")


def replaced_with_size_and_mtime_restored(file: Path) -> None:
    before = file.stat()
    other = file.with_name("other")
    other.write_bytes(bytes(before.st_size))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


def replaced_by_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("touch", [grown, replaced_with_size_and_mtime_restored, replaced_by_a_pipe])
def test_a_file_that_is_not_what_was_seen_must_settle_again(
    file: Path, touch: Callable[[Path], None]
) -> None:
    stamp = stamp_of(file)
    touch(file)
    assert read(stamp, MEGABYTE) == Changed(stamp)


def test_a_file_that_vanished_is_gone(file: Path) -> None:
    stamp = stamp_of(file)
    file.unlink()
    assert read(stamp, MEGABYTE) == Gone(stamp)


def test_a_file_whose_folder_became_a_file_is_gone(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    stamp = Stamp(str(tmp_path / "folder" / "picture.png"), "source", 1, 0, 0)
    assert read(stamp, MEGABYTE) == Gone(stamp)


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(file)
    assert read(stamp_of(link), MEGABYTE) == Gone(stamp_of(link))


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert read(stamp_of(path), MEGABYTE) == Failed(stamp_of(path), "read", "the file is empty")


def test_a_file_over_the_limit_names_the_key_that_raises_it(file: Path) -> None:
    failed = read(stamp_of(file), 1000)
    assert isinstance(failed, Failed)
    assert "decode.max_bytes" in failed.reason
    assert failed.kind == FailureKind.TOO_LARGE


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root reads everything; nobody does not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_is_worth_another_try(file: Path) -> None:
    file.chmod(0)
    stamp = stamp_of(file)
    with unprivileged():
        failed = read(stamp, MEGABYTE)
    reason = "the file cannot be read: Permission denied"
    assert failed == Failed(stamp, "read", reason, True, FailureKind.UNREADABLE)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_picture_fails_to_decode(suffix: str, kept: float) -> None:
    data = noise(suffix)
    failed = decode(data[: int(len(data) * kept)])
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.retryable) == ("decode", False)
    assert "\n" not in failed.reason
    assert "BytesIO" not in failed.reason


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"Dear diary, I am no picture.", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
        pytest.param(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="PostScript, which Pillow would run"
        ),
    ],
)
def test_what_is_renamed_to_a_picture_is_none(data: bytes) -> None:
    failed = decode(data)
    assert isinstance(failed, Failed)
    assert failed.reason == "not a picture in a format that can be decoded here"
    assert failed.kind == FailureKind.UNSUPPORTED


def test_a_bitmap_of_an_unusual_kind_is_not_called_damaged() -> None:
    masks = (0xFF00, 0xFF0000, 0xFF000000, 0xFF)
    head = struct.pack("<IiiHHIIiiII4I", 108, 8, 8, 1, 32, 3, 256, 0, 0, 0, 0, *masks).ljust(108, b"\0")
    failed = decode(struct.pack("<2sIII", b"BM", 378, 0, 122) + head + bytes(256))
    assert isinstance(failed, Failed)
    assert failed.reason == "a picture of this kind cannot be decoded here: Unsupported BMP bitfields layout"
    assert failed.kind == FailureKind.UNSUPPORTED


def test_a_png_without_its_end_is_called_truncated() -> None:
    failed = decode(noise(".png")[:9_000])
    assert isinstance(failed, Failed)
    assert "truncated" in failed.reason


@pytest.mark.parametrize("error", [TypeError("'<' not supported"), KeyError(256), struct.error("unpack")])
def test_no_words_of_a_parser_that_stumbled_are_shown(error: Exception) -> None:
    kind, reason = why(error, PictureLimits(1, 1, 1))
    assert (kind, reason) == (
        FailureKind.CORRUPT,
        "the picture is damaged: what it says of itself makes no sense",
    )


@pytest.mark.parametrize(("side", "pixels"), [(1_001, "1001×1001"), (50_000, "2,500,000,000")])
def test_a_bomb_is_refused_by_its_header(side: int, pixels: str) -> None:
    failed = decode(png_that_claims(side, side))
    assert isinstance(failed, Failed)
    assert failed.reason == f"{pixels} pixels are more than decode.max_pixels allows (1,000,000)"
    assert failed.kind == FailureKind.TOO_LARGE


def test_our_own_limits_are_the_only_ones() -> None:
    """Pillow's own would refuse this header before ours are asked, and here it is the pixels that are missing."""
    failed = decode(png_that_claims(20_000, 20_000), max_pixels=20_000 * 20_000, max_memory=10**10)
    assert isinstance(failed, Failed)
    assert "damaged" in failed.reason
    assert failed.kind == FailureKind.CORRUPT


def animated(suffix: str, frames: int) -> bytes:
    file, images = io.BytesIO(), [Image.new("RGB", (8, 8), (9 * number, 0, 0)) for number in range(frames)]
    images[0].save(
        file,
        Image.registered_extensions().get(suffix, "JPEG"),
        save_all=True,
        append_images=images[1:],
        loop=0,
    )
    return file.getvalue()


@pytest.mark.parametrize("suffix", sorted({".png", ".webp", ".avif", ".heic"} & SUFFIXES))
def test_an_animation_over_the_limit_names_the_key_that_raises_it(suffix: str) -> None:
    data = animated(suffix, 4)
    assert isinstance(decode(data, max_frames=4), Picture)
    failed = decode(data, max_frames=3)
    assert isinstance(failed, Failed)
    assert failed.reason == "4 frames are more than decode.max_frames allows (3)"


@pytest.mark.parametrize("suffix", [".gif", ".tif"])
def test_frames_that_no_header_tells_of_are_not_counted(suffix: str) -> None:
    """What lies behind the first one is not even looked at."""
    data = animated(suffix, 4)
    assert isinstance(decode(data[: len(data) * 3 // 4], max_frames=1), Picture)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_picture_over_the_memory_limit_names_the_key_that_raises_it(mode: Mode) -> None:
    data = noise(".png")
    held = len(data) + 7 * 64 * 64
    assert isinstance(decode(data, mode=mode, max_memory=held), Picture)
    failed = decode(data, mode=mode, max_memory=held - 1)
    assert isinstance(failed, Failed)
    assert (
        failed.reason == f"{held:,} bytes to decode it are more than decode.max_memory allows ({held - 1:,})"
    )


def progressive(size: tuple[int, int], scans: int, behind: bytes = b"") -> bytes:
    """A JPEG whose last scan comes so often that there are so many."""
    file = io.BytesIO()
    Image.new("RGB", size, "orange").save(file, "JPEG", progressive=True)
    data = file.getvalue().removesuffix(b"\xff\xd9")
    more = scans - data.count(b"\xff\xda")
    return data + data[data.rindex(b"\xff\xda") :] * more + b"\xff\xd9" + behind


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_scans_that_would_take_long_are_counted_first(mode: Mode) -> None:
    failed = decode(progressive((3_000, 3_000), 400), 10 * MEGABYTE, mode)
    assert isinstance(failed, Failed)
    assert failed.reason == "400 scans of 9,000,000 pixels each would take too long to decode"


def test_a_large_photo_may_have_as_many_scans_as_cameras_make() -> None:
    assert isinstance(decode(progressive((10_000, 5_000), 20), 50 * MEGABYTE, "fast"), Picture)


def jpeg_that_claims(width: int, height: int, **options: Any) -> bytes:
    """A JPEG whose header alone is that large; the rest of its pixels is missing."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "orange").save(file, "JPEG", **options)
    size = struct.pack(">HH", 64, 64)
    return file.getvalue().replace(size, struct.pack(">HH", height, width), 1)


def test_a_jpeg_that_is_decoded_in_part_may_be_larger_than_what_is_decoded_whole() -> None:
    file = io.BytesIO()
    Image.new("RGB", (4_000, 3_000), "orange").save(file, "JPEG")
    picture = decode(file.getvalue(), MEGABYTE, "fast")
    assert isinstance(picture, Picture)
    assert (picture.facts.width, picture.facts.height) == (4_000, 3_000)
    failed = decode(file.getvalue(), MEGABYTE, "exact")
    assert isinstance(failed, Failed)
    assert failed.reason == "4000×3000 pixels are more than decode.max_pixels allows (1,000,000)"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            jpeg_that_claims(65_000, 65_000),
            "1 scan of 4,225,000,000 pixels would take too long to decode",
            id="time",
        ),
        pytest.param(
            jpeg_that_claims(16_320, 12_240, progressive=True, subsampling="4:4:4"),
            "bytes to decode it are more than decode.max_memory allows (750,000,000)",
            id="memory",
        ),
    ],
)
def test_a_jpeg_that_is_decoded_in_part_is_judged_by_what_that_takes(data: bytes, reason: str) -> None:
    failed = decode(data, 100 * MEGABYTE, "fast", max_memory=DecodeSettings().max_memory)
    assert isinstance(failed, Failed)
    assert failed.reason.endswith(reason)
    assert failed.kind == FailureKind.TOO_LARGE


def test_a_small_picture_may_have_many_scans() -> None:
    assert isinstance(decode(progressive((64, 64), 400)), Picture)


def test_the_scans_of_a_picture_behind_the_first_are_not_counted() -> None:
    """Some cameras put whole series in one file."""
    series = progressive((3_000, 3_000), 10) * 50
    assert isinstance(decode(progressive((3_000, 3_000), 10, behind=series), 10 * MEGABYTE, "fast"), Picture)


def in_runs(width: int, height: int, runs: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(1024) + runs


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            in_runs(3_163, 3_163, b"\1\7\0\0" * 3_163),
            "10,004,569 pixels are more than a run-length BMP may have (10,000,000)",
            id="pixels",
        ),
        pytest.param(
            in_runs(8, 8, bytes(3_000_000)),
            "the picture is damaged: it has far too many parts",
            id="runs",
        ),
    ],
)
def test_a_bmp_of_runs_has_limits_of_its_own(data: bytes, reason: str) -> None:
    failed = decode(data, 20 * MEGABYTE)
    assert isinstance(failed, Failed)
    assert failed.reason == reason


def test_a_screenshot_may_be_a_bmp_of_runs() -> None:
    row = b"\xff\7" * 15 + b"\x0f\3" + b"\0\0"
    assert isinstance(decode(in_runs(3_840, 2_160, row * 2_160), 10 * MEGABYTE), Picture)


def without_heic(data: bytes) -> str:
    """What comes of a picture where pillow-heif is not installed."""
    code = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from tests.unit.test_decode_bad_input import decode\n"
        "outcome = decode(sys.stdin.buffer.read())\n"
        "print(type(outcome).__name__, getattr(outcome, 'kind', ''), getattr(outcome, 'reason', ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.mark.skipif(".heic" not in Image.registered_extensions(), reason="pillow-heif is not installed")
def test_a_heic_is_called_heic_where_it_cannot_be_decoded() -> None:
    told = without_heic(noise(".heic"))
    assert told.startswith("Failed left out a HEIC, which this installation leaves out: ")
    assert told.endswith("-m pip install pillow-heif, then tagger retry --all")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".avif"])
def test_other_formats_need_no_heic(suffix: str) -> None:
    if suffix in SUFFIXES:
        assert without_heic(noise(suffix)).startswith("Picture")
