"""The questions of docs/sql.md, asked with the sqlite3 module alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.sql import DOCUMENT, questions
from tagger.records import Failed
from tests.integration.shelf import Shelf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Two cameras over three days, one of them silent since yesterday."""
    shelf = Shelf(tmp_path_factory.mktemp("readme") / "tags.db", ("gate", "yard"))
    arrivals = [
        ("yard", "dusk.jpg", DAY, {"web site": 0.15}),
        ("gate", "old.jpg", 10 * DAY, {"police van": 0.9}),
        ("gate", "early.jpg", 2 * HOUR, {"police van": 0.9}),
        ("gate", "van.jpg", HOUR / 2, {"police van": 0.8, "sports car": 0.1}),
        ("gate", "unsure.jpg", HOUR / 3, {"police van": 0.18, "tabby": 0.1}),
        ("gate", "car.jpg", HOUR / 6, {"sports car": 0.7}),
    ]
    with closing(shelf.database):
        for source, name, age, scores in arrivals:
            shelf.now = NOW - age
            shelf.tag(shelf.stamp(name, source), scores)
        [bad] = shelf.admitted(shelf.stamp("bad.jpg", "gate"))
        shelf.writer.write([Failed(bad, "decode", "truncated")])
        with closing(sqlite3.connect(f"{shelf.file.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute(
                "SELECT * FROM source"
            ).fetchall()  # which opens the log, before a test is looked at
            yield connection


def ask(database: sqlite3.Connection, words: str) -> list[tuple[object, ...]]:
    [sql] = [sql for question, sql in questions().items() if words in question]
    return database.execute(sql, {"last": 3}).fetchall()


def names(rows: list[tuple[object, ...]], column: int = 0) -> list[str]:
    return [Path(str(row[column])).name for row in rows]


def test_every_sql_block_answers_a_question_that_is_tested_here() -> None:
    assert len(questions()) == DOCUMENT.read_text(encoding="utf-8").count("```sql") == 6


def test_what_came_in_during_the_last_hour(database: sqlite3.Connection) -> None:
    rows = ask(database, "last hour")
    assert [(Path(path).name, label, score) for path, label, score, _ in rows] == [  # type: ignore[arg-type]
        ("car.jpg", "sports car", 0.7),
        ("van.jpg", "police van", 0.8),
    ]


def test_the_latest_picture_of_each_source(database: sqlite3.Connection) -> None:
    rows = ask(database, "each source")
    assert sorted(names(rows, 1)) == ["car.jpg", "dusk.jpg"]


def test_pictures_per_label_and_day(database: sqlite3.Connection) -> None:
    expected: dict[tuple[str, str], int] = {}
    recent = {"police van": (2 * HOUR, HOUR / 2, HOUR / 3), "sports car": (HOUR / 6,), "web site": (DAY,)}
    for label, ages in recent.items():
        for age in ages:
            day = f"{NOW - age:%Y-%m-%d}"
            expected[day, label] = expected.get((day, label), 0) + 1
    assert {(day, label): count for day, label, count in ask(database, "seven days")} == expected


def test_pictures_of_low_confidence(database: sqlite3.Connection) -> None:
    rows = ask(database, "least sure")
    assert names(rows)[:2] == ["dusk.jpg", "unsure.jpg"]
    assert [is_sure for *_, is_sure in rows] == [0, 0, 1, 1, 1, 1]


def test_what_failed(database: sqlite3.Connection) -> None:
    [(path, *why)] = ask(database, "failed")
    assert (path, why) == ("/data/gate/bad.jpg", ["decode", "truncated", 1, None])


def test_what_is_new_since_a_cursor(database: sqlite3.Connection) -> None:
    assert [(row[0], Path(str(row[1])).name) for row in ask(database, "since I last asked")] == [
        (4, "van.jpg"),
        (5, "unsure.jpg"),
        (6, "car.jpg"),
    ]
