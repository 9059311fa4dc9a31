"""Pictures that were damaged, or made to do harm: each is decoded, or refused in a sentence, and the process lives on.

They are decoded in a child process. `python -m tests.unit.test_hostile_pictures 20000` makes so many of each kind.
Each lies in the child's folder while it is decoded, and stays there if it was too much.
"""

import base64
import hashlib
import io
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from tagger.config.tagging import DecodeSettings
from tagger.host.confinement import MemoryBound
from tagger.records import Content, Failed, Picture, Stamp
from tagger.vision.budget import MemoryBudget, PixelBudget
from tagger.vision.child_decoder import is_risky
from tagger.vision.child_main import BESIDE
from tagger.vision.decode import SUFFIXES, Decoder, Mode
from tagger.vision.memory import give_back_what_is_freed
from tagger.vision.models import Preprocessing
from tests.unit.test_decode_memory import colour_by_colour, forget_the_peak, memory

pytestmark = pytest.mark.long

PREPROCESSING = Preprocessing(64, 56, "bilinear", (0, 0, 0), (1, 1, 1))
SECONDS, BYTES = 5, 1_000_000_000
"""The most that a picture may take, and the process with all of them."""
OF_EACH_KIND = 100
SIZE = (61, 47)

# What they are made from


def seeds() -> dict[str, bytes]:
    """A small picture of each kind, by name."""
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)
    image = Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC)
    other = [image.transpose(Image.Transpose.ROTATE_180)]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:01 12:00:00"
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)

    def saved(form: str, picture: Image.Image = image, **options: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, form, **options)
        return file.getvalue()

    def squeezed(compression: str, mode: str = "RGB") -> bytes:
        return saved("TIFF", image.convert(mode), compression=compression, exif=exif)

    rgb = image.convert("RGB")
    found = {
        "baseline.jpg": saved("JPEG", rgb, exif=exif),
        "progressive.jpg": saved("JPEG", rgb, progressive=True, subsampling=0),
        "cmyk.jpg": saved("JPEG", image.convert("CMYK"), progressive=True),
        "scans.jpg": colour_by_colour(saved("JPEG", image.convert("L"))),
        "pair.jpg": saved("MPO", rgb, save_all=True, append_images=[rgb]),
        "rgb.png": saved("PNG", rgb, exif=exif, icc_profile=bytes(200)),
        "rgba.png": saved("PNG"),
        "deep.png": saved("PNG", deep),
        "palette.png": saved("PNG", rgb.quantize(16), transparency=bytes(range(16))),
        "interlaced.png": interlaced(np.asarray(rgb)),
        "animated.png": saved("PNG", save_all=True, append_images=other),
        "animated.gif": saved("GIF", save_all=True, append_images=other),
        "lossy.webp": saved("WEBP", exif=exif),
        "lossless.webp": saved("WEBP", lossless=True),
        "animated.webp": saved("WEBP", save_all=True, append_images=other),
        "raw.tif": saved("TIFF", rgb, exif=exif),
        "float.tif": saved("TIFF", image.convert("F")),
        "lzw.tif": squeezed("tiff_lzw", "RGBA"),
        "deflate.tif": squeezed("tiff_adobe_deflate"),
        "jpeg.tif": squeezed("jpeg"),
        "fax.tif": squeezed("group4", "1"),
        "packbits.tif": squeezed("packbits", "CMYK"),
        "rgb.bmp": saved("BMP", rgb),
        "palette.bmp": saved("BMP", rgb.quantize(16)),
        "runs.bmp": bmp_of_runs(),
    }
    if ".avif" in SUFFIXES:
        found["still.avif"] = saved("AVIF", exif=exif)
        found["animated.avif"] = saved("AVIF", rgb, save_all=True, append_images=[rgb.rotate(180)])
    if ".heic" in SUFFIXES:
        found["still.heic"] = saved("HEIF", rgb, exif=exif)
        found["clear.heic"] = saved("HEIF")
    return found


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int, height: int, rows: bytes, kind: int = 2, interlace: int = 0, before: bytes = b""
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, interlace))
    pixels = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels


def interlaced(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    passes = (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    )
    parts = [pixels[top::down, left::right] for top, left, down, right in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part)
    return png(pixels.shape[1], pixels.shape[0], rows, interlace=1)


def bmp_of_runs() -> bytes:
    """Rows of runs and rows of bytes, in the compression that BMP has of its own."""
    width, height = SIZE
    rows = bytes((width, 7, 0, 0)) + bytes((0, width, *range(width), *bytes(width % 2), 0, 0))
    return bmp_of(width, height, rows * (height // 2) + bytes((width, 9, 0, 1)))


def bmp_of(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    palette = bytes(range(256)) * 4
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + palette + pixels


# What is done to them

_PARTS = re.compile(
    rb"(?s)(?=.{4}(?:IHDR|PLTE|tRNS|acTL|fcTL|fdAT|IDAT|eXIf|IEND)"  # PNG
    rb"|.{4}(?:ftyp|meta|hdlr|pitm|iloc|iinf|infe|iref|iprp|ipco|ispe|pixi|av1C|hvcC|ipma|mdat|moov|trak)"  # AVIF
    rb"|VP8[ LX]|ANIM|ANMF|ALPH|EXIF|\xff[\xc0-\xfe]|[,!].)"  # WebP, JPEG, GIF
)
_NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    9999,
    0x7FFF,
    0x8000,
    0xFFFF,
    10**6,
    2**31 - 1,
    2**31,
    2**32 - 1,
)

Mutation = Callable[[bytes, random.Random, list[bytes]], bytes]


def place(data: bytes, rng: random.Random) -> int:
    """More often than not at the start, where the headers are."""
    return int(len(data) * rng.random() ** rng.choice((1, 3)))


def cut_off(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    return data[: place(data, rng)]


def flipped(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _bit in range(rng.randint(1, 8)):
        changed[place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwritten(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    """With a number that a length, a size or an offset would not have."""
    width, start = rng.choice((1, 2, 3, 4)), place(data, rng)
    number = rng.choice(_NUMBERS) & ((1 << 8 * width) - 1)
    return data[:start] + number.to_bytes(width, rng.choice(("little", "big"))) + data[start + width :]


def removed(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    start = place(data, rng)
    return data[:start] + data[start + rng.randint(1, 64) :]


def spliced(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A part of one picture in the middle of another one."""
    other, start = rng.choice(others), place(data, rng)
    first = place(other, rng)
    return data[:start] + other[first : first + rng.randint(1, 400)] + data[start:]


def without_a_part(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    parts = _PARTS.split(data)
    del parts[rng.randrange(len(parts))]
    return b"".join(parts)


def with_a_part_repeated(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    parts = _PARTS.split(data)
    parts.insert(rng.randrange(len(parts)), rng.choice(parts) * rng.choice((1, 1, 1, 100)))
    return b"".join(parts)


def with_a_part_of_another(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    parts = _PARTS.split(data)
    parts.insert(rng.randrange(len(parts)), rng.choice(_PARTS.split(rng.choice(others))))
    return b"".join(parts)


MUTATIONS: tuple[Mutation, ...] = (
    *(flipped, overwritten) * 4,  # they leave all else where it was, and so get further
    *(cut_off, removed, spliced, without_a_part, with_a_part_repeated, with_a_part_of_another),
)


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose damage is not found by its checksums already."""
    mended, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        mended[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4) if end + 4 <= len(data) else b""
        at = end + 4
    return bytes(mended)


def mutants(name: str, seed: bytes, others: list[bytes], count: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(name)  # noqa: S311
    for number in range(count):
        data = seed
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            data = rng.choice(MUTATIONS)(data, rng, others) or data
        if name.endswith(".png") and rng.random() < 0.8:
            data = with_right_checksums(data)
        yield f"{number}-{name}", data


# What was made to do harm


def tiff(tags: list[tuple[int, int, bytes]], behind: int = 0) -> bytes:
    """Tags of (number, type, value); `behind` is where it says that its next directory is."""
    sizes = {1: 1, 3: 2, 4: 4, 5: 8}
    entries, values, start = b"", b"", 8 + 2 + 12 * len(tags) + 4
    for tag, kind, value in sorted(tags):
        entries += struct.pack("<HHI", tag, kind, len(value) // sizes[kind])
        entries += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", start + len(values))
        values += value if len(value) > 4 else b""
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", behind) + values


def long(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def grey(side: int = 64, compression: int = 1) -> list[tuple[int, int, bytes]]:
    """The tags of a TIFF, but for where its pixels are."""
    numbers = {256: side, 257: side, 258: 8, 259: compression, 262: 1, 277: 1}
    return [(tag, 4, long(number)) for tag, number in numbers.items()]


def tiff_of_one_tile(side: int) -> bytes:
    squeeze = zlib.compressobj(9)
    zeros = b"".join(squeeze.compress(bytes(side)) for _ in range(side)) + squeeze.flush()
    tags = [*grey(compression=8), (322, 4, long(side)), (323, 4, long(side)), (325, 4, long(len(zeros)))]
    start = len(tiff([*tags, (324, 4, long(0))]))
    return tiff([*tags, (324, 4, long(start))]) + zeros


def png_about(name: bytes, body: bytes) -> bytes:
    """A PNG that is well but for a chunk."""
    return png(8, 8, bytes(25) * 8, before=chunk(name, body))


def exif_within_exif(depth: int) -> bytes:
    """Each directory holds nothing but where the next one is; the last one names the first."""
    places = [8 + 18 * number for number in range(depth)]
    nexts = [*places[1:], places[0]]
    directories = (struct.pack("<HHHIII", 1, ExifTags.IFD.Exif, 4, 1, to, to) for to in nexts)
    return b"II*\0" + long(8) + b"".join(directories)


def exif_of_numbers(count: int) -> bytes:
    inner = tiff([(0x9201, 5, long(1, 3) * count)])[8:]
    # Its value lies behind 18 bytes more than it says: those of the directory around it.
    inner = inner[:10] + struct.pack("<I", 26 + 18) + inner[14:]
    return b"II*\0" + struct.pack("<IHHHIII", 8, 1, ExifTags.IFD.Exif, 4, 1, 26, 0) + inner


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_animation(canvas: int, frames: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "WEBP", lossless=True)
    size = struct.pack("<I", canvas - 1)[:3]
    frame = bytes(12) + b"\x01\0\0\0" + file.getvalue()[12:]
    header = (b"VP8X", b"\x02\0\0\0" + size * 2), (b"ANIM", bytes(6))
    return webp(*header, *[(b"ANMF", frame)] * frames)


def gif(screen: int, width: int, height: int) -> bytes:
    """Its frame is to leave the background behind, which Pillow paints as soon as it opens one."""
    header = (
        b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + bytes(6) + b"!\xf9\x04\x08" + bytes(5)
    )
    return header + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0;"


def jpeg_of_comments(count: int) -> bytes:
    return b"\xff\xd8" + b"\xff\xfe\0\x02" * count + seeds()["baseline.jpg"][2:]


def enlarged(jpeg: bytes) -> bytes:
    width, height = SIZE
    return jpeg.replace(struct.pack(">HH", height, width), struct.pack(">HH", 6_000, 6_000))


def jpeg_of_scans(count: int, between: bytes = b"", arithmetic: bool = False, mode: str = "L") -> bytes:
    """Each scan is of a few bytes, and goes over 24 megapixels."""
    file = io.BytesIO()
    Image.new(mode, (4_000, 6_000), 99).save(file, "JPEG", progressive=True)
    data = file.getvalue().removesuffix(b"\xff\xd9")
    if arithmetic:
        data = data.replace(b"\xff\xc2", b"\xff\xca", 1)
    return data + (between + data[data.rindex(b"\xff\xda") :]) * count + b"\xff\xd9"


def tiff_of_scans(strips: int) -> bytes:
    """All its strips are the same bytes, with as many scans as libtiff will have."""
    strip = jpeg_of_scans(90)
    tags = [tag for tag in grey(4_000, compression=7) if tag[0] != 257]
    tags += [(257, 4, long(6_000 * strips)), (278, 4, long(6_000)), (279, 4, long(*[len(strip)] * strips))]
    start = len(tiff([*tags, (273, 4, long(*[0] * strips))]))
    return tiff([*tags, (273, 4, long(*[start] * strips))]) + strip


def vast_avif(claimed: int) -> bytes:
    """Its frame has 268 megapixels, of three colours each."""
    side = struct.pack(">II", 16_384, 16_384)
    return zlib.decompress(base64.b85decode(_VAST_AVIF)).replace(side, struct.pack(">II", claimed, claimed))


_VAST_AVIF = (
    "c-muNU{FXasVqn=%S>Yc0uY^>nP!-qnV9D5Xy^zOdYzkElE?r7iWw<6MNl?FL1uCZ0~+8f$SlbPvlxL`E;A=T8N_h`@fjhajKT~I"
    "Ja>R>jm*rvG`LzRASaax%1bOWFm%q($p_n&m03_!0HnP$3zGAJv`A)gK`O*L2PkF`D9EhH1TmO7I5>b5Phy#&bE7?2k#KT;PElTR"
    "P6g0pUIw-XppbZGK`zWsK!>p~GBvXRH9g5qNh}d!;NrIbUjP69-z6+2QVvF^Bqan5W}H-TWD!20z`&4n{#@W%&AW@+{=2=ucykqd"
    "`{o@N76$qJ+n90eWlGnoP3*5`%bw|L&C$@}tJ75f?fQD+GWS#k<4Wc^A-9rrAFt%Px-W_Q!k%q*tG@ibl)qnUUXF_2;fT4%jh7yK"
    "n6NfY{id?&pOo|GBFdRQZ*RK){VDH4b9+wHbZ+qrvmYAnztZ|roo!ctfX<rFSt~u5u3Hy7u1-B^ar?LLt=@xEmxVoF8}zOH0#EPq"
    "-6eOPGYjA8(>Aw=?@9eI)9R^2^ORL5|Af~l^0t0%TpfP&#HcN!wv5^`YRjlCqqdCNGHT1HEu*%K+A>hK(8Uq}mOSJ-"
)
"""Made by Pillow from a grey picture, with speed=10 and subsampling="4:4:4"."""


def avif_that_lies(claimed: int, side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side), 99).save(file, "AVIF", speed=10)
    return file.getvalue().replace(struct.pack(">II", side, side), struct.pack(">II", claimed, claimed))


def bombs() -> dict[str, bytes]:
    strips = [(273, 3, b"\x08\0" * 2_000_000), (278, 4, long(1)), (279, 4, long(8))]
    found = {
        "60000×60000.png": png(60_000, 60_000, bytes(60_001 * 100), 0),
        "8000×8000.png": png(8_000, 8_000, bytes(8_001 * 8_000), 0),
        "no pixels.png": png(9_999, 9_999, b""),
        "profile.png": png_about(b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000))),
        "text.png": png_about(b"zTXt", b"x\0\0" + zlib.compress(bytes(50_000_000))),
        "chunks.png": png(8, 8, bytes(25) * 8, before=chunk(b"abCd", b"") * 2_000_000),
        "frames.png": png_about(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        "exif in itself.png": png_about(b"eXIf", exif_within_exif(1)),
        "exif in exif.png": png_about(b"eXIf", exif_within_exif(5_000)),
        "exif of numbers.png": png_about(b"eXIf", exif_of_numbers(2_000_000)),
        "screen.gif": gif(65_535, 8, 8),
        "frame.gif": gif(8, 65_535, 65_535),
        "comments.jpg": jpeg_of_comments(2_000_000),
        **{f"vast {name}": enlarged(seeds()[name]) for name in ("baseline.jpg", "progressive.jpg")},
        "ends of rows.bmp": bmp_of(9_999, 9_900, bytes((1, 7, 0, 0)) * 9_900),
        "one long row.bmp": bmp_of(99_000_000, 1, bytes((1, 7, 0, 0))),
        "ends of no rows.bmp": bmp_of(8, 8, bytes(40_000_000)),
        "moves to nowhere.bmp": bmp_of(8, 8, bytes((1, 7)) + bytes((0, 2, 0, 0)) * 10_000_000),
        "scans.jpg": jpeg_of_scans(500),
        "scans behind comments.jpg": jpeg_of_scans(500, between=b"\xff\xfe\0\4\xff\xd9"),
        "scans without bytes.jpg": jpeg_of_scans(200, arithmetic=True, mode="RGB"),
        "scans.tif": tiff_of_scans(4),
        "loop.tif": tiff([*grey(), (273, 4, long(8)), (279, 4, long(64 * 64))], behind=8) + bytes(4096),
        "strips.tif": tiff([*grey(1_000), *strips]),
        "exif in itself.tif": tiff([*grey(), (273, 4, long(8)), (ExifTags.IFD.Exif, 4, long(8))])
        + bytes(4096),
        "tile.tif": tiff_of_one_tile(40_000),
        "canvas.webp": webp_animation(2**24, 1),
        "lesser canvas.webp": webp_animation(16_383, 1),
        "frames.webp": webp_animation(1, 20_000),
        "exif of numbers.webp": webp(
            (b"VP8X", struct.pack("<IHBHB", 0x18, SIZE[0] - 1, 0, SIZE[1] - 1, 0)),
            (b"VP8L", seeds()["lossless.webp"][20:]),
            (b"EXIF", exif_of_numbers(2_000_000)),
        ),
    }
    if ".avif" in SUFFIXES:
        found |= {"smaller.avif": avif_that_lies(64, 4_000), "larger.avif": avif_that_lies(5_000, 64)}
        found |= {"vast.avif": vast_avif(64)}
    return found


# What comes of it


def corpus(count: int) -> Iterator[tuple[str, bytes]]:
    made = seeds()
    yield from bombs().items()
    for name, seed in made.items():
        yield from mutants(name, seed, [*made.values()], count)


class KernelBudget:
    """What a child has: the kernel gives no more memory than a picture's headers ask for, and a little beside."""

    def __init__(self, most: int) -> None:
        self._memory = MemoryBound(most + BESIDE)

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        with self._memory.lowered_to(size + BESIDE):
            yield


def judged(decoder: Decoder, content: Content) -> tuple[str, str]:
    """What came out, in a word; and what a user would have to say against it, or nothing."""
    forget_the_peak()
    start = time.process_time()  # that other processes are at work is not the picture's fault
    outcome = decoder.decode(content)
    seconds, most = time.process_time() - start, memory("VmHWM")
    is_too_much = seconds > SECONDS or most > BYTES
    said = f"took {seconds:.1f} s and {most / 1_000_000:.0f} MB" if is_too_much else complaint(outcome)
    return type(outcome).__name__, said


def complaint(outcome: object) -> str:
    if isinstance(outcome, Picture):
        crop = PREPROCESSING.crop
        return (
            "" if outcome.frames[0].shape == (crop, crop, 3) else f"has the shape {outcome.frames[0].shape}"
        )
    is_sentence = isinstance(outcome, Failed) and outcome.reason and outcome.reason.isprintable()
    return "" if is_sentence else f"came out as {outcome!r}"


def decode_all(count: int, folder: Path) -> int:
    """How many came out as they should not. Each of them stays in the folder."""
    limits, bad = DecodeSettings(), 0
    modes: tuple[Mode, ...] = ("fast", "exact")
    budgets: tuple[MemoryBudget, ...] = (PixelBudget(), KernelBudget(limits.max_memory))
    here, as_in_a_child = (
        [Decoder(PREPROCESSING, limits.max_pixels, budget, mode) for mode in modes] for budget in budgets
    )
    for name, data in corpus(count):
        file = folder / name
        file.write_bytes(data)
        content = Content(Stamp(str(file), "source", len(data), 0, 0), data, hashlib.sha256(data).hexdigest())
        fast, exact = as_in_a_child if is_risky(data) else here
        (one, against_one), (other, against_other) = judged(fast, content), judged(exact, content)
        if one == other and not against_one and not against_other:
            file.unlink()
            continue
        bad += 1
        sys.stdout.write(f"{file}: {one} {against_one}, {other} {against_other}\n")
    return bad


def test_no_picture_ends_the_process_or_wears_it_out(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.unit.test_hostile_pictures", str(OF_EACH_KIND), str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    left = [file.name for file in tmp_path.iterdir()]
    assert (done.returncode, left) == (0, []), done.stdout + done.stderr


if __name__ == "__main__":
    give_back_what_is_freed()
    most = int(sys.argv[1]) if len(sys.argv) > 1 else OF_EACH_KIND
    sys.exit(decode_all(most, Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())) > 0)
