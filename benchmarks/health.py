"""What frame health costs, and what it finds. `python -m benchmarks.health PHOTOS`

What it costs is measured on mosaics of the photos at their own size, which have detail to the last pixel. What it finds is
measured on one scene for each camera, as cameras have it: a photo, enlarged to 1920×1080, damaged by a known amount, saved as a
JPEG of quality 85, and decoded as in the daemon. Photos are large enough to have detail at the scale that health looks at.
"""

import io
import itertools
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
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from tagger.config.tagging import DecodeSettings
from tagger.config.views import HealthSettings
from tagger.records import Content, Health, Picture, Stamp
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.vision import decode
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder
from tagger.vision.health import health
from tagger.vision.models import CATALOGUE

SIZE = (1920, 1080)
SHARP = (480, 270)
"""What a photo must have at least: 1080p as `vision.health` reduces it."""
CAMERA = 5
ROUNDS = 30
DEAD = (2, 6, 24)
"""Hours."""
LIMITS = HealthSettings()
Damage = Callable[[Image.Image], Image.Image]


def main() -> None:
    photos = [Image.open(path).convert("RGB") for path in sorted(Path(sys.argv[1]).glob("*.jpg"))]
    _print_costs(photos)
    frames = [
        ImageOps.fit(photo, SIZE) for photo in photos if photo.width >= SHARP[0] and photo.height >= SHARP[1]
    ]
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
        pairs = [_cost(data) for _ in range(ROUNDS)]
        whole, cost = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
        print(f"| {name} | {whole - cost:.2f} | {cost:.3f} | {cost / (whole - cost):.1%} |")


def _cost(data: bytes) -> tuple[float, float]:
    """Seconds that the whole decoding takes, and health within it: there its pixels are as near as they ever are."""
    spent = []

    def timed(image: Image.Image) -> Health:
        start = time.perf_counter()
        seen = health(image)
        spent.append(time.perf_counter() - start)
        return seen

    with patch.object(decode, "health", timed):
        start = time.perf_counter()
        _decoded(data)
        return time.perf_counter() - start, spent[0]


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
DETECTORS: dict[str, Callable[[Health], bool]] = {
    "black": lambda one: one.brightness < LIMITS.black,
    "blurred": lambda one: (
        one.sharpness < LIMITS.blurred and not one.is_blank and one.brightness >= LIMITS.black
    ),
    "night": lambda one: (
        one.colourfulness < LIMITS.colourless and LIMITS.black <= one.brightness < LIMITS.night
    ),
    "blank": lambda one: one.is_blank,
}
"""As in the view `camera_health`, whose frames are all of one scene here; `blank` is each file's own."""


def _print_found(seen: dict[str, list[Health]]) -> None:
    print(f"\n{len(seen['as it is'])} scenes\n")
    print("| damage | " + " | ".join(DETECTORS) + " |\n|---|" + "---:|" * len(DETECTORS))
    for name, frames in seen.items():
        shares = (_share(detect, frames) for detect in DETECTORS.values())
        print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    print("\n| detector | meant | recall | wrong: as it is | precision |\n|---|---|---:|---:|---:|")
    for detector, names in MEANT.items():
        found = {name: _share(DETECTORS[detector], frames) for name, frames in seen.items()}
        right = sum(found[name] for name in names)
        wrong = sum(found[name] for name in found if name not in names and not _is_milder(name, detector))
        precision = right / (right + wrong) if right else 0.0
        cells = (right / len(names), found["as it is"], precision)
        print(f"| {detector} | {', '.join(names)} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")


def _is_milder(name: str, detector: str) -> bool:
    """The same damage, in an amount that it is not meant for: neither right nor wrong."""
    kinds = {"black": ("light",), "blurred": ("blur", "smear"), "night": ("infrared",), "blank": ("light",)}
    return name.startswith(kinds[detector])


def _share(detect: Callable[[Health], bool], frames: Sequence[Health]) -> float:
    return statistics.mean(map(detect, frames))


def _print_frozen(frames: Iterable[Image.Image]) -> None:
    """By the bytes, or by all numbers of health: what a frozen camera sends, and what a live one that sees nothing move."""
    chance = np.random.default_rng(0)
    kinds: dict[str, Callable[[Image.Image, int], bytes]] = {
        "the same file": lambda frame, _: _saved(frame),
        "the same frame, with another comment": lambda frame, number: _saved(
            frame, comment=f"{number}".encode()
        ),
        "the same frame, of another quality": lambda frame, number: _saved(frame, quality=80 + number),
        "the same frame, with a clock that goes": lambda frame, number: _saved(_with_clock(frame, number)),
        "live, without noise: 20 px that move": lambda frame, _: _saved(_with_mover(frame, chance, 20)),
        "live, without noise: 40 px that move": lambda frame, _: _saved(_with_mover(frame, chance, 40)),
        "live: noise of σ 1": lambda frame, _: _saved(_noisy(frame, chance, 1)),
        "live: noise of σ 3": lambda frame, _: _saved(_noisy(frame, chance, 3)),
    }
    print("\n| five frames of a camera | frozen |\n|---|---:|")
    some = list(frames)[:20]
    for name, make in kinds.items():
        found = [len({_seen_in(make(frame, number)) for number in range(CAMERA)}) == 1 for frame in some]
        print(f"| {name} | {statistics.mean(found):.0%} |")


def _every(minutes: float, _: random.Random) -> Iterator[float]:
    return (number * minutes for number in itertools.count())


def _by_movement(minutes: float, chance: random.Random) -> Iterator[float]:
    """Moments that know nothing of each other."""
    return itertools.accumulate(chance.expovariate(1 / minutes) for _ in itertools.count())


def _in_bursts(minutes: float, chance: random.Random) -> Iterator[float]:
    """Up to 15 pictures, two seconds apart, at such moments."""
    return (
        at + number / 30 for at in _by_movement(minutes, chance) for number in range(chance.randint(1, 15))
    )


def _by_day(moments: Iterator[float]) -> Iterator[float]:
    """Only those from seven to seven."""
    return (at for at in moments if 7 <= at / 60 % 24 < 19)


CAMERAS: dict[str, Callable[[random.Random], Iterator[float]]] = {
    "every 5 min": partial(_every, 5),
    "every hour": partial(_every, 60),
    "by movement, every 5 min": partial(_by_movement, 5),
    "by movement, every 30 min": partial(_by_movement, 30),
    "in bursts, every 30 min": partial(_in_bursts, 30),
    "in bursts, every 2 h": partial(_in_bursts, 120),
    "every 5 min, by day": lambda chance: _by_day(_every(5, chance)),
    "in bursts, every 30 min, by day": lambda chance: _by_day(_in_bursts(30, chance)),
}
"""When pictures are taken, in minutes, on average."""


def _print_silent() -> None:
    """At random moments: is a camera that lives called silent, and how long after its last picture is one that died?"""
    names = [f"dead for {hours} h" for hours in DEAD]
    print("\n| camera | lives | " + " | ".join(names) + " |\n|---|" + "---:|" * (1 + len(DEAD)))
    for name, make in CAMERAS.items():
        shares = [_silent(make, None), *(_silent(make, hours * 60) for hours in DEAD)]
        print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")


def _silent(
    make: Callable[[random.Random], Iterator[float]], dead: float | None, cameras: int = 100
) -> float:
    """The share of cameras that the view calls silent, a random moment after a week, or so many minutes after a picture."""
    now, pictures = datetime.now(UTC), []
    for camera in range(cameras):
        chance = random.Random(camera)  # noqa: S311
        end = chance.uniform(7, 8) * 24 * 60
        moments = sorted(itertools.takewhile(lambda at, end=end: at <= end, make(chance)))  # type: ignore[misc]
        last = end if dead is None else moments[-1] + dead
        pictures += [(f"{camera}", instant_text(now - timedelta(minutes=last - at))) for at in moments[-600:]]
    with tempfile.TemporaryDirectory() as folder:
        return _share_of_silent(Path(folder) / "tags.db", pictures)


def _share_of_silent(file: Path, pictures: Iterable[tuple[str, str]]) -> float:
    with closing(Database.open(str(file), create=True)):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO source (id, name, root) VALUES (1, 'cam', '/cam')")
        rows = ((number, camera, at, at) for number, (camera, at) in enumerate(pictures))
        connection.executemany(
            "INSERT INTO file (source_id, path, camera, captured_at, seen_at, size, mtime_ns, ctime_ns, state,"
            " urgency, attempts) VALUES (1, ?, ?, ?, ?, 1, 1, 1, 'done', 0, 0)",
            rows,
        )
        return float(connection.execute("SELECT avg(is_silent) FROM camera_health").fetchone()[0])


def _mosaic(photos: Sequence[Image.Image], chance: random.Random) -> Image.Image:
    frame = Image.new("RGB", SIZE)
    for left in range(0, SIZE[0], 400):
        for top in range(0, SIZE[1], 300):
            frame.paste(chance.choice(photos), (left, top))
    return frame


def _with_clock(frame: Image.Image, minute: int) -> Image.Image:
    told = frame.copy()
    ImageDraw.Draw(told).text((40, 30), f"2026-03-26 13:1{minute}:15", "white", ImageFont.load_default(32))
    return told


def _with_mover(frame: Image.Image, chance: np.random.Generator, size: int) -> Image.Image:
    """Something grey, anywhere in the left half."""
    moved = frame.copy()
    left, top = chance.integers(SIZE[0] // 2 - size), chance.integers(SIZE[1] - size)
    moved.paste((90, 90, 90), (int(left), int(top), int(left) + size, int(top) + size))
    return moved


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


_DECODE = DecodeSettings()
_DECODER = Decoder(CATALOGUE[0].preprocessing, _DECODE.max_pixels, PixelBudget(), "fast")


def _decoded(data: bytes) -> Picture:
    picture = _DECODER.decode(Content(Stamp("/frame", "", len(data), 0, 0), data, ""))
    if not isinstance(picture, Picture):
        sys.exit(f"a frame cannot be decoded: {picture.reason}")
    return picture


if __name__ == "__main__":
    main()
