"""The tags in Datasette, as docs/export.md starts it."""

import csv
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from benchmarks.sql import LARGE
from tagger.records import Failed
from tests.integration.shelf import Shelf

pytestmark = pytest.mark.long

CONFIG = Path(__file__).parents[2] / "config/datasette.yaml"
DATASETTE = Path(sys.executable).with_name("datasette")
PATIENCE = 60.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC)

VIEWS = [
    "camera_health",
    "failed_files",
    "head_tags",
    "image_categories",
    "image_conditions",
    "image_tags",
    "missing_files",
    "old_tags",
    "sessions",
    "top_tag",
    "uncertain",
]
QUESTIONS = {
    "newest_of_label": {"label": "police van", "score": "0.5"},
    "newest_of_category": {"category": "vehicle", "score": "0.5"},
    "most_uncertain": {"days": "3"},
    "pictures_per_label_and_day": {"days": "3"},
    "what_failed": {"source": "gate"},
    "new_since": {"seq": "3"},
}


class Site:
    """A running Datasette."""

    def __init__(self, address: str) -> None:
        self.address = address

    def page(self, path: str, **values: str) -> str:
        with urlopen(f"{self.address}{path}?{urlencode(values)}", timeout=PATIENCE) as answer:  # noqa: S310
            return str(answer.read().decode())

    def rows(self, name: str, **values: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.page(f"/tags/{name}.json", **values, _shape="array"))
        return found

    def files(self, name: str, **values: str) -> list[str]:
        return [Path(row["path"]).name for row in self.rows(name, **values)]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Site]:
    """Datasette on the folder's `tags.db`, at a port that it chooses; stopped on leaving, or if it says nothing."""
    process = subprocess.Popen(
        [DATASETTE, *(options or ("tags.db",)), "-m", CONFIG, "--port", "0"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    hung = Timer(PATIENCE, process.kill)
    hung.start()
    assert process.stderr
    try:
        log = ""
        while not (found := re.search(r"Uvicorn running on (http://127\.0\.0\.1:\d+)", log)):
            line = process.stderr.readline()
            assert line, f"datasette ended:\n{log}"
            log += line
        hung.cancel()
        yield Site(found[1])
    finally:
        hung.cancel()
        hung.join()
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras over ten days; what Tagger leaves when it is stopped."""
    shelf = Shelf(tmp_path_factory.mktemp("datasette") / "tags.db", ("gate", "yard"))
    arrivals = [
        ("gate", "old.jpg", 10 * DAY, {"police van": 0.9}),
        ("yard", "dusk.jpg", DAY, {"web site": 0.15}),
        ("gate", "early.jpg", 2 * HOUR, {"police van": 0.9}),
        ("gate", "van.jpg", HOUR / 2, {"police van": 0.4, "sports car": 0.3}),
        ("gate", "cat.jpg", HOUR / 6, {"tabby": 0.7}),
    ]
    with closing(shelf.database):
        for source, name, age, scores in arrivals:
            shelf.now = NOW - age
            shelf.tag(shelf.stamp(name, source), scores)
        [bad] = shelf.admitted(shelf.stamp("bad.jpg", "gate"))
        shelf.writer.write([Failed(bad, "decode", "truncated")])
    return shelf.file.parent


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with serving(folder) as site:
        yield site


@pytest.fixture
def connection(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{(folder / 'tags.db').as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def config() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["databases"]["tags"]
    return told


def test_shows_the_views_and_the_questions_and_nothing_else(site: Site) -> None:
    shown = json.loads(site.page("/tags.json"))
    assert sorted(shown["views"], key=lambda view: view["name"]) == [
        {"name": name, "private": False} for name in VIEWS
    ]
    assert [table["name"] for table in shown["tables"] if not table["hidden"]] == ["source"]
    assert {query["name"] for query in shown["queries"]} == set(QUESTIONS)


def test_describes_every_table_view_and_column(connection: sqlite3.Connection) -> None:
    told = config()["tables"]
    every = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    assert set(told) == {name for (name,) in every}
    assert all(table["description"] for table in told.values())
    for name in VIEWS:
        columns = [column[1] for column in connection.execute(f"PRAGMA table_info({name})")]
        assert list(told[name]["columns"]) == columns, name


def test_a_view_s_page_says_what_its_columns_mean(site: Site) -> None:
    for name in VIEWS:
        page, told = site.page(f"/tags/{name}"), config()["tables"][name]
        assert told["description"] in page
        assert all(f"<dt>{column}</dt>" in page for column in told["columns"]), name


@pytest.mark.parametrize(
    ("view", "rows"),
    [
        ("image_tags", 6),
        ("top_tag", 5),
        ("image_categories", 5),
        ("image_conditions", 0),
        ("uncertain", 2),
        ("failed_files", 1),
        ("missing_files", 0),
        ("source", 2),
    ],
)
def test_shows_what_is_in_each_view(site: Site, view: str, rows: int) -> None:
    assert len(site.rows(view)) == rows


def test_pages_of_pictures_begin_with_the_newest(site: Site) -> None:
    assert site.files("top_tag")[:2] == ["cat.jpg", "van.jpg"]
    assert site.files("image_tags")[:2] == ["cat.jpg", "van.jpg"]
    assert site.files("uncertain") == ["van.jpg", "dusk.jpg"]


def test_the_newest_pictures_of_a_label(site: Site) -> None:
    assert site.files("newest_of_label", label="police van", score="0.5") == ["early.jpg", "old.jpg"]
    assert site.files("newest_of_label", label="police van") == ["van.jpg", "early.jpg", "old.jpg"]


def test_the_newest_pictures_of_a_category_whose_labels_are_low_each(site: Site) -> None:
    rows = site.rows("newest_of_category", category="vehicle", score="0.6")
    assert [(Path(row["path"]).name, round(row["score"], 6)) for row in rows] == [
        ("van.jpg", 0.7),
        ("early.jpg", 0.9),
        ("old.jpg", 0.9),
    ]
    assert site.files("newest_of_category", category="car") == []


def test_the_most_uncertain_pictures_of_some_days(site: Site) -> None:
    assert sorted(site.files("most_uncertain")) == ["dusk.jpg", "van.jpg"]
    assert site.files("most_uncertain", days="0.5") == ["van.jpg"]


def test_pictures_per_label_and_day(site: Site) -> None:
    def counted(days: str) -> int:
        return sum(row["pictures"] for row in site.rows("pictures_per_label_and_day", days=days))

    dusk = {"day": f"{NOW - DAY:%Y-%m-%d}", "label": "web site", "pictures": 1}
    assert dusk in site.rows("pictures_per_label_and_day")
    assert [counted(""), counted("3"), counted("30")] == [4, 4, 5]


def test_what_failed(site: Site) -> None:
    [bad] = site.rows("what_failed")
    assert (bad["path"], bad["stage"], bad["error"]) == ("/data/gate/bad.jpg", "decode", "truncated")
    assert site.files("what_failed", source="gate") == ["bad.jpg"]
    assert site.files("what_failed", source="yard") == []


def test_what_is_new_after_a_seq(site: Site) -> None:
    assert site.files("new_since", seq="3") == ["van.jpg", "cat.jpg"]
    assert len(site.files("new_since")) == 5


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_a_page_with_a_form_and_a_csv(site: Site, question: str) -> None:
    page = site.page(f"/tags/{question}")
    assert config()["queries"][question]["description"] in page
    assert all(f'name="{name}"' in page for name in QUESTIONS[question])
    table = csv.DictReader(site.page(f"/tags/{question}.csv", **QUESTIONS[question]).splitlines())
    assert len(list(table)) == len(site.rows(question, **QUESTIONS[question])) > 0


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("filled", [True, False], ids=["filled", "empty"])
def test_no_question_reads_a_large_table_from_end_to_end(
    connection: sqlite3.Connection, question: str, filled: bool
) -> None:
    values = {name: value if filled else "" for name, value in QUESTIONS[question].items()}
    steps = plan(connection, config()["queries"][question]["sql"], values)
    assert not any(map(LARGE.match, steps)), steps


@pytest.mark.parametrize("question", ["newest_of_label", "newest_of_category", "new_since"])
def test_the_first_rows_are_found_without_sorting_all(connection: sqlite3.Connection, question: str) -> None:
    steps = plan(connection, config()["queries"][question]["sql"], QUESTIONS[question])
    assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_page_sorts_by_has_an_index(connection: sqlite3.Connection, view: str) -> None:
    told = config()["tables"][view]
    for column in {*told.get("sortable_columns", []), *filter(None, [told.get("sort_desc")])}:
        steps = plan(connection, f"SELECT * FROM {view} ORDER BY {column} DESC LIMIT 101", {})  # noqa: S608
        assert not any("TEMP B-TREE" in step for step in steps), (column, steps)


def test_writes_nothing_and_lets_nobody_write(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "tags.db", tmp_path)
    before = (tmp_path / "tags.db").read_bytes()
    with serving(tmp_path) as site:
        assert len(site.rows("top_tag")) == 5
        with pytest.raises(HTTPError, match="400") as refused:
            site.page("/tags.json", sql="DELETE FROM tag")
        refused.value.close()
        assert [file.name for file in tmp_path.iterdir()] == ["tags.db"]
    assert [file.name for file in tmp_path.iterdir()] == ["tags.db"]
    assert (tmp_path / "tags.db").read_bytes() == before


def test_reads_a_copy_that_nobody_changes(folder: Path) -> None:
    with serving(folder, "--immutable", "tags.db") as site:
        assert site.files("new_since", seq="3") == ["van.jpg", "cat.jpg"]


def test_shows_what_tagger_adds_meanwhile(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("first.jpg"), {"tabby": 0.9})
    with serving(shelf.file.parent) as site:
        assert site.files("new_since") == ["first.jpg"]
        shelf.tag(shelf.stamp("second.jpg"), {"tabby": 0.9})
        assert site.files("new_since", seq="1") == ["second.jpg"]


def plan(connection: sqlite3.Connection, sql: str, values: dict[str, str]) -> list[str]:
    return [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
