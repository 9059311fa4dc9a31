"""What the store alone does, and what a rescan of known files costs. `python -m benchmarks.store [FILES …]`

Rescans are of 100,000 and 1,000,000 files unless told otherwise: empty files in a temporary folder, made
known through the queue and the writer. Labels are as skewed as words are (Zipf), times those of a camera.
"""

import hashlib
import itertools
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import sqlalchemy

from tagger.config.settings import Settings
from tagger.config.sources import Source
from tagger.config.tagging import EngineSettings
from tagger.ingest.filters import Filters
from tagger.ingest.scan import walk
from tagger.records import (
    Category,
    Facts,
    Label,
    ModelIdentity,
    Origin,
    Reading,
    Stamp,
    Tag,
    Tagged,
    Taxonomy,
)
from tagger.store.core.database import Database
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.writer import Writer
from tagger.vision.load import load_classifier

TAGGER = Path(sys.executable).with_name("tagger")
MODEL = ModelIdentity("resnet18", "0", "none")
LABELS = [Label(f"n{number:08}", f"label {number}") for number in range(1000)]
WEIGHTS = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(LABELS))))
TAGS = 5
TAXONOMY = Taxonomy("0", tuple(Category(f"category_{number}", f"category {number}") for number in range(56)))
CATEGORIES = 1, 2, 1, 1, 2
"""So many categories of each picture score above the floor: 1.4 on average, as in the photos of the tests."""
ROUNDS = 5
PICTURES = 4096
FOLDER = 1000
PERIOD = 300
SHORT_PERIOD = 10


class Cost(NamedTuple):
    """Of one command: wall and CPU seconds, and its peak of memory in MB."""

    wall: float
    cpu: float
    peak: float


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [100_000, 1_000_000]
    machine = platform.processor() or platform.machine()
    print(
        f"{machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    print(f"SQLite {sqlite3.sqlite_version}, SQLAlchemy {sqlalchemy.__version__}\n")
    print("| pictures in a batch | tag rows/s | µs per picture: write | admit | claim | look up |")
    print("|---:|---:|---:|---:|---:|---:|")
    for batch in (8, 128):
        _print_rates(batch)
    print(
        "\n| known files | rescan s | CPU s | µs per file | of which scandir and stat | memory MB | more than for none |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for files in sizes:
        with tempfile.TemporaryDirectory() as home:
            _print_rescan(Path(home), files)
            if files == sizes[0]:
                idle = _idle(Path(home))
    print(f"\n{idle}")


def _print_rates(batch: int) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(_open(Path(folder))) as database:
        queue, writer = _store(database, "/data")
        rounds = [_rates(queue, writer, batch, number * PICTURES) for number in range(ROUNDS)]
    write, *others = (statistics.median(times) / PICTURES * 1e6 for times in zip(*rounds, strict=True))
    columns = [f"{TAGS * 1e6 / write:,.0f}", *(f"{time:.0f}" for time in (write, *others))]
    print(f"| {batch} | {' | '.join(columns)} |", flush=True)


def _rates(queue: FileQueue, writer: Writer, batch: int, first: int) -> tuple[float, float, float, float]:
    """Seconds to write, admit, claim and look up a round of new pictures."""
    stamps = [_stamp(number) for number in range(first, first + PICTURES)]
    admit = sum(_time(partial(queue.admit, page, Origin.SCAN)) for page in _pages(stamps, 1024))
    write = claim = look_up = 0.0
    for _ in range(0, PICTURES, batch):
        claimed: list[Stamp] = []
        for _ in range(0, batch, 8):
            claim += _time(lambda: claimed.extend(queue.claim(8)))  # noqa: B023
        outcomes = [_tagged(stamp) for stamp in claimed]
        look_up += sum(_time(partial(writer.knows, "photos", one.facts.sha256)) for one in outcomes)
        write += _time(partial(writer.write, outcomes))
    return write, admit, claim, look_up


def _print_rescan(home: Path, files: int) -> None:
    photos, empty = home / "photos", home / "empty"
    empty.mkdir()
    _make_files(photos, files)
    _make_known(home, photos)
    floor = statistics.median(_time(lambda: _stat_all(str(photos))) for _ in range(ROUNDS))
    nothing = _median(_scan(empty, home) for _ in range(ROUNDS))
    rescan = _median(_scan(photos, home) for _ in range(ROUNDS))
    print(
        f"| {files:,} | {rescan.wall:.2f} | {rescan.cpu:.2f} | {(rescan.wall - nothing.wall) / files * 1e6:.1f} "
        f"| {floor / files * 1e6:.1f} | {rescan.peak:.0f} | {rescan.peak - nothing.peak:+.0f} |",
        flush=True,
    )


def _idle(home: Path) -> str:
    """A daemon rescans every few seconds: each rescan's CPU time counts once per 300 s, the rest as it is."""
    settings = {"TAGGER_ENGINE__BACKEND": "fake", "TAGGER_RESCAN": str(SHORT_PERIOD)}
    process = subprocess.Popen(
        [TAGGER, "run", home / "photos", "--database", home / "tags.db"],
        env=os.environ | settings,
        stderr=subprocess.DEVNULL,
    )
    spent = list(_spent(process.pid, seconds=(ROUNDS + 1) * SHORT_PERIOD))
    process.terminate()
    process.wait()
    # The first burst is the start, and the last may have been cut off.
    bursts = [(busy, list(burst)) for busy, burst in itertools.groupby(spent, lambda cpu: cpu > 0.02)][1:-1]
    scans = [sum(burst) for busy, burst in bursts if busy]
    pauses = [cpu for busy, burst in bursts if not busy for cpu in burst]
    scan, quiet = statistics.median(scans), statistics.mean(pauses)
    return (
        f"Idle daemon: {scan / PERIOD + quiet:.2%} of a core over a period of {PERIOD} s, reckoned from "
        f"{len(scans)} rescans of {scan:.2f} CPU s, {SHORT_PERIOD} s apart, and {quiet:.2%} between them."
    )


def _spent(pid: int, seconds: int) -> Iterator[float]:
    """The CPU seconds of each second."""
    before = _cpu_seconds(pid)
    for _ in range(seconds):
        time.sleep(1)
        now = _cpu_seconds(pid)
        yield now - before
        before = now


def _make_files(folder: Path, files: int) -> None:
    for first in range(0, files, FOLDER):
        inside = folder / f"{first // FOLDER:04}"
        inside.mkdir(parents=True)
        for number in range(first, min(first + FOLDER, files)):
            (inside / f"IMG_{number:07}.jpg").touch()


def _make_known(home: Path, photos: Path) -> None:
    """By the fake model, with which they are scanned: to the scan of another one they would all be stale."""
    fake = load_classifier(Settings(engine=EngineSettings(backend="fake")), home, home)
    with closing(_open(home)) as database:
        writer = Writer(database, fake.identity, fake.labels, fake.taxonomy, fake.description, _now)
        queue = FileQueue(database, {"photos": str(photos)}, _now, writer.registered)
        source = Source(path=photos, name="photos")
        for page in walk(source, Filters([source], {".jpg"})):
            queue.admit(page, Origin.SCAN)
            writer.write([_tagged_as(fake.labels[0], stamp) for stamp in queue.claim(len(page))])


def _scan(folder: Path, home: Path) -> Cost:
    """`tagger scan` of a folder of known files, from its start to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [TAGGER, "scan", folder, "--database", home / "tags.db"],
        env=os.environ | {"TAGGER_ENGINE__BACKEND": "fake"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, "the scan failed"
    return _cost(time.perf_counter() - start, usage)


def _cost(wall: float, usage: resource.struct_rusage) -> Cost:
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _median(costs: Iterable[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def _stat_all(folder: str) -> None:
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)


def _open(folder: Path) -> Database:
    return Database.open(str(folder / "tags.db"), create=True)


def _store(database: Database, root: str) -> tuple[FileQueue, Writer]:
    writer = Writer(database, MODEL, LABELS, TAXONOMY, "generated", _now)
    return FileQueue(database, {"photos": root}, _now, writer.registered), writer


def _stamp(number: int) -> Stamp:
    written = 1_700_000_000_000_000_000 + number * 10**9
    return Stamp(f"/data/{number // FOLDER:04}/IMG_{number:07}.jpg", "photos", 2_000_000, written, written)


def _tagged(stamp: Stamp, chance: random.Random = random.Random(0)) -> Tagged:  # noqa: B008, S311
    labels: dict[Label, None] = {}
    while len(labels) < TAGS:
        labels[chance.choices(LABELS, cum_weights=WEIGHTS)[0]] = None
    top = chance.betavariate(2, 1.5)
    tags = tuple(Tag(label, top / rank, rank) for rank, label in enumerate(labels, 1))
    facts = Facts(f"{chance.getrandbits(256):064x}", 1920, 1080, "JPEG", None)
    some = chance.sample(TAXONOMY.categories, chance.choice(CATEGORIES))
    categories = tuple((one.key, top / rank) for rank, one in enumerate(some, 1))
    return Tagged(stamp, facts, Reading(tags, top, top / 2, 1.0, categories))


def _tagged_as(label: Label, stamp: Stamp) -> Tagged:
    facts = Facts(hashlib.sha256(stamp.path.encode()).hexdigest(), 1920, 1080, "JPEG", None)
    return Tagged(stamp, facts, Reading((Tag(label, 0.9, 1),), 0.9, 0.9, 0.1))


def _pages(stamps: Sequence[Stamp], size: int) -> Iterator[Sequence[Stamp]]:
    return (stamps[first : first + size] for first in range(0, len(stamps), size))


def _time(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
