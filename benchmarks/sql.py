"""The README's questions on 1,000,000 files × 5 tags. `python -m benchmarks.sql FOLDER [FILES]`

A year of pictures from six sources, one of them silent for months, one in a hundred failed. Labels are as
skewed as words are (Zipf); scores are those of an unsure model. The database stays in FOLDER as `tags.db`.
"""

import itertools
import platform
import random
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tagger.store.columns import instant_text
from tagger.store.database import Database

README = Path(__file__).parents[1] / "README.md"
QUESTION = re.compile(r"^(\S[^\n]*\?)[^\n]*\n\n```sql\n([^`]+)```", re.MULTILINE)

LABELS = 277
NAMED = {3: "sports car", 5: "police van"}
TAGS = 5
SOURCES = {"gate": 40, "yard": 30, "hall": 20, "desk": 9, "roof": 1}
SILENT = "attic"
YEAR = timedelta(days=365)
PAGE = 20_000


class Rows(NamedTuple):
    file: tuple[object, ...]
    reading: tuple[object, ...] | None
    tags: list[tuple[object, ...]]


def main() -> None:
    folder, files = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    file = folder / "tags.db"
    Database.open(str(file), create=True).close()
    with closing(sqlite3.connect(file)) as connection:
        seconds = _fill(connection, files)
    print(f"{files:,} files × {TAGS} tags in {seconds:.0f} s, {file.stat().st_size / 1e6:,.0f} MB")
    machine = platform.processor() or platform.machine()
    print(f"SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}, {machine}\n")
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        _report(connection, files)


def questions() -> dict[str, str]:
    """The README's questions and their SQL."""
    return dict(QUESTION.findall(README.read_text(encoding="utf-8")))


def _report(connection: sqlite3.Connection, files: int) -> None:
    print("| question | rows | median ms | plan |")
    print("|---|---:|---:|---|")
    for question, sql in questions().items():
        values = {"last": files // 2}
        rows, milliseconds = _time(connection, sql, values)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        steps = "; ".join(step[3] for step in plan if "PRIMARY KEY" not in step[3])
        print(f"| {question} | {rows:,} | {milliseconds:.1f} | {steps} |")


def _time(connection: sqlite3.Connection, sql: str, values: dict[str, int]) -> tuple[int, float]:
    """Rows, and the median of nine runs after one to warm up."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        rows = len(connection.execute(sql, values).fetchall())
        times.append((time.perf_counter() - start) * 1000)
    return rows, statistics.median(times[1:])


def _fill(connection: sqlite3.Connection, files: int) -> float:
    start = time.perf_counter()
    now = datetime.now(UTC)
    connection.executescript(
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -500000"
    )
    names = [NAMED.get(number, f"label {number}") for number in range(LABELS)]
    connection.executemany(
        "INSERT INTO label (key, name) VALUES (?, ?)", ((f"n{name}", name) for name in names)
    )
    connection.executemany(
        "INSERT INTO source (name, root) VALUES (?, ?)",
        ((name, f"/srv/{name}") for name in [*SOURCES, SILENT]),
    )
    connection.execute(
        "INSERT INTO model (name, weights_sha256, preprocessing, description, used_at) VALUES (?, ?, ?, ?, ?)",
        ("resnet18", "0", "none", "generated", instant_text(now)),
    )
    generated = _files(files, now, random.Random(0))  # noqa: S311
    while page := list(itertools.islice(generated, PAGE)):
        _insert(connection, page)
    connection.commit()
    return time.perf_counter() - start


def _insert(connection: sqlite3.Connection, page: list[Rows]) -> None:
    connection.executemany(
        "INSERT INTO file (id, source_id, path, size, mtime_ns, ctime_ns, sha256, width, height, format, captured_at,"
        " captured_from, seen_at, state, urgency, attempts, stage, error)"
        " VALUES (?, ?, ?, 2000000, ?, ?, ?, 1920, 1080, 'JPEG', ?, 'mtime', ?, ?, 0, 0, ?, ?)",
        (rows.file for rows in page),
    )
    connection.executemany(
        "INSERT INTO reading (file_id, model_id, tagged_at, top_score, margin, entropy) VALUES (?, 1, ?, ?, 0.1, 1.0)",
        (rows.reading for rows in page if rows.reading),
    )
    connection.executemany(
        "INSERT INTO tag (file_id, model_id, rank, label_id, score, captured_at, seen_at) VALUES (?, 1, ?, ?, ?, ?, ?)",
        (tag for rows in page for tag in rows.tags),
    )


def _files(files: int, now: datetime, chance: random.Random) -> Iterator[Rows]:
    """Files in the order of their arrival, a second after each was taken."""
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(LABELS)))
    sources = range(1, len(SOURCES) + 1)
    for number in range(1, files + 1):
        age = YEAR * (1 - number / files)
        captured, seen = instant_text(now - age - timedelta(seconds=1)), instant_text(now - age)
        silent = age > YEAR / 2 and chance.random() < 0.1
        source = len(SOURCES) + 1 if silent else chance.choices(sources, list(SOURCES.values()))[0]
        failed = number % 100 == 0
        written = int((now - age).timestamp() * 1e9)
        path = f"{captured[:10]}/{number:07}.jpg"
        sha256 = None if failed else f"{chance.getrandbits(256):064x}"
        outcome = ("failed", "decode", "truncated") if failed else ("done", None, None)
        file = (number, source, path, written, written, sha256, captured, seen, *outcome)
        tags = [] if failed else list(_tags(number, weights, (captured, seen), chance))
        yield Rows(file, (number, seen, tags[0][3]) if tags else None, tags)


def _tags(
    file: int, weights: list[float], times: tuple[str, str], chance: random.Random
) -> Iterator[tuple[object, ...]]:
    labels = dict.fromkeys(chance.choices(range(1, LABELS + 1), cum_weights=weights, k=TAGS))
    while len(labels) < TAGS:
        labels[chance.randint(1, LABELS)] = None
    left = 1.0
    score = chance.betavariate(2, 1.5)
    for rank, label in enumerate(labels, 1):
        yield (file, rank, label, score, *times)
        left -= score
        score = min(score, left) * 0.6


if __name__ == "__main__":
    main()
