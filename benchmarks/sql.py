"""The questions of docs/sql.md, and searches, on 1,000,000 files × 5 tags. `python -m benchmarks.sql FOLDER [FILES]`

A year of pictures from six sources, one of them silent for months, one in a hundred failed. Labels are as
skewed as words are (Zipf); scores are those of an unsure model; categories follow from them, as in the writer. The
database stays in FOLDER as `tags.db`. Exits with 1 if a plan reads a large table from end to end.
"""

import itertools
import platform
import random
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tagger.records import Category, Label, ModelIdentity, Taxonomy
from tagger.search.parse import parse
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.store.core.registry import register
from tagger.store.search import found

DOCUMENT = Path(__file__).parents[1] / "docs" / "sql.md"
QUESTION = re.compile(r"^(\S[^\n]*\?)[^\n]*\n\n```sql\n([^`]+)```", re.MULTILINE)

LABELS = 277
NAMED = {3: "sports car", 5: "police van"}
TAGS = 5
SIZES = (110, 60, 40, 20, 15, 10, 5, 3)
"""Labels in each category: the first is an animal, as it were."""
FLOOR = 0.2
LARGE = re.compile(r"SCAN (file|tag|reading|category_score)(?! USING)")
VIEWS = {
    "label above 0.5 since a month ago, newest 50, through the view": (
        "SELECT path, score, captured_at FROM image_tags WHERE label = 'police van' AND score > 0.5"
        " AND captured_at >= datetime('now', '-30 days') ORDER BY captured_at DESC LIMIT 50"
    ),
    "category above 0.5, newest 50, through the view": (
        "SELECT path, score FROM image_categories WHERE category = 'category 0' AND score > 0.5"
        " ORDER BY captured_at DESC LIMIT 50"
    ),
    "a category over everything, counted, through the view": (
        "SELECT count(*) FROM image_categories WHERE category = 'category 0' AND score > 0.5"
    ),
    "uncertain pictures, newest 50": "SELECT path, label FROM uncertain ORDER BY captured_at DESC LIMIT 50",
}
SEARCHES = {
    "label": ("police van >= 0.5 since 30d", 50),
    "two labels, in one source": ("police van or sports car in gate", 50),
    "… in the source with one file in a hundred": ("police van or sports car in roof", 50),
    "category and not label": ("category 0 >= 0.5 and not police van", 50),
    "not label": ("not police van", 50),
    "everything": ("", 50),
    "uncertain": ("uncertain in gate", 50),
    "a category over everything, counted": ("category 0 >= 0.5", None),
    "a small category, counted": ("category 7", None),
    "two labels over everything, counted": ("police van or sports car", None),
}
SOURCES = {"gate": 40, "yard": 30, "hall": 20, "desk": 9, "roof": 1}
SILENT = "attic"
YEAR = timedelta(days=365)
PAGE = 20_000


class Rows(NamedTuple):
    file: tuple[object, ...]
    reading: tuple[object, ...] | None
    tags: list[tuple[object, ...]]
    scores: list[tuple[object, ...]]


def main() -> None:
    folder, files = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    file = folder / "tags.db"
    seconds = make(file, files)
    print(
        f"{files:,} files × {TAGS} tags, and categories, in {seconds:.0f} s, {file.stat().st_size / 1e6:,.0f} MB"
    )
    machine = platform.processor() or platform.machine()
    print(f"SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}, {machine}\n")
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        sound = _report(connection, files)
    with closing(Database.open(str(file), create=False)) as database:
        sound = _report_searches(database, file) and sound
    sys.exit(not sound)


def make(file: Path, files: int) -> float:
    """A database of so many files; the seconds it took."""
    with closing(Database.open(str(file), create=True)) as database:
        _register(database)
    with closing(sqlite3.connect(file)) as connection:
        return _fill(connection, files)


def questions() -> dict[str, str]:
    """Return the questions of docs/sql.md and their SQL."""
    return dict(QUESTION.findall(DOCUMENT.read_text(encoding="utf-8")))


def _report(connection: sqlite3.Connection, files: int) -> bool:
    print("| question | rows | median ms | plan |")
    print("|---|---:|---:|---|")
    asked = questions() | VIEWS
    sound = [_ask(connection, question, sql, {"last": files // 2}) for question, sql in asked.items()]
    return all(sound)


def _report_searches(database: Database, file: Path) -> bool:
    now, sound = datetime.now(UTC), True
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        for what, (text, limit) in SEARCHES.items():
            sql, values = found.sql(database, parse(text, now), text, 0.3, limit, counts=limit is None)
            sound = _ask(connection, f"`{text}`: {what}", sql, values) and sound
    for text in ("police van or sports car in gate", ""):
        search = partial(found.search, database, parse(text, now), text, 0.3, 50)
        times = [_once(lambda search=search: list(search())) for _ in range(10)]  # type: ignore[misc]
        print(f"| `{text}`, with tags and categories | 50 | {statistics.median(times[1:]):.1f} | |")
    return sound


def _ask(connection: sqlite3.Connection, question: str, sql: str, values: Mapping[str, object]) -> bool:
    """Prints a row; whether no large table is read from end to end."""
    rows, milliseconds = _time(connection, sql, values)
    plan = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    steps = "; ".join(step for step in plan if "PRIMARY KEY" not in step or "category_score" in step)
    print(f"| {question} | {rows:,} | {milliseconds:.1f} | {steps} |", flush=True)
    return not any(map(LARGE.match, plan))


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _time(connection: sqlite3.Connection, sql: str, values: Mapping[str, object]) -> tuple[int, float]:
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
    connection.executemany(
        "INSERT INTO source (name, root) VALUES (?, ?)",
        ((name, f"/srv/{name}") for name in [*SOURCES, SILENT]),
    )
    generated = _files(files, now, random.Random(0))  # noqa: S311
    while page := list(itertools.islice(generated, PAGE)):
        _insert(connection, page)
    connection.commit()
    return time.perf_counter() - start


def _register(database: Database) -> None:
    names = [NAMED.get(number, f"label {number}") for number in range(LABELS)]
    labels = [Label(f"n{name}", name) for name in names]
    categories = [Category(f"category_{number}", f"category {number}") for number in range(len(SIZES))]
    taxonomy = Taxonomy("0", tuple(categories))
    model = ModelIdentity("resnet18", "0", "none")
    with database.write() as connection:
        register(connection, model, "generated", labels, taxonomy, datetime.now(UTC))


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
    connection.executemany(
        "INSERT INTO category_score (category_id, captured_at, file_id, model_id, score) VALUES (?, ?, ?, 1, ?)",
        (score for rows in page for score in rows.scores),
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
        scores = list(_scores(number, captured, tags))
        yield Rows(file, (number, seen, tags[0][3]) if tags else None, tags, scores)


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


def _scores(file: int, captured: str, tags: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    for number, size in enumerate(SIZES, 1):
        # Labels that are named often are in some categories and not in others.
        total = sum(float(str(tag[3])) for tag in tags if int(str(tag[2])) * number * 7 % LABELS < size)
        if total >= FLOOR:
            yield number, captured, file, total


if __name__ == "__main__":
    main()
