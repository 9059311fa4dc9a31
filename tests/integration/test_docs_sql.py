"""The commands of docs/sql.md, run as they stand there."""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tagger.records import Failed
from tests.integration.shelf import Shelf, tagged

PAGE = Path(__file__).parents[2] / "docs/sql.md"
COMMAND = re.compile(r"^(\S[^\n]*\?)\n\n```sh\n([^`]+)```", re.MULTILINE)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a thousand readings are behind it, as far as the numbers say."""
    shelf = Shelf(tmp_path_factory.mktemp("docs") / "tags.db", ("gate", "yard"))
    with closing(shelf.database):
        arrive(shelf, "gate", "old.jpg", 10 * DAY, {"sports car": 0.9})
        arrive(shelf, "gate", "car.jpg", 3 * DAY, {"sports car": 0.8})
        with closing(sqlite3.connect(shelf.file)) as connection, connection:
            connection.execute("UPDATE sqlite_sequence SET seq = 1000 WHERE name = 'reading'")
        arrive(shelf, "gate", "mixed.jpg", 2 * HOUR, {"police van": 0.4, "sports car": 0.3}, entropy=1.25)
        arrive(shelf, "yard", "dusk.jpg", HOUR, {"web site": 0.15}, entropy=4.0)
        arrive(shelf, "yard", "cat.jpg", HOUR / 2, {"tabby": 0.9})
        for name, source, stage in [("a", "gate", "decode"), ("b", "gate", "decode"), ("c", "yard", "read")]:
            [bad] = shelf.admitted(shelf.stamp(f"{name}.jpg", source))
            shelf.writer.write([Failed(bad, stage, "bad")])
    return shelf.file.parent


def arrive(
    shelf: Shelf, source: str, name: str, age: timedelta, scores: dict[str, float], entropy: float = 1.0
) -> None:
    shelf.now = NOW - age
    [stamp] = shelf.admitted(shelf.stamp(name, source))
    outcome = tagged(stamp, scores)
    shelf.writer.write([replace(outcome, reading=replace(outcome.reading, entropy=entropy))])


def run(folder: Path, words: str) -> str:
    """What the command under the question with these words prints."""
    [command] = [command for question, command in commands().items() if words in question]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def commands() -> dict[str, str]:
    return dict(COMMAND.findall(PAGE.read_text(encoding="utf-8")))


def named(rows: list[dict[str, Any]]) -> list[str]:
    return [Path(row["path"]).name for row in rows]


def cells(table: str) -> list[list[str]]:
    """Of what `--table` prints, below its header."""
    return [line.split() for line in table.splitlines()[2:]]


def test_every_command_is_tried_here() -> None:
    assert len(commands()) == PAGE.read_text(encoding="utf-8").count("```sh") == 6


def test_pictures_of_each_category(folder: Path) -> None:
    assert sorted(cells(run(folder, "each category"))) == [["animal", "1"], ["vehicle", "1"]]


def test_what_has_a_chinese_name(folder: Path) -> None:
    [row] = json.loads(run(folder, "汽车"))
    assert (Path(row["path"]).name, row["name_zh"]) == ("car.jpg", "跑车")


def test_vehicles_that_no_label_is_sure_of(folder: Path) -> None:
    [row] = json.loads(run(folder, "no label says so"))
    assert (Path(row["path"]).name, row["label"], row["top_score"]) == ("mixed.jpg", "police van", 0.4)
    assert row["score"] == pytest.approx(0.7)


def test_what_the_model_knew_least_about(folder: Path) -> None:
    rows = list(csv.DictReader(run(folder, "least about").splitlines()))
    assert named(rows) == ["dusk.jpg", "mixed.jpg"]
    assert [row["entropy"] for row in rows] == ["4.0", "1.25"]


def test_failures_of_each_folder(folder: Path) -> None:
    assert cells(run(folder, "each folder failed")) == [
        ["/data/gate", "decode", "2"],
        ["/data/yard", "read", "1"],
    ]


def test_what_is_new(folder: Path) -> None:
    rows = [json.loads(line) for line in run(folder, "What is new").splitlines()]
    assert named(rows) == ["mixed.jpg", "dusk.jpg", "cat.jpg"]
    assert [row["seq"] for row in rows] == [1001, 1002, 1003]


def test_nothing_is_left_beside_the_database(folder: Path) -> None:
    for question in commands():
        run(folder, question)
    assert [file.name for file in folder.iterdir()] == ["tags.db"]


def test_the_page_names_every_column_that_it_promises(folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    with closing(sqlite3.connect(folder / "tags.db")) as connection:
        views = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
        columns = {
            view: [row[1] for row in connection.execute(f"PRAGMA table_info({view})")] for (view,) in views
        }
    assert "Eleven views and one table" in page
    assert len(columns) == 11
    for view, names in columns.items():
        assert f"**`{view}`**" in page
        assert all(f"`{name}`" in page for name in names), view
