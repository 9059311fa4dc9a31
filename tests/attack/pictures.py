"""Pictures that were damaged at random, of every format that Tagger reads, and the one that it once died of."""

import io
import re
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from tests.unit.test_hostile_pictures import grey, long, mutants, seeds, tiff


def every_seed() -> dict[str, bytes]:
    """A small picture of each format and of each way in which it may be written, by name."""
    colours = np.asarray(Image.open(io.BytesIO(seeds()["rgb.png"])).convert("RGB"))
    deep = colours.astype(np.uint16) * 257
    jpeg, avif, webp = imagecodecs.jpeg_encode, imagecodecs.avif_encode, imagecodecs.webp_encode
    found = {
        "optimised.jpg": jpeg(colours, level=60, optimize=True),
        "whole colours.jpg": jpeg(colours, level=99, subsampling="444"),
        "12 bits.jpg": jpeg(deep >> 4, bitspersample=12),
        "lossless.jpg": jpeg(colours, lossless=True),
        "deep colours.png": imagecodecs.png_encode(deep),
        "quick.webp": webp(colours, level=1, method=0),
        "lossless.avif": avif(colours, level=100),
        "10 bits.avif": avif(deep >> 6, bitspersample=10),
    }
    image = Image.fromarray(colours)
    for name in ("tiff_ccitt", "group3", "lzma", "zstd", "tiff_deflate"):
        file = io.BytesIO()
        mode = "1" if name in ("tiff_ccitt", "group3") else "RGB"
        image.convert(mode).save(file, "TIFF", compression=name)
        found[f"{name}.tif"] = file.getvalue()
    return {name: timeless(bytes(data)) for name, data in (seeds() | found).items()}


def timeless(data: bytes) -> bytes:
    """An animated AVIF notes when it was made, in up to three boxes: the same seed is to give the same bytes tomorrow."""
    changed = bytearray(data)
    for box in re.finditer(rb"(?s)(?:mvhd|tkhd|mdhd)(.)...", data):
        size = 16 if box[1] == b"\1" else 8
        changed[box.end() : box.end() + size] = bytes(size)
    return bytes(changed)


def mutated(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many in all, each kind as often as the others; the same for the same seed. Their names are unique."""
    found = every_seed()
    others = list(found.values())
    each = -(-count // len(found))
    kinds = [mutants(f"{seed} {name}", data, others, each) for name, data in found.items()]
    in_turn = chain.from_iterable(zip_longest(*kinds))
    return islice((one for one in in_turn if one), count)


def fax(height: int = 90_000_000, rows_per_strip: int = 10_000) -> bytes:
    """A fax, a pixel wide and as many high: 76 kB, since all its strips are the same bytes, and they are none of a fax."""
    strips, body = height // rows_per_strip, b"\x55" * 4_000
    numbers = {256: 1, 257: height, 258: 1, 259: 3, 262: 0, 277: 1, 278: rows_per_strip}
    tags = [(tag, 4, long(number)) for tag, number in numbers.items()]
    tags.append((279, 4, long(*[len(body)] * strips)))
    start = len(tiff([*tags, (273, 4, long(*[0] * strips))]))
    return tiff([*tags, (273, 4, long(*[start] * strips))]) + body


def tall(height: int = 1_000_000) -> bytes:
    """A TIFF of grey strips of a row each, all of them the same byte."""
    tags = [tag for tag in grey(1) if tag[0] != 257]
    tags += [(257, 4, long(height)), (278, 4, long(1)), (279, 4, long(*[1] * height))]
    return tiff([*tags, (273, 4, long(*[8] * height))])


def good(count: int) -> Iterator[bytes]:
    """Photos of a camera's kind, each with content of its own."""
    random = np.random.default_rng(0)
    sky = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((640, 480))
    file = io.BytesIO()
    sky.save(file, "JPEG", quality=85)
    jpeg = file.getvalue()
    for number in range(count):
        yield jpeg[:2] + b"\xff\xfe\0\x0a" + number.to_bytes(8) + jpeg[2:]


def write(folder: Path, pictures: Iterator[tuple[str, bytes]]) -> list[Path]:
    folder.mkdir()
    files = []
    for name, data in pictures:
        files.append(folder / name)
        files[-1].write_bytes(data)
    return files
