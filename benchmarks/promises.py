"""What users were promised of one picture and one process: start, latency, idleness, memory.

`python -m benchmarks.compare --parts promises --sets A` measures these alone. The model is a ResNet-18 at 224 px
with 1000 classes. Where Tagger watches, an inbox is filled through an ordinary write and close.
"""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import count, cycle
from pathlib import Path
from statistics import median

from benchmarks.sets import CAMERA, HD, jpeg, png
from benchmarks.sides import SIDES, TAGGER, Ours, Place

SETTLE = 0.5
RESCAN = 30
STARTS = 9
SIZES = {4: (2400, 1600), 12: CAMERA}
"""The largest pictures of a mix, by their megapixels."""
Row = tuple[str, str, str]


def promises(place: Place, precisions: Sequence[str], minutes: float) -> list[Row]:
    """What, what was promised of it, and what it is. `minutes` is how long memory is watched, each time."""
    return [*_starts(place), *_latencies(place), *_memory(place, precisions, minutes)]


def _starts(place: Place) -> Iterator[Row]:
    environment, database = _environment(place, "bf16"), place.database("starts")
    photos = sorted(next(iter(place.sets.values())).iterdir())[:20]
    inbox = _emptied(place.home / "starts")
    for photo in photos:
        shutil.copy(photo, inbox)
    _timed(["scan", str(inbox), "--database", str(database)], environment)
    searched = ["search", "goldfish", "--database", str(database)]
    yield (
        "`tagger --help`",
        "≤ 0.2 s",
        _seconds(median(_timed(["--help"], environment) for _ in range(STARTS))),
    )
    yield "`tagger search`", "≤ 0.5 s", _seconds(median(_timed(searched, environment) for _ in range(STARTS)))
    ready = []
    for _ in range(STARTS):
        start = time.perf_counter()
        with _daemon(inbox, database, environment):
            ready.append(time.perf_counter() - start)
    yield "`tagger run`, from exec to watching", "≤ 1.5 s", _seconds(median(ready))


def _latencies(place: Place) -> Iterator[Row]:
    environment = _environment(place, "bf16")
    photos = sorted(next(iter(place.sets.values())).iterdir())
    one, all_ = (
        min(_timed(["tag", *map(str, some)], environment) for _ in range(3)) for some in (photos[:1], photos)
    )
    yield (
        "`tagger tag`, each further picture",
        "< 100 ms",
        f"{1000 * (all_ - one) / (len(photos) - 1):.0f} ms",
    )
    inbox, database = _emptied(place.home / "inbox"), place.database("latency")
    with _daemon(inbox, database, environment) as process:
        waits = [_close_to_row(photos[n % len(photos)], inbox / f"{n}.jpg", database) for n in range(20)]
        middle, worst = (1000 * (wait - SETTLE) for wait in (median(waits), max(waits)))
        yield (
            "idle daemon, from file closed to row",
            "settle + 100 ms",
            f"settle + {middle:.0f} ms ({worst:.0f} at most)",
        )
        before = cpu_seconds(process.pid)
        time.sleep(2 * RESCAN)
        used = (cpu_seconds(process.pid) - before) / (2 * RESCAN)
        yield f"idle daemon, a rescan every {RESCAN} s", "", f"{used:.2%} of a core"


def _memory(place: Place, precisions: Sequence[str], minutes: float) -> Iterator[Row]:
    for megapixels in SIZES:
        for precision in precisions:
            bar = 300 if megapixels == 4 else 360 if precision == "fp32" else 330
            peak, sizes = _peak(place, precision, _mix(place, megapixels), 60 * minutes)
            flat = " → ".join(f"{size:.0f}" for size in sizes)
            what = f"`tagger run`, {precision}, {minutes:g} min of JPEG and PNG up to {megapixels} megapixels"
            yield what, f"≤ {bar} MB, flat", f"{peak:.0f} MB (RSS at 1/3, 2/3, end: {flat})"


def _peak(place: Place, precision: str, mix: list[Path], seconds: float) -> tuple[float, list[float]]:
    """VmHWM in MB, and the resident size after each third, of a daemon that is always given more to do."""
    inbox, database = _emptied(place.home / "inbox"), place.database("memory")
    sizes: list[float] = []
    with _daemon(inbox, database, _environment(place, precision)) as process:
        start = time.monotonic()
        numbers = zip(count(), cycle(mix), strict=False)
        while len(sizes) < 3:
            for number, photo in (next(numbers) for _ in range(10)):
                _copy(photo, inbox / f"{number}{photo.suffix}", number)
            _await_rows(database, number + 1)
            if time.monotonic() - start > seconds * (len(sizes) + 1) / 3:
                sizes.append(_status(process.pid, "VmRSS"))
        return _status(process.pid, "VmHWM"), sizes


def _mix(place: Place, megapixels: int) -> list[Path]:
    """Six JPEGs and four PNGs, a third of them as large as said."""
    folder = place.home / f"mix-{megapixels}"
    if not folder.exists():
        folder.mkdir()
        sources = sorted(next(iter(place.sets.values())).iterdir())
        for number, size in enumerate((HD, HD, HD, HD, SIZES[megapixels], SIZES[megapixels])):
            jpeg(sources[number], folder / f"{number}", number, size)
        for number, size in enumerate((HD, HD, HD, SIZES[megapixels]), 6):
            png(sources[number], folder / f"{number}", number, size)
    return sorted(folder.iterdir())


def _environment(place: Place, precision: str) -> dict[str, str]:
    side = SIDES[f"ours-{precision}"]
    assert isinstance(side, Ours)
    return place.environment(side.variables(place) | {"TAGGER_RESCAN": str(RESCAN)})


@contextmanager
def _daemon(inbox: Path, database: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """`tagger run`, which has said that it is watching."""
    command = [TAGGER, "run", str(inbox), "--database", str(database)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr
    said: list[str] = []
    while "watching" not in (said or [""])[-1]:
        said.append(process.stderr.readline())
        if not said[-1]:
            raise RuntimeError(f"the daemon did not start:\n{''.join(said)}")
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def _timed(arguments: list[str], environment: Mapping[str, str]) -> float:
    """Seconds that a command takes, from exec to exit."""
    start = time.perf_counter()
    subprocess.run([TAGGER, *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def _close_to_row(photo: Path, picture: Path, database: Path) -> float:
    _copy(photo, picture, time.monotonic_ns() % 2**32)
    written = time.monotonic()
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT 1 FROM top_tag WHERE path = ?"
        while not connection.execute(query, (str(picture),)).fetchone():
            time.sleep(0.002)
    return time.monotonic() - written


def _await_rows(database: Path, number: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        while connection.execute("SELECT count(*) FROM reading").fetchone()[0] < number:
            time.sleep(0.05)


def _copy(photo: Path, to: Path, number: int) -> None:
    """A few bytes behind the end, where no decoder looks, make each copy new content."""
    to.write_bytes(photo.read_bytes() + number.to_bytes(4, "big"))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _status(pid: int, key: str) -> float:
    """One of the kernel's figures on a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


def cpu_seconds(pid: int) -> float:
    """What a process has used of all cores."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seconds(value: float) -> str:
    return f"{value:.2f} s"
