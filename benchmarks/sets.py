"""The pictures that are measured: sets A to E, from TAGGER_PHOTOS, else from generated pictures.

Large pictures are small ones, enlarged. Enlarging alone makes files that are too easy: a camera's JPEG holds
grain, and decoding it costs what its bytes cost. So JPEGs get grain until they weigh what a camera's do (about
3 bits per pixel); PNGs get none, because what is rendered has none. No two files have the same content.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

GRAIN = 8.0
"""Standard deviation of the luminance noise, of 255 steps: a camera's at ISO 400, about."""


class PictureSet(NamedTuple):
    """`write` makes picture number N of a source picture, as a file of the stem given."""

    title: str
    pictures: int
    write: Callable[[Path, Path, int], None]


def original(source: Path, to: Path, number: int) -> None:
    """A few bytes behind the end, where no decoder looks, make each copy new content."""
    to.with_suffix(".jpg").write_bytes(source.read_bytes() + number.to_bytes(4, "big"))


def jpeg(source: Path, to: Path, number: int, size: tuple[int, int]) -> None:
    pixels = np.asarray(enlarged(source, size), np.int16)
    grain = GRAIN * np.random.default_rng(number).standard_normal(pixels.shape[:2], np.float32)
    picture = np.clip(pixels + grain.astype(np.int16)[..., None], 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(to.with_suffix(".jpg"), quality=90)


def png(source: Path, to: Path, number: int, size: tuple[int, int]) -> None:
    picture = enlarged(source, size)
    picture.putpixel((0, 0), (number % 256, number // 256, 0))
    picture.save(to.with_suffix(".png"))


def enlarged(source: Path, size: tuple[int, int]) -> Image.Image:
    with Image.open(source) as picture:
        return ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.BICUBIC)


HD, CAMERA = (1920, 1080), (4000, 3000)

SETS = {
    "A": PictureSet("originals, JPEG", 480, original),
    "B": PictureSet("1080p JPEG", 240, partial(jpeg, size=HD)),
    "C": PictureSet("12-megapixel JPEG", 72, partial(jpeg, size=CAMERA)),
    "D": PictureSet("1080p PNG", 96, partial(png, size=HD)),
}
MIXED = "mixed: A, B, C and D, 8 : 4 : 1 : 3"
MIX = {"A": 40, "B": 20, "C": 5, "D": 15}


def build(home: Path, part: float = 1.0) -> dict[str, Path]:
    """Each set's folder below `home`, in the order of their names; one that is there already is kept.

    `part` is how much of each set is wanted.
    """
    folders = {name: home / name for name in (*SETS, "E")}
    sources = photos(home / "sources")
    with ThreadPoolExecutor(2) as pool:
        for name, kind in SETS.items():
            if not folders[name].exists():
                folders[name].mkdir(parents=True)
                chosen = islice(cycle(sources), round(kind.pictures * part))
                list(pool.map(lambda job, write=kind.write: write(*job), _jobs(chosen, folders[name])))
    if not folders["E"].exists():
        _mix(folders, part)
    return folders


def photos(generated: Path) -> list[Path]:
    """The user's photos, else generated ones, which are put into the folder given."""
    if "TAGGER_PHOTOS" in os.environ:
        return sorted(Path(os.environ["TAGGER_PHOTOS"]).glob("*.jpg"))
    generated.mkdir(parents=True, exist_ok=True)
    paths = [generated / f"{number:03}.jpg" for number in range(40)]
    for number, path in enumerate(paths):
        _painted(number).save(path, quality=90)
    return paths


def _painted(number: int) -> Image.Image:
    """Noise whose power falls with frequency as a photo's does: as hard to compress as one."""
    chance = np.random.default_rng(number)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(500), np.fft.fftfreq(375)))
    spectrum = np.fft.fft2(chance.normal(size=(3, 375, 500))) / np.maximum(frequency, 1 / 500) ** 1.2
    colours = np.fft.ifft2(spectrum).real
    colours = 0.8 * colours.mean(axis=0) + 0.2 * colours
    return Image.fromarray(
        np.clip(128 + 50 * colours / colours.std(), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    )


def _jobs(sources: Iterator[Path], folder: Path) -> Iterator[tuple[Path, Path, int]]:
    return ((source, folder / f"{number:04}", number) for number, source in enumerate(sources))


def _mix(folders: dict[str, Path], part: float) -> None:
    """Hard links, named so that the kinds are interleaved."""
    folders["E"].mkdir(parents=True)
    for name, count in MIX.items():
        some = sorted(folders[name].iterdir())[: max(1, round(count * part))]
        for number, path in enumerate(some):
            os.link(path, folders["E"] / f"{number / len(some):.4f}-{name}{path.suffix}")
