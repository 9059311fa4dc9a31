"""Each command as a process: what it prints where, and its exit code."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Painter
from tests.e2e.command import TAGGER, environment, on_a_terminal, rows, tagger

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory, paint: Painter) -> Path:
    """A home with a scanned folder `pictures` in `tags.db`: two good pictures and a bad one. It is only read."""
    home = tmp_path_factory.mktemp("tagged")
    paint(home / "pictures" / "sky.png", (0, 0, 255))
    paint(home / "pictures" / "rose.png", (255, 0, 0))
    (home / "pictures" / "bad.jpg").write_text("no picture")
    tagger(home, "scan", "pictures", "--database", "tags.db")
    return home


def test_scan_says_what_it_did_and_fails_where_a_file_failed(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "pictures" / "sky.png")
    good = tagger(tmp_path, "scan", "pictures", "--database", "tags.db")
    assert (good.returncode, good.stdout) == (0, "1 new, 1 tagged, 0 unchanged, 0 failed\n")
    (tmp_path / "pictures" / "bad.png").touch()
    bad = tagger(tmp_path, "scan", "pictures", "--database", "tags.db")
    assert (bad.returncode, bad.stdout) == (1, "1 new, 0 tagged, 1 unchanged, 1 failed\n")
    again = tagger(tmp_path, "scan", "pictures", "--database", "tags.db")
    assert (again.returncode, again.stdout) == (0, "0 new, 0 tagged, 2 unchanged, 0 failed\n")


def test_scan_without_a_config_keeps_its_database_in_the_data_directory(
    tmp_path: Path, paint: Painter
) -> None:
    paint(tmp_path / "pictures" / "sky.png")
    tagger(tmp_path, "scan", "pictures")
    assert rows(tmp_path / ".local/share/tagger/tags.db", "SELECT source FROM top_tag") == [("pictures",)]
    tagger(tmp_path, "scan", "pictures", STATE_DIRECTORY=str(tmp_path / "state"))
    assert rows(tmp_path / "state/tags.db", "SELECT source FROM top_tag") == [("pictures",)]


def test_whoever_reads_the_first_tags_and_goes_leaves_nothing_behind(tmp_path: Path, paint: Painter) -> None:
    files = [paint(tmp_path / f"{number}.png", number=number) for number in range(200)]
    with subprocess.Popen(
        [TAGGER, "tag", *files],
        env=environment(tmp_path, TAGGER_ENGINE__BACKEND="auto"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["scan"], 2, "name one: tagger scan FOLDER"),
        (["scan", "nowhere"], 2, "nowhere"),
        (["scan", "file.txt"], 2, "tagger tag"),
        (["run", "nowhere"], 2, "nowhere"),
        (["search", "blue", "--database", "none.db"], 4, "none.db"),
        (["status", "--database", "none.db"], 4, "none.db"),
        (["status", "--database", "mysql://host/db"], 4, "mysql"),
        (["config", "check", "-c", "none.yaml"], 2, "none.yaml"),
        (["models", "show", "resnet19"], 3, "resnet18"),
    ],
)
def test_wrong_use_is_said_in_words(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    (tmp_path / "file.txt").touch()
    wrong = tagger(tmp_path, *arguments)
    assert wrong.returncode == code
    assert message in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_tag_answers_for_each_file_in_the_order_given(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "sky.png", (0, 0, 255))
    paint(tmp_path / "rose.png", (255, 0, 0))
    (tmp_path / "bad.png").write_text("no picture")
    files = ["sky.png", "none.png", "bad.png", "rose.png", "sky.png"]
    answer = tagger(tmp_path, "tag", *files, "--json")
    answers = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(a["file"], a["tags"][0]["label"] if a["tags"] else a["error"][:12]) for a in answers] == [
        ("sky.png", "blue"),
        ("none.png", "no such file"),
        ("bad.png", answers[2]["error"][:12]),
        ("rose.png", "red"),
        ("sky.png", "blue"),
    ]
    assert answer.returncode == 1
    assert "bad.png" in answer.stderr


def test_tag_follows_a_link_and_survives_a_loop_of_them(tmp_path: Path, paint: Painter) -> None:
    (tmp_path / "link.png").symlink_to(paint(tmp_path / "sky.png", (0, 0, 255)))
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    answer = tagger(tmp_path, "tag", "loop.png", "link.png")
    assert answer.stdout.startswith("link.png\tblue\t")
    assert answer.returncode == 1
    assert "loop.png: " in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_is_not_tagged_but_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    answer = tagger(tmp_path, "tag", "pictures")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "tagger: pictures: this is a folder: name pictures, or use tagger scan" in answer.stderr


def plain(seen: str) -> list[str]:
    """The lines of a terminal, without their styles."""
    return re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines()


def test_on_a_terminal_a_file_is_named_once_with_its_tags_below(tmp_path: Path, paint: Painter) -> None:
    folder = "a-folder-with-a-long-name/" * 4
    for name, colour in (("sky.png", (0, 0, 255)), ("rose.png", (255, 0, 0))):
        paint(tmp_path / folder / name, colour)
    seen = plain(on_a_terminal(tmp_path, "tag", f"{folder}sky.png", f"{folder}rose.png"))
    assert [line for line in seen if not line.startswith(" ")] == [f"{folder}sky.png", f"{folder}rose.png"]
    assert [seen[at].split()[0] for at in (1, 7)] == ["blue", "red"]
    assert len({len(line) for line in seen if line.startswith(" ")}) == 1


def test_of_what_is_not_sure_a_terminal_shows_the_category_or_that_it_is_not_known(
    tmp_path: Path, paint: Painter
) -> None:
    paint(tmp_path / "orange.png", (255, 120, 0))
    (tmp_path / "own.yaml").write_text("warm: {includes: [mean-colour/red, mean-colour/yellow]}\n")
    settings = {"TAGGER_SEARCH__MIN_SCORE": "0.95", "TAGGER_CATEGORIES": "own.yaml"}
    sure, *guesses = plain(on_a_terminal(tmp_path, "tag", "orange.png", **settings))[1:]
    assert re.fullmatch(r"  warm +0\.9\d\d", sure)
    assert [line[:4] for line in guesses] == ["    "] * 5
    settings = {"TAGGER_SEARCH__MIN_SCORE": "1"}
    assert plain(on_a_terminal(tmp_path, "tag", "orange.png", **settings))[1] == "  not sure"
    piped = tagger(tmp_path, "tag", "orange.png", **settings).stdout.splitlines()
    assert [line.split("\t")[0] for line in piped] == ["orange.png"] * 5


def test_tag_needs_no_database(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "sky.png", (0, 0, 255))
    answer = tagger(tmp_path, "tag", "sky.png")
    assert answer.stdout.startswith("sky.png\tblue\t")
    assert answer.returncode == 0
    assert not list(tmp_path.rglob("*.db"))


def test_search_finds_a_label_in_any_case(tagged: Path) -> None:
    found = tagger(tagged, "search", "BLUE", "--database", "tags.db", "--min-score", "0.5", "--json")
    [row] = [json.loads(line) for line in found.stdout.splitlines()]
    assert (row["path"], row["label"], row["source"]) == (
        str(tagged / "pictures/sky.png"),
        "blue",
        "pictures",
    )
    assert found.returncode == 0


def test_search_as_csv_has_a_header(tagged: Path) -> None:
    found = tagger(tagged, "search", "red", "--database", "tags.db", "--min-score", "0.5", "--csv")
    header, row = found.stdout.splitlines()
    assert header.split(",")[:3] == ["captured_at", "score", "label"]
    assert "rose.png" in row


def test_search_suggests_the_nearest_label(tagged: Path) -> None:
    wrong = tagger(tagged, "search", "bleu", "--database", "tags.db")
    assert wrong.returncode == 2
    assert "^^^^" in wrong.stderr
    assert "did you mean blue" in wrong.stderr


@pytest.mark.parametrize(("since", "lines"), [("1h", 1), ("2026-01-01", 1), ("2999-01-01T00:00:00Z", 0)])
def test_search_since_a_duration_or_a_time(tagged: Path, since: str, lines: int) -> None:
    found = tagger(tagged, "search", f"blue >= 0.5 since {since}", "--database", "tags.db")
    assert len(found.stdout.splitlines()) == lines


def test_search_since_nonsense_is_refused(tagged: Path) -> None:
    wrong = tagger(tagged, "search", "blue since yesterdayish", "--database", "tags.db")
    assert wrong.returncode == 2
    assert "yesterdayish" in wrong.stderr


def test_status_counts_by_state_and_names_the_model(tagged: Path) -> None:
    shown = tagger(tagged, "status", "--json", "--database", "tags.db")
    status = json.loads(shown.stdout)
    assert status["sources"]["pictures"] == {"done": 2, "failed": 1}
    assert status["model"]["name"] == "mean-colour"
    assert status["last_tagged"]["path"].startswith(str(tagged))
    for_people = tagger(tagged, "status", "--database", "tags.db")
    assert "2 done, 1 failed" in for_people.stdout
    assert "mean colour" in for_people.stdout


def test_a_config_file_is_checked_and_shown(tmp_path: Path) -> None:
    config = tmp_path / "tagger.yaml"
    config.write_text("sources:\n  - pth: inbox\n")
    wrong = tagger(tmp_path, "config", "check", "-c", config)
    assert wrong.returncode == 2
    assert "sources, first entry, pth: no such key; did you mean 'path'?" in wrong.stderr
    config.write_text("sources: [inbox]\n")
    shown = tagger(tmp_path, "config", "show", "-c", config, TAGGER_MODEL__TOP_K="3")
    assert "top_k: 3" in shown.stdout
    assert f"path: {tmp_path}/inbox" in shown.stdout
    assert tagger(tmp_path, "config", "check", "-c", config).returncode == 0


MACHINERY = {"torch", "openvino", "onnxruntime", "numpy", "PIL", "watchdog", "alembic", "rich"}
"""What tagging, migrating or a terminal needs; each is slow to import."""


def imports_of(home: Path, *arguments: object) -> set[str]:
    """Every module that a command imports, up to its end."""
    ended = tagger(home, *arguments, PYTHONPROFILEIMPORTTIME="1")
    assert ended.returncode == 0
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}


@pytest.mark.parametrize(
    "command", ["search --help", "status --help", "run --help", "scan --help", "tag --help"]
)
def test_a_command_s_help_starts_without_the_machinery_and_the_database(tmp_path: Path, command: str) -> None:
    imported = imports_of(tmp_path, *command.split())
    assert "typer" in imported
    assert imported.isdisjoint({*MACHINERY, "sqlalchemy", "yaml"})


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_start_without_what_checks_the_config_too(tmp_path: Path, option: str) -> None:
    imported = imports_of(tmp_path, option)
    assert "typer" in imported
    assert imported.isdisjoint({*MACHINERY, "sqlalchemy", "yaml", "pydantic"})


@pytest.mark.parametrize("command", ["search blue", "search blue --json", "status"])
def test_reading_starts_without_the_model_s_machinery(tagged: Path, command: str) -> None:
    imported = imports_of(tagged, *command.split(), "--database", "tags.db")
    assert "sqlalchemy" in imported
    assert imported.isdisjoint(MACHINERY)


@pytest.mark.parametrize("command", ["run", "scan", "tag", "search", "status", "config", "models"])
def test_help_says_of_each_command_what_its_own_help_begins_with(tmp_path: Path, command: str) -> None:
    [line] = re.findall(rf"^  {command} +(\S.*)$", tagger(tmp_path, "--help").stdout, re.MULTILINE)
    assert line.rstrip(".") in " ".join(tagger(tmp_path, command, "--help").stdout.split())


def test_two_folders_of_one_name_stay_apart_in_a_database(tmp_path: Path, paint: Painter) -> None:
    for number, folder in enumerate(("a", "b", "a")):
        paint(tmp_path / folder / "inbox" / f"{number}.png", number=number)
        tagger(tmp_path, "scan", f"{folder}/inbox", "--database", "tags.db")
    assert rows(tmp_path / "tags.db", "SELECT source, path FROM top_tag ORDER BY path") == [
        ("inbox", str(tmp_path / "a/inbox/0.png")),
        ("inbox", str(tmp_path / "a/inbox/2.png")),
        ("inbox-2", str(tmp_path / "b/inbox/1.png")),
    ]


def test_a_source_that_is_given_another_name_keeps_its_pictures_under_it(
    tmp_path: Path, paint: Painter
) -> None:
    config = tmp_path / "tagger.yaml"
    paint(tmp_path / "pictures" / "sky.png")
    for name in ("old", "new"):
        config.write_text(f"database: tags.db\nsources: [{{path: pictures, name: {name}}}]\n")
        scanned = tagger(tmp_path, "scan", "-c", config)
    assert scanned.stdout == "0 new, 0 tagged, 1 unchanged, 0 failed\n"
    assert rows(tmp_path / "tags.db", "SELECT source FROM top_tag") == [("new",)]


def test_a_folder_inside_a_configured_source_is_scanned_as_part_of_it(tmp_path: Path, paint: Painter) -> None:
    config = tmp_path / "tagger.yaml"
    config.write_text("database: tags.db\nsources: [{name: shots, path: pictures, exclude: ['raw*']}]\n")
    for name in ("old.png", "2026/new.png", "2026/raw.png"):
        paint(tmp_path / "pictures" / name)
    scanned = tagger(tmp_path, "scan", "pictures/2026", "-c", config)
    assert scanned.stdout.startswith("1 new, 1 tagged")
    assert rows(tmp_path / "tags.db", "SELECT source, path FROM top_tag") == [
        ("shots", str(tmp_path / "pictures/2026/new.png"))
    ]


def test_a_closed_pipe_is_no_error_of_ours(tagged: Path) -> None:
    with subprocess.Popen(
        [TAGGER, "search", "blue", "--min-score", "0", "--database", "tags.db"],
        cwd=tagged,
        env=environment(tagged),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as search:
        assert search.stdout and search.stderr
        search.stdout.close()
        assert "Traceback" not in search.stderr.read()


def test_on_a_terminal_a_scan_shows_its_rate_and_the_answers_are_tables(
    tmp_path: Path, paint: Painter
) -> None:
    for number in range(40):
        paint(tmp_path / "pictures" / f"{number}.png", (0, 0, 255), number)
    scanned = on_a_terminal(tmp_path, "scan", "pictures", "--database", "tags.db")
    assert "40/40" in scanned
    assert "pictures/s" in scanned
    assert "40 new, 40 tagged" in scanned
    found = on_a_terminal(tmp_path, "search", "blue", "--limit", "1", "--database", "tags.db")
    assert "captured_at" in found.splitlines()[0]
    tagged = on_a_terminal(tmp_path, "tag", "pictures/7.png")
    assert re.sub(r"\x1b\[[0-9;]*m", "", tagged).splitlines()[0] == "pictures/7.png"
    nothing = on_a_terminal(tmp_path, "search", "green", "--database", "tags.db")
    assert "green has no score in any picture" in nothing
