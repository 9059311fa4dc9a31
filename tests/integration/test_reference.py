"""docs/reference/ says what the code says, and docs/sql.md what the database has."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tagger.store.core.database import Database
from tools.reference import config
from tools.reference.pages import FOLDER, ROOT, pages

EXAMPLE = (ROOT / "config/tagger.yaml").read_text(encoding="utf-8")
SQL = (ROOT / "docs/sql.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
VIEW = re.compile(r"^\*\*`\w+`\*\*", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The columns of each."""
    file = tmp_path_factory.mktemp("views") / "tags.db"
    Database.open(str(file), create=True).close()
    with closing(sqlite3.connect(file)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
        return {
            name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for (name,) in names
        }


def documents() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from (ROOT / "docs").rglob("*.md")


def test_the_pages_are_what_the_code_says() -> None:
    made = pages()
    there = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    stale = [name for name in made | there if made.get(name) != there.get(name)]
    assert not stale, "write them anew with `python -m tools.reference`, and commit them"


def test_a_service_gets_the_same_config() -> None:
    shipped = (ROOT / "systemd/config.yaml").read_text(encoding="utf-8")
    assert shipped == EXAMPLE, "cp config/tagger.yaml systemd/config.yaml: a service starts with that one"


def test_nothing_of_this_machine_is_in_them() -> None:
    assert not [name for name, text in pages().items() if str(ROOT) in text or str(Path.home()) + "/" in text]


def test_a_key_of_which_the_config_says_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"search\.min_score: config/tagger\.yaml says nothing of it"):
        config.page(re.sub(r"(min_score: [0-9.]+) .*", r"\1", EXAMPLE))


def test_a_key_that_only_the_example_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="Tagger does not know: colour"):
        config.page(f"{EXAMPLE}\ncolour: red  # of the log\n")


def test_the_page_on_sql_tells_each_view_with_all_its_columns(views: dict[str, list[str]]) -> None:
    starts = [*(found.start() for found in VIEW.finditer(SQL)), len(SQL)]
    sections = [SQL[start:end] for start, end in pairwise(starts)]
    told = {view: text for text in sections for view in re.findall(r"\*\*`(\w+)`\*\*", text)}
    assert told.keys() == {*views, "source"}
    missing = {
        view: [name for name in names if f"`{name}`" not in told[view]] for view, names in views.items()
    }
    assert not any(missing.values()), missing


def test_the_readme_names_every_page() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in documents()} - {"README.md"}
    assert not [name for name in names if f"({name})" not in README]


def test_links_from_page_to_page_lead_somewhere() -> None:
    broken = [
        f"{file.relative_to(ROOT)}: {target}"
        for file in documents()
        for target in LINK.findall(file.read_text(encoding="utf-8"))
        if not (file.parent / target).exists()
    ]
    assert not broken


def test_no_page_names_a_metric_that_is_not_there() -> None:
    reference = (FOLDER / "metrics.md").read_text(encoding="utf-8")
    told = {
        name
        for file in documents()
        for name in re.findall(r"\btagger_[a-z_]+", file.read_text(encoding="utf-8"))
    }
    suffix = re.compile(r"_(bucket|sum|count)$")
    assert not [name for name in told if f"`{suffix.sub('', name)}`" not in reference]
