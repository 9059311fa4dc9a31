"""What a daemon does over time and under load, with an engine that costs nothing. `python -m benchmarks.soak PART …`

    steady MINUTES [RATE]    pictures at a steady rate: does memory or the number of open files drift? latency
    overflow PICTURES        while the daemon is stopped, so that the kernel's queue of events overflows: are all tagged?
    backlog FILES            already there at the start: how soon is a new picture tagged, and in how much memory?
    swap FILES               tagged anew by another model: how soon is a new picture tagged, how large is the database?

Latency is from a picture's close to its row, the settling time of 0.5 s included.
"""

import io
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, quantiles

import numpy as np
from PIL import Image

from benchmarks.sides import TAGGER

WARM_UP = 0.2
"""The fraction of a soak before memory is looked at: caches fill."""
PATIENCE = 600.0


class Soak:
    """A daemon, an inbox, and when each picture in it was closed."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home, self.inbox, self.database = home, home / "inbox", home / "tags.db"
        self.inbox.mkdir(exist_ok=True)
        self.closed: dict[str, float] = {}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TAGGER_")}
        environment |= {"HOME": str(home), "TAGGER_ENGINE__BACKEND": "fake"} | dict(
            option.split("=", 1) for option in options
        )
        self.log = home / "log"
        with self.log.open("w") as log:
            command = [TAGGER, "run", str(self.inbox), "--database", str(self.database)]
            self.process = subprocess.Popen(command, stderr=log, env=environment)
        while "watching" not in self.log.read_text():
            time.sleep(0.01)

    def drop(self, number: int) -> Path:
        path = self.inbox / f"{number}.png"
        path.write_bytes(_picture(number))
        self.closed[str(path)] = time.time()
        return path

    def feed(self, rate: float, seconds: float) -> Iterator[None]:
        """Pictures at a steady rate; yields once a second."""
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            if (ahead := start + number / rate - time.monotonic()) > 0:
                time.sleep(ahead)
            self.drop(number)
            if number % int(rate) == 0:
                yield

    def await_rows(self, count: int) -> float:
        """The seconds it takes until so many pictures have a row, or all patience is spent."""
        start = time.monotonic()
        while self._sql("SELECT count(*) FROM reading")[0][0] < count and time.monotonic() - start < PATIENCE:
            time.sleep(0.1)
        return time.monotonic() - start

    def is_behind(self, count: int) -> bool:
        """Whether fewer than so many files have been tagged by the newest model."""
        newest = "SELECT count(*) FROM reading WHERE model_id = (SELECT max(id) FROM model)"
        return int(self._sql(newest)[0][0]) < count

    def await_admission(self, count: int) -> None:
        """Until so many files are queued."""
        while self._sql("SELECT count(*) FROM file")[0][0] < count:
            time.sleep(1)

    def latencies(self) -> list[float]:
        rows = self._sql("SELECT path, tagged_at FROM top_tag")
        times = ((path, datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) for path, at in rows)
        return sorted(at - self.closed[path] for path, at in times if path in self.closed)

    def resident(self, key: str = "VmRSS") -> float:
        """In MB; `VmHWM` is the most that it ever was."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _sql(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()


def steady(minutes: float, rate: float = 50) -> None:
    with _soak() as soak:
        sizes, files = [], []
        for _ in soak.feed(rate, 60 * minutes):
            sizes.append(soak.resident())
            files.append(soak.open_files())
        soak.await_rows(len(soak.closed))
        latencies = soak.latencies()
        cuts = quantiles(latencies, n=100)
        sizes = sizes[int(WARM_UP * len(sizes)) :]
        tenth = max(1, len(sizes) // 10)
        first, last = mean(sizes[:tenth]), mean(sizes[-tenth:])
        print(
            f"{len(soak.closed):,} pictures in {minutes:g} min, {rate:g}/s: {len(soak.closed) - len(latencies)} lost"
        )
        print(f"close → row: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, at most {latencies[-1]:.2f} s")
        print(
            f"resident: {first:.0f} MB after the warm-up, {last:.0f} MB at the end ({last / first - 1:+.1%})"
        )
        print(f"open files: {min(files)} to {max(files)}, at the end {files[-1]}")


def overflow(pictures: int) -> None:
    with _soak("TAGGER_RESCAN=86400") as soak:
        soak.drop(pictures)
        # Watches are armed before the first scan; were it stopped sooner, a scan would find everything.
        soak.await_rows(1)
        soak.process.send_signal(signal.SIGSTOP)
        for number in range(pictures):
            soak.drop(number)
        soak.process.send_signal(signal.SIGCONT)
        took = soak.await_rows(pictures + 1)
        lost = pictures + 1 - len(soak.latencies())
        if "events were lost" not in soak.log.read_text():
            sys.exit("the queue did not overflow: more pictures, please")
        print(f"{pictures:,} pictures during an overflow: {lost} lost, all tagged after {took:.1f} s")


def backlog(files: int) -> None:
    """Links to a few pictures: to write a million would take longer than to tag them."""
    with tempfile.TemporaryDirectory() as home:
        _links(Path(home) / "inbox" / "old", files)
        with _soak(home=home) as soak:
            soak.await_admission(files)
            waits = []
            for number in range(20):
                path = soak.drop(number)
                query = "SELECT 1 FROM top_tag WHERE path = ?"
                while not soak.process.poll() and not _found(soak.database, query, str(path)):
                    time.sleep(0.01)
                waits.append(time.time() - soak.closed[str(path)])
            left = soak._sql("SELECT count(*) FROM file WHERE state = 'pending' AND state <> 'done'")[0][0]
            print(
                f"{files:,} files waiting, {left:,} of them still when the last of 20 new pictures was tagged"
            )
            print(f"a new picture: {min(waits):.2f} to {max(waits):.2f} s from close to row")
            print(f"resident: {soak.resident('VmHWM'):.0f} MB at most")


def swap(files: int) -> None:
    """The fake engine, with another crop: to the database, another model. What the first one said is kept, then pruned."""
    with tempfile.TemporaryDirectory() as home:
        old = Path(home) / "inbox" / "old"
        old.mkdir(parents=True)
        for number in range(files):
            path = old / f"{number}.png"
            path.write_bytes(_picture(number))
            os.utime(path, (1e9, 1e9))
        with _soak(home=home) as soak:
            print(f"{files:,} files tagged in {soak.await_rows(files):.0f} s")
        sizes = [soak.database.stat().st_size]
        sources = f"TAGGER_SOURCES=[{{path: {soak.inbox}, crop: squash}}]"
        with _soak(sources, "TAGGER_KEEP_OLD_MODELS=true", home=home) as soak:
            start = time.monotonic()
            while soak.is_behind(files + len(soak.closed)):
                soak.drop(files + len(soak.closed))
                time.sleep(1)
            took, dropped = time.monotonic() - start, len(soak.closed)
            soak.await_rows(files + dropped)
            waits = soak.latencies()
        print(f"tagged anew in {took:.0f} s, {dropped} new pictures meanwhile: {dropped - len(waits)} lost")
        print(f"a new picture: {waits[0]:.2f} to {waits[-1]:.2f} s from close to row")
        doubled = soak._sql("SELECT count(*) - count(DISTINCT file_id) FROM reading")[0][0]
        lost = files + dropped - soak._sql("SELECT count(*) FROM reading")[0][0]
        kept = soak._sql("SELECT count(*) FROM old_tags")[0][0]
        print(f"{lost} lost, {doubled} doubled, {kept:,} old tags kept")
        sizes.append(soak.database.stat().st_size)
        subprocess.run([TAGGER, "prune", "--old-models", "--database", soak.database], check=True)
        sizes.append(soak.database.stat().st_size)
        before, grown, pruned = (size / 1e6 for size in sizes)
        print(f"database: {before:.1f} MB, tagged anew {grown:.1f} MB, pruned {pruned:.1f} MB")


def _links(folder: Path, files: int) -> None:
    folder.mkdir(parents=True)
    for number in range(files):
        place = folder / f"{number // 1000}"
        if number % 1000 == 0:
            place.mkdir()
        if number % 50_000 == 0:  # a file takes 65,000 links at most
            original = place / "original.png"
            original.write_bytes(_picture(2**23 + number))
            os.utime(original, (1e9, 1e9))
        os.link(original, place / f"{number}.png")


def _found(database: Path, query: str, value: str) -> bool:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query, (value,)).fetchone() is not None


def _picture(number: int) -> bytes:
    pixels = np.full((48, 64, 3), 200, np.uint8)
    pixels[0, :3] = [[number >> 16 & 255, number >> 8 & 255, number & 255]]
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


@contextmanager
def _soak(*options: str, home: str | None = None) -> Iterator[Soak]:
    folder = home or tempfile.mkdtemp()
    soak = Soak(Path(folder), *options)
    try:
        yield soak
    finally:
        soak.process.terminate()
        print(f"exit code {soak.process.wait()}")
        if not home:
            shutil.rmtree(folder)


def main() -> None:
    part, *numbers = sys.argv[1:]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if part == "steady":
        steady(*map(float, numbers))
    elif part == "overflow":
        overflow(int(numbers[0]))
    elif part in ("backlog", "swap"):
        {"backlog": backlog, "swap": swap}[part](int(numbers[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
