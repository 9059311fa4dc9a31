"""What is measured while a daemon is attacked, and the bounds that it must keep."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.attack.pictures import good
from tests.attack.target import HANG, Target, memory, peak

ROOT = Path(__file__).parents[2]


@dataclass
class Measured:
    """Of one time: how soon /healthz answered, what was held, and how many good pictures were tagged of how many that came."""

    seconds: float = 0
    healthz: list[float] = field(default_factory=list)
    memory: int = 0
    came: int = 0
    tagged: int = 0
    longest_gap: float = 0
    """Seconds in which no good picture was tagged, though some were waiting."""

    @property
    def p99(self) -> float:
        return sorted(self.healthz)[int(len(self.healthz) * 0.99)] if self.healthz else HANG


class Photos:
    """Good pictures, which come into the folder at a steady pace, each whole at once."""

    def __init__(self, target: Target, a_second: float, most: int) -> None:
        self._target, self._pause, self._good = target, 1 / a_second, good(most)
        self._staged, self._folder = target.home / "staged.jpg", target.inbox / "good"
        self._folder.mkdir()
        self.came = 0

    def feed(self, stop: threading.Event) -> None:
        due = time.monotonic()
        while not stop.wait(max(due - time.monotonic(), 0)):
            self._staged.write_bytes(next(self._good))
            self._staged.rename(self._folder / f"{self.came}.jpg")
            self.came += 1
            due += self._pause

    def tagged(self) -> int:
        return rows(self._target, self._folder, "top_tag")


def rows(target: Target, folder: Path, *views: str) -> int:
    """How many files below a folder these views have, as any other program reads them."""
    with closing(sqlite3.connect(target.home / "tags.db", timeout=HANG)) as database:
        counts = [f"SELECT count(*) FROM {view} WHERE path LIKE :below" for view in views]  # noqa: S608 (our own words)
        return sum(database.execute(sql, {"below": f"{folder}/%"}).fetchone()[0] for sql in counts)


@contextmanager
def watched(target: Target, photos: Photos) -> Iterator[Measured]:
    """What was measured is there when it is left."""
    found, stop = Measured(), threading.Event()
    pulse = subprocess.Popen(
        [sys.executable, "-m", "tests.attack.pulse", str(target.port)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    reader = threading.Thread(target=lambda: found.healthz.extend(map(float, pulse.stdout or ())))
    watcher = threading.Thread(target=_watch, args=(target, photos, found, stop))
    start, came, tagged = time.monotonic(), photos.came, photos.tagged()
    reader.start()
    watcher.start()
    try:
        yield found
    finally:
        found.seconds = time.monotonic() - start
        found.came, found.tagged = photos.came - came, photos.tagged() - tagged
        stop.set()
        assert pulse.stdin
        pulse.stdin.close()
        for thread in (watcher, reader):
            thread.join()
        pulse.wait()
        assert pulse.stdout
        pulse.stdout.close()


def _watch(target: Target, photos: Photos, found: Measured, stop: threading.Event) -> None:
    pid, tagged, since = target.process.pid, photos.tagged(), time.monotonic()
    while not stop.wait(0.25):
        found.memory = max(found.memory, memory(pid), peak(pid))
        now = photos.tagged()
        if now != tagged or photos.came == now:
            tagged, since = now, time.monotonic()
        found.longest_gap = max(found.longest_gap, time.monotonic() - since)
