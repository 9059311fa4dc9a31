"""What frame health costs, and what it finds. `python -m benchmarks.health PHOTOS`

Frames of 1920×1080 are mosaics of the photos at their own size, so that they have detail to the last pixel. They are damaged by
known amounts, saved as JPEGs of quality 85, and go through the decoder as in the daemon. A camera is five frames.
"""

import io
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.store import LABELS, MODEL, TAXONOMY
from tagger.config import Decode
from tagger.config import Health as Limits
from tagger.place import Place
from tagger.records import Content, Facts, Health, Origin, Picture, Reading, Stamp, Tag, Tagged
from tagger.store.database import Database
from tagger.store.journal import Journal
from tagger.store.writer import Writer
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder
from tagger.vision.health import health
from tagger.vision.models import CATALOGUE

SIZE = (1920, 1080)
FRAMES = 60
CAMERA = 5
ROUNDS = 30
LIMITS = Limits()
Damage = Callable[[Image.Image], Image.Image]


def main() -> None:
    photos = [Image.open(path).convert("RGB") for path in sorted(Path(sys.argv[1]).glob("*.jpg"))]
    _print_costs(photos)
    chance = random.Random(0)  # noqa: S311
    frames = [_mosaic(photos, chance) for _ in range(FRAMES)]
    seen = {name: [_seen(damage(frame)) for frame in frames] for name, damage in DAMAGES.items()}
    _print_found(seen)
    _print_frozen(frames)
    _print_silent()


def _print_costs(photos: Sequence[Image.Image]) -> None:
    print("| frame | decode ms | health ms | part |\n|---|---:|---:|---:|")
    frame = _mosaic(photos, random.Random(1))  # noqa: S311
    large = frame.resize((4000, 3000))
    for name, image, form in (
        ("1080p JPEG", frame, "JPEG"),
        ("12-megapixel JPEG", large, "JPEG"),
        ("1080p PNG", frame, "PNG"),
    ):
        data = _saved(image, form)
        with Image.open(io.BytesIO(data)) as opened:
            if form == "JPEG":
                opened.draft(None, (256, 256))
            opened.load()
            pairs = [(_time(partial(_decoded, data)), _time(partial(health, opened))) for _ in range(ROUNDS)]
        decode, cost = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
        print(f"| {name} | {decode - cost:.2f} | {cost:.3f} | {cost / (decode - cost):.1%} |")


def _motion(length: int) -> Damage:
    """A horizontal smear of so many pixels."""

    def smear(frame: Image.Image) -> Image.Image:
        values = np.asarray(frame, np.float32)
        kernel = np.cumsum(np.pad(values, ((0, 0), (length, 0), (0, 0)), "edge"), axis=1)
        return Image.fromarray(
            ((kernel[:, length:] - kernel[:, :-length]) / length).clip(0, 255).astype(np.uint8)
        )

    return smear


def _blur(sigma: float) -> Damage:
    return lambda frame: frame.filter(ImageFilter.GaussianBlur(sigma))


def _light(factor: float) -> Damage:
    return lambda frame: frame.point([round(value * factor) for value in range(256)] * 3)


def _infrared(factor: float) -> Damage:
    """In grey, darker, with the noise of a sensor at its limit."""

    def at_night(frame: Image.Image) -> Image.Image:
        values = np.asarray(frame.convert("L"), np.float32) * factor
        noise = np.random.default_rng(0).normal(0, 6, values.shape)
        return Image.fromarray((values + noise).clip(0, 255).astype(np.uint8)).convert("RGB")

    return at_night


DAMAGES: dict[str, Damage] = {
    "as it is": lambda frame: frame,
    **{f"light × {factor}": _light(factor) for factor in (0.02, 0.05, 0.1, 0.2, 0.4)},
    **{f"blur, σ {sigma} px": _blur(sigma) for sigma in (1, 2, 3, 4, 6, 10)},
    **{f"smear of {length} px": _motion(length) for length in (5, 10, 20, 40)},
    **{f"infrared, light × {factor}": _infrared(factor) for factor in (0.2, 0.4, 0.6)},
    "one colour": lambda frame: Image.new("RGB", frame.size, (90, 120, 60)),
}
MEANT = {
    "black": ("light × 0.02", "light × 0.05"),
    "blurred": ("blur, σ 4 px", "blur, σ 6 px", "blur, σ 10 px", "smear of 40 px"),
    "night": tuple(name for name in DAMAGES if name.startswith("infrared")),
    "blank": ("one colour", "light × 0.02"),
}
DETECTORS: dict[str, Callable[[Sequence[Health]], bool]] = {
    "black": lambda some: max(one.brightness for one in some) < LIMITS.black,
    "blurred": lambda some: (
        max(one.sharpness for one in some) < LIMITS.blurred and not any(one.is_blank for one in some)
    ),
    "night": lambda some: (
        max(one.colourfulness for one in some) < LIMITS.colourless
        and LIMITS.black <= max(one.brightness for one in some) < LIMITS.night
    ),
    "blank": lambda some: all(one.is_blank for one in some),
}
"""As in the view `camera_health`, of a camera's last frames; `blank` is each file's own."""


def _print_found(seen: dict[str, list[Health]]) -> None:
    print(
        f"\n{FRAMES} frames of each damage, and {FRAMES // CAMERA} cameras of {CAMERA}: found by frame / by camera\n"
    )
    print("| damage | " + " | ".join(DETECTORS) + " |\n|---|" + "---:|" * len(DETECTORS))
    for name, frames in seen.items():
        cells = (
            f"{_share(detect, frames, 1):.0%} / {_share(detect, frames, CAMERA):.0%}"
            for detect in DETECTORS.values()
        )
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n| detector | meant | recall | precision |\n|---|---|---:|---:|")
    for detector, names in MEANT.items():
        found = {name: _share(DETECTORS[detector], frames, CAMERA) for name, frames in seen.items()}
        right = sum(found[name] for name in names)
        others = sum(
            share for name, share in found.items() if name not in names and not _is_milder(name, detector)
        )
        precision = right / (right + others) if right else 0.0
        print(f"| {detector} | {', '.join(names)} | {right / len(names):.1%} | {precision:.1%} |")


def _is_milder(name: str, detector: str) -> bool:
    """The same damage, in an amount that it is not meant for: neither right nor wrong."""
    kinds = {"black": ("light",), "blurred": ("blur", "smear"), "night": ("infrared",), "blank": ("one",)}
    return name.startswith(kinds[detector])


def _share(detect: Callable[[Sequence[Health]], bool], frames: Sequence[Health], size: int) -> float:
    return statistics.mean(detect(some) for some in _groups(frames, size))


def _groups(frames: Sequence[Health], size: int) -> Iterator[Sequence[Health]]:
    return (frames[start : start + size] for start in range(0, len(frames), size))


def _print_frozen(frames: Iterable[Image.Image]) -> None:
    """By the bytes, or by all numbers of health: what a frozen camera sends, and what a live one that sees nothing move."""
    chance = np.random.default_rng(0)
    kinds: dict[str, Callable[[Image.Image, int], bytes]] = {
        "the same file": lambda frame, _: _saved(frame),
        "the same frame, with another comment": lambda frame, number: _saved(
            frame, comment=f"{number}".encode()
        ),
        "the same frame, of another quality": lambda frame, number: _saved(frame, quality=80 + number),
        "live: noise of σ 1": lambda frame, _: _saved(_noisy(frame, chance, 1)),
        "live: noise of σ 3": lambda frame, _: _saved(_noisy(frame, chance, 3)),
    }
    print("\n| five frames of a camera | frozen |\n|---|---:|")
    some = list(frames)[:20]
    for name, make in kinds.items():
        found = [len({_seen_in(make(frame, number)) for number in range(CAMERA)}) == 1 for frame in some]
        print(f"| {name} | {statistics.mean(found):.0%} |")


def _print_silent() -> None:
    """Cameras that take a picture every five minutes or, by movement, at random moments of that mean."""
    print("\n| last picture | silent: every 5 min | by movement, 5 min on average |\n|---|---:|---:|")
    for gap in (10, 30, 50, 65, 120, 360):
        cells = (f"{_silent(gap, by_chance):.0%}" for by_chance in (False, True))
        print(f"| {gap} min ago | " + " | ".join(cells) + " |")


def _silent(gap: float, by_chance: bool, cameras: int = 40) -> float:
    now, chance = datetime.now(UTC), random.Random(int(gap))  # noqa: S311
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Database.open(f"{folder}/tags.db", create=True)) as database,
    ):
        places = {"cam": Place(r"(?P<camera>\d+)/")}
        writer = Writer(database, MODEL, LABELS, TAXONOMY, "", lambda: now, places=places)
        journal = Journal(database, {"cam": "/cam"}, lambda: now, writer.registered, places)
        for camera in range(cameras):
            at = now - timedelta(minutes=gap)
            for number in range(25):
                written = int(at.timestamp() * 1e9)
                stamp = Stamp(f"/cam/{camera}/{number}.jpg", "cam", 1, written, written)
                journal.admit([stamp], Origin.SCAN)
                journal.claim(1)
                facts = Facts(f"{camera} {number}", 1, 1, "JPEG", None)
                writer.write([Tagged(stamp, facts, Reading((Tag(LABELS[0], 0.9, 1),), 0.9, 0.9, 0.0))])
                at -= timedelta(minutes=chance.expovariate(1 / 5) if by_chance else 5)
        with closing(sqlite3.connect(f"{folder}/tags.db")) as connection:
            return float(connection.execute("SELECT avg(is_silent) FROM camera_health").fetchone()[0])


def _mosaic(photos: Sequence[Image.Image], chance: random.Random) -> Image.Image:
    frame = Image.new("RGB", SIZE)
    for left in range(0, SIZE[0], 400):
        for top in range(0, SIZE[1], 300):
            frame.paste(chance.choice(photos), (left, top))
    return frame


def _noisy(frame: Image.Image, chance: np.random.Generator, sigma: float) -> Image.Image:
    values = np.asarray(frame, np.float32) + chance.normal(0, sigma, (SIZE[1], SIZE[0], 1))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _saved(frame: Image.Image, form: str = "JPEG", quality: int = 85, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    frame.save(file, form, **({"quality": quality, "comment": comment} if form == "JPEG" else {}))
    return file.getvalue()


def _seen(frame: Image.Image) -> Health:
    return _seen_in(_saved(frame))


def _seen_in(data: bytes) -> Health:
    found = _decoded(data).facts.health
    if found is None:
        sys.exit("a frame's health could not be told")
    return found


_DECODE = Decode()
_DECODER = Decoder(CATALOGUE[0].preprocessing, _DECODE.max_pixels, PixelBudget(), "fast")


def _decoded(data: bytes) -> Picture:
    picture = _DECODER.decode(Content(Stamp("/frame", "", len(data), 0, 0), data, ""))
    if not isinstance(picture, Picture):
        sys.exit(f"a frame cannot be decoded: {picture.reason}")
    return picture


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
