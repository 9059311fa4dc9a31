"""What users were promised of the road: latency, idleness, memory. `python -m benchmarks.road`

Needs TAGGER_PHOTOS. A photo is copied with a few bytes behind its end, so that each copy is new content.
"""

import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

TAGGER = Path(sys.executable).with_name("tagger")
SETTLE = 0.5
RESCAN = 30


def main() -> None:
    photos = sorted(Path(os.environ["TAGGER_PHOTOS"]).glob("*.jpg"))
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        few, many = (_peak_of_scan(photos, home / str(count), count) for count in (100, 1000))
        print(f"scan: peak of {few:.0f} MB at 100 photos, {many:.0f} MB at 1,000 (+{many - few:.0f} MB)")
        with _daemon(home / "inbox", home / "tags.db") as process:
            waits = [
                _close_to_row(photos[n], home / "inbox" / f"{n}.jpg", home / "tags.db") for n in range(20)
            ]
            print(
                f"run: from last write to row {statistics.median(waits):.3f} s in the median, "
                f"{max(waits):.3f} s at most, of which settle is {SETTLE} s"
            )
            before = _cpu_seconds(process.pid)
            time.sleep(2 * RESCAN)
            used = (_cpu_seconds(process.pid) - before) / (2 * RESCAN)
            print(f"run, idle: {used:.2%} of a core over two rescan periods of {RESCAN} s")


def _copy(photo: Path, to: Path, number: int) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(photo.read_bytes() + number.to_bytes(4, "big"))


def _peak_of_scan(photos: list[Path], folder: Path, count: int) -> float:
    for number in range(count):
        _copy(photos[number % len(photos)], folder / "photos" / f"{number}.jpg", number)
    process = subprocess.Popen([TAGGER, "scan", folder / "photos", "--database", folder / "tags.db"])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, "the scan failed"
    return usage.ru_maxrss / 1024


@contextmanager
def _daemon(inbox: Path, database: Path) -> Iterator["subprocess.Popen[str]"]:
    inbox.mkdir()
    process = subprocess.Popen(
        [TAGGER, "run", inbox, "--database", database],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TAGGER_RESCAN": str(RESCAN)},
    )
    assert process.stderr
    while "watching" not in process.stderr.readline():
        assert process.poll() is None, "the daemon did not start"
    yield process
    process.terminate()
    process.communicate()


def _close_to_row(photo: Path, picture: Path, database: Path) -> float:
    _copy(photo, picture, time.monotonic_ns() % 2**32)
    written = time.monotonic()
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT 1 FROM top_tag WHERE path = ?"
        while not connection.execute(query, (str(picture),)).fetchone():
            time.sleep(0.005)
    return time.monotonic() - written


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
