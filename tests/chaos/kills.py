"""kill -9, again and again, while pictures come, change and go; then: is anything lost, doubled or wrong?

`python -m tests.chaos.kills 500` kills a real daemon at random moments and, in turn, at every failpoint, and prints what
became of the pictures. The oracle is the tree of files: each must have one row, with the label of its present colour.
"""

import random
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from tagger.host import failpoints
from tests.e2e.command import TAGGER, environment, tagger

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
NEW_PER_ROUND = 12
LIFE = 1.5
"""Seconds, at most, that a daemon lives which no failpoint kills."""


@dataclass
class Pictures:
    """A folder in which things happen, and what it holds."""

    folder: Path
    random: random.Random
    made: int = 0
    colours: dict[Path, str] = field(default_factory=dict)

    def disturb(self) -> None:
        """New pictures, some rewritten, renamed or deleted, all while a daemon may be looking."""
        for _ in range(NEW_PER_ROUND):
            self.write(self.folder / f"{self.made % 7}" / f"{self.made}.png")
        for act in (self._rewrite, self._rename, self._delete):
            act(self.random.choice(list(self.colours)))

    def write(self, path: Path) -> None:
        colour = self.random.choice(list(COLOURS))
        pixels = np.full((48, 64, 3), COLOURS[colour], np.uint8)
        pixels[0, :3] = [[self.made >> 16 & 255, self.made >> 8 & 255, self.made & 255]]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        self.made += 1
        self.colours[path] = colour

    def _rewrite(self, path: Path) -> None:
        self.write(path)

    def _rename(self, path: Path) -> None:
        self.colours[path.with_name(f"renamed-{path.name}")] = self.colours.pop(path)
        path.rename(path.with_name(f"renamed-{path.name}"))

    def _delete(self, path: Path) -> None:
        del self.colours[path]
        path.unlink()


@dataclass
class Ledger:
    """What the kills did."""

    kills: Counter[str] = field(default_factory=Counter)
    redone: list[int] = field(default_factory=list)
    damaged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f"{self.kills.total()} kills: {dict(self.kills.most_common())}"
        yield f"lost {len(self.lost)}, doubled {self.doubled}, wrong {len(self.wrong)}, quarantined {len(self.quarantined)}"
        yield f"databases that failed their integrity check: {self.damaged}"
        yield f"pictures inferred in vain, per kill: {median(self.redone)} in the median, {max(self.redone)} at most"


class Chaos:
    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.random, self.ledger = home, random.Random(seed), Ledger()  # noqa: S311
        self.database = home / "tags.db"
        self.pictures = Pictures(home / "inbox", self.random)
        self.pictures.folder.mkdir()

    def run(self, kills: int) -> Ledger:
        """At every failpoint in turn, and as often at a random moment."""
        while self.ledger.kills.total() < kills:
            number = self.ledger.kills.total()
            place = failpoints.PLACES[number // 2 % len(failpoints.PLACES)] if number % 2 else ""
            self._live_and_die(place)
            self._examine()
        self._settle_accounts()
        return self.ledger

    def _live_and_die(self, place: str) -> None:
        deadly = {failpoints.VARIABLE: f"{place}=kill:{self.random.randint(1, 4)}"} if place else {}
        process = subprocess.Popen(
            [TAGGER, "run", "inbox", "--database", self.database],
            env=environment(self.home, TAGGER_LOG_LEVEL="debug", **deadly),
            cwd=self.home,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pictures.disturb()
        try:
            _, log = process.communicate(timeout=LIFE * (4 if place else self.random.random()))
            self.ledger.kills[place] += 1
        except subprocess.TimeoutExpired:
            process.kill()
            _, log = process.communicate()
            self.ledger.kills["a random moment"] += 1
        if "Traceback" in log:
            raise AssertionError(log)
        self.ledger.redone.append(_inferred(log) - _stored(log))

    def _examine(self) -> None:
        if self.database.exists():
            self.ledger.damaged += self._sql("PRAGMA integrity_check") != [("ok",)]

    def _settle_accounts(self) -> None:
        """Lets a scan finish the work, and compares with the tree."""
        done = tagger(self.home, "scan", "inbox", "--database", self.database)
        if done.returncode:
            raise AssertionError(done.stderr)
        found = dict(self._sql("SELECT path, label FROM top_tag"))
        want = {str(path): colour for path, colour in self.pictures.colours.items()}
        self.ledger.lost = sorted(want.keys() - found.keys())
        self.ledger.wrong = sorted(path for path in want.keys() & found.keys() if want[path] != found[path])
        readings = "SELECT count(*) - count(DISTINCT file_id) FROM reading"
        names = "SELECT count(*) - count(DISTINCT source_id || '/' || path) FROM file"
        self.ledger.doubled = self._sql(readings)[0][0] + self._sql(names)[0][0]
        self.ledger.quarantined = [path for (path,) in self._sql("SELECT path FROM failed_files")]

    def _sql(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query).fetchall()


def _inferred(log: str) -> int:
    return sum(map(int, re.findall(r"inferred (\d+)", log)))


def _stored(log: str) -> int:
    return sum(line.count("tagged") for line in re.findall("stored .*", log))


def main(kills: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as home:
        ledger = Chaos(Path(home), seed).run(kills)
    print(*ledger.lines(), sep="\n")  # noqa: T201
    return int(bool(ledger.lost or ledger.doubled or ledger.wrong or ledger.quarantined or ledger.damaged))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
