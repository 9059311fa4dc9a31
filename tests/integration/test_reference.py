"""docs/reference/ says what the code says, docs/sql.md what the database has, and links lead somewhere."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tagger.service import render
from tagger.service.layout import SYSTEM
from tagger.store.core.database import Database
from tools.reference import config
from tools.reference.pages import FOLDER, ROOT, pages

EXAMPLE = (ROOT / "config/tagger.yaml").read_text(encoding="utf-8")
SQL = (ROOT / "docs/sql.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
VIEW = re.compile(r"^\*\*`\w+`\*\*", re.MULTILINE)
TEXT = {".py", ".yaml", ".lark", ".html", ".js", ".service"}
INDEX = (ROOT / "docs/README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
PAGE = re.compile(r"\bdocs/[\w/-]+\.md\b")


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
    """Everything that people read, but for what is kept of earlier releases."""
    yield from ROOT.glob("*.md")
    yield from (ROOT / "docs").rglob("*.md")
    yield ROOT / "weights/MODEL_CARD.md"


def sections(page: Path) -> set[str]:
    """The names by which links go to its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def code() -> Iterator[Path]:
    """Everything in which a user may meet the name of a page."""
    for folder in ("tagger", "config", "systemd", "tools", "benchmarks"):
        yield from (one for one in (ROOT / folder).rglob("*.*") if one.suffix in TEXT)
    yield from (
        ROOT / name for name in ("Makefile", "Dockerfile", "compose.yaml", "pyproject.toml", "NOTICE")
    )


def test_the_pages_are_what_the_code_says() -> None:
    made = pages()
    there = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    stale = [name for name in made | there if made.get(name) != there.get(name)]
    assert not stale, "write them anew with `python -m tools.reference`, and commit them"


def test_a_service_gets_the_same_config() -> None:
    """But for the two paths in it: what config/tagger.yaml says, systemd/config.yaml.j2 must say, too."""
    made = render.config(SYSTEM, []).splitlines()
    changed = [pair for pair in zip(EXAMPLE.splitlines(), made, strict=True) if pair[0] != pair[1]]
    assert [line.partition(" #")[0].strip() for line, _ in changed] == [
        "database: ../tags.db",
        "- path: ../inbox",
    ]
    assert [line.partition(" #")[2] for line, _ in changed] == [
        line.partition(" #")[2] for _, line in changed
    ]


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


def test_the_readme_and_the_index_name_every_page() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert f"({page.relative_to(ROOT)})" in README
        assert f"({page.relative_to(ROOT / 'docs')})" in INDEX or page.name == "README.md"


def test_links_from_page_to_page_lead_somewhere() -> None:
    broken = [
        f"{file.relative_to(ROOT)}: {target}#{section}"
        for file in documents()
        for target, section in LINK.findall(file.read_text(encoding="utf-8"))
        if not (page := file.parent / target if target else file).exists()
        or (section and section not in sections(page))
    ]
    assert not broken


def test_pages_that_the_program_names_are_there() -> None:
    named = {page for file in code() for page in PAGE.findall(file.read_text(encoding="utf-8"))}
    assert "docs/install.md" in named
    assert not [page for page in named if not (ROOT / page).exists()]


def test_pages_that_configs_of_earlier_releases_name_are_in_the_index() -> None:
    kept = (ROOT / "tests/kept").glob("*/*.yaml")
    named = {page for file in kept for page in PAGE.findall(file.read_text(encoding="utf-8"))}
    assert "docs/care.md" in named
    assert not [page for page in named if not (ROOT / page).exists() and f"`{page}`" not in INDEX]


def test_tests_that_pages_name_are_there() -> None:
    there = {file.stem for file in (ROOT / "tests").rglob("test_*.py")}
    named = {name for page in documents() for name in re.findall(r"`(test_\w+)`", page.read_text("utf-8"))}
    assert "test_faults" in named
    assert named <= there


def test_classes_that_the_glossary_names_are_there() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tagger").rglob("*.py"))
    named = re.findall(r"`([A-Z]\w*[a-z]\w*)`", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
    assert "FileQueue" in named
    assert not [name for name in named if f"class {name}" not in code]


def test_contributors_are_told_of_every_package() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    packages = [one.parent.name for one in (ROOT / "tagger").glob("*/__init__.py")]
    assert not [name for name in packages if f"`{name}/`" not in page]


def test_no_cell_of_a_table_is_longer_than_a_line() -> None:
    cells = [
        (page.name, cell.strip())
        for page in documents()
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith("|")
        for cell in re.split(r"(?<!\\)\|", line)
    ]
    assert not [one for one in cells if len(one[1]) > 120]


def test_no_page_names_a_metric_that_is_not_there() -> None:
    reference = (FOLDER / "metrics.md").read_text(encoding="utf-8")
    told = {
        name
        for file in documents()
        if file.name != "CHANGELOG.md"  # which names those of earlier releases
        for name in re.findall(r"\btagger_[a-z_]+", file.read_text(encoding="utf-8"))
    }
    suffix = re.compile(r"_(bucket|sum|count)$")
    assert not [name for name in told if f"`{suffix.sub('', name)}`" not in reference]
