"""What release 0.1.0 left on people's disks goes on to work: databases, configs, questions, programs.

tests/kept/0.1.0 says how it was made.
"""

import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import rows, running, tagger
from tests.e2e.site import Site, site_of
from tests.kept.make import PLACE, arrange

pytestmark = pytest.mark.long

KEPT = Path(__file__).parents[1] / "kept/0.1.0"
SQL: dict[str, Any] = json.loads((KEPT / "sql.json").read_text(encoding="utf-8"))
REST: dict[str, Any] = json.loads((KEPT / "rest.json").read_text(encoding="utf-8"))
VALUES = {"last": 3, "name": "汽车", "category": "food"}
REAL = {"TAGGER_ENGINE__BACKEND": "auto"}
READ_BY = "SELECT DISTINCT name, weights_sha256 FROM model JOIN reading ON model_id = model.id"


def laid_out(home: Path) -> Path:
    """A user's folder, as 0.1.0 left it."""
    arrange(KEPT / "pictures", home)
    for name in ("config.yaml", "breakfast.yaml"):
        shutil.copy(KEPT / name, home)
    dump = (KEPT / "tags.sql").read_text(encoding="utf-8").replace(PLACE, str(home))
    dump = re.sub(r"<(\d+) zero bytes>", lambda found: "00" * int(found[1]), dump)
    with closing(sqlite3.connect(home / "tags.db")) as connection:
        connection.executescript(dump)
    return home


def found_anew(value: Any, home: Path) -> Any:
    """The same, with the place of today."""
    return json.loads(json.dumps(value).replace(PLACE, str(home)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Opened by today's Tagger, which has tagged nothing yet. No test changes it."""
    home = laid_out(tmp_path_factory.mktemp("upgraded"))
    (home / "album/empty").mkdir()
    done = tagger(home, "scan", "album/empty", "-c", "config.yaml", **REAL)
    assert done.returncode == 0, done.stderr
    return home


def test_the_database_as_it_was_lies_beside_the_new_one(home: Path) -> None:
    [backup] = home.glob("tags.db.before-*")
    assert rows(backup, "SELECT version_num FROM alembic_version") == [("0004",)]
    assert rows(backup, "SELECT count(*) FROM reading") == rows(
        home / "tags.db", "SELECT count(*) FROM reading"
    )


@pytest.mark.parametrize("sql", SQL)
def test_a_question_in_sql_has_the_answer_that_it_had(home: Path, sql: str) -> None:
    before = found_anew(SQL[sql], home)
    with closing(sqlite3.connect(home / "tags.db")) as connection:
        answer = connection.execute(sql, VALUES)
        columns = [one[0] for one in answer.description]
        now = [[*row[: len(before["columns"])]] for row in answer]
    if sql.startswith("SELECT * "):  # in no order; a view may have gained columns, at its end
        now, before["rows"] = sorted(now, key=repr), sorted(before["rows"], key=repr)
        columns = columns[: len(before["columns"])]
    assert columns == before["columns"]
    assert now == before["rows"]


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[Site]:
    arguments, web = ("-c", home / "config.yaml"), {"TAGGER_WEB__PORT": "0"}
    with running(home, *arguments, command="web", first="web:", **web) as daemon, site_of(daemon) as site:
        yield site


@pytest.mark.parametrize("asked", REST)
def test_the_api_answers_what_it_answered(home: Path, site: Site, asked: str) -> None:
    assert missing(but_for_gone(found_anew(REST[asked], home)), site.get(asked)) == []


def but_for_gone(answer: Any) -> Any:
    """What earlier releases told of files that are gone is found by `state:gone` since 0.5.0, and looks like nothing."""
    if isinstance(answer, dict) and "images" in answer:
        return answer | {"images": [one for one in answer["images"] if one["state"] != "gone"]}
    if isinstance(answer, list):
        return [one for one in answer if one.get("image", one).get("state") != "gone"]
    return answer


def missing(before: Any, now: Any, where: str = "") -> list[str]:
    """Where an answer is no longer what it was; fields may be added to it."""
    if isinstance(before, dict) and isinstance(now, dict):
        gone = [f"{where}.{key}" for key in before if key not in now]
        return gone + [
            one for key in before if key in now for one in missing(before[key], now[key], f"{where}.{key}")
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [one for number, pair in pairs for one in missing(*pair, f"{where}[{number}]")]
    if isinstance(before, float) and isinstance(now, float):  # sums of other lengths are rounded otherwise
        before = now if math.isclose(before, now, rel_tol=1e-6) else before
    return [] if before == now else [f"{where}: {before!r} → {now!r}"]


@pytest.mark.parametrize(
    ("query", "file"),
    [
        ("jellyfish >= 0.3", "cameras/yard/20260615_100000.jpg"),
        ("obelisk >= 0.3", "album/rocket.jpg"),
        ("tabby >= 0.9", "album/cat.jpg"),
        ("breakfast >= 0.9", "album/coffee.jpg"),
        ("camera:porch", "cameras/porch/20260615_101000.jpg"),
        ("state:failed", "album/broken.jpg"),
    ],
)
def test_a_search_finds_what_was_tagged_then(home: Path, query: str, file: str) -> None:
    done = tagger(home, "search", query, "-c", "config.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(home / file) in done.stdout


@pytest.mark.parametrize("name", ["config.yaml", "tagger.yaml", "service.yaml"])
def test_a_config_of_then_is_right_and_works(home: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(KEPT / "breakfast.yaml", tmp_path)
    shutil.copy(KEPT / name, tmp_path)
    checked = tagger(home, "config", "check", "-c", tmp_path / name, **REAL)
    assert checked.returncode == 0, checked.stderr
    (tmp_path / "inbox").mkdir()
    arguments = ("scan", tmp_path / "inbox", "-c", tmp_path / name, "--database", tmp_path / "tags.db")
    assert tagger(home, *arguments, **REAL).returncode == 0


def old_model(home: Path) -> list[tuple[Any, ...]]:
    return rows(home / "tags.db", READ_BY)


@pytest.mark.parametrize("model", ["model: {name: resnet18}\n", ""])
def test_a_scan_goes_on_with_the_model_that_wrote_the_tags(tmp_path: Path, model: str) -> None:
    home = laid_out(tmp_path)
    config = (home / "config.yaml").read_text(encoding="utf-8")
    (home / "config.yaml").write_text(config.replace("model: {name: resnet18}\n", model), encoding="utf-8")
    before, best = old_model(home), rows(home / "tags.db", BEST)
    shutil.copy(home / "album/cat.jpg", home / "album/new.jpg")
    done = tagger(home, "scan", "-c", "config.yaml", **REAL)
    assert done.returncode == 1, done.stderr  # one of the files is no picture
    assert old_model(home) == before
    assert [row for row in rows(home / "tags.db", BEST) if not row[0].endswith("new.jpg")] == best
    assert rows(home / "tags.db", "SELECT count(*) FROM top_tag WHERE path LIKE '%new.jpg'") == [(1,)]


BEST = "SELECT path, label, by FROM top_tag ORDER BY path"


def test_a_database_of_then_is_decided_as_the_model_that_wrote_its_tags(tmp_path: Path) -> None:
    home = laid_out(tmp_path)
    (home / "none.yaml").write_text("sources: [album]\ndatabase: tags.db\n")
    tagger(home, "scan", "-c", "none.yaml", **REAL)
    assert rows(home / "tags.db", "SELECT name FROM model_choice") == [("builtin",)]


def test_what_people_said_of_tags_outlives_the_upgrade_and_a_retagging(tmp_path: Path) -> None:
    home = laid_out(tmp_path)
    tagger(home, "scan", "-c", "config.yaml", **REAL)
    tagger(home, "retag", "--all", "-c", "config.yaml")
    tagger(home, "scan", "-c", "config.yaml", **REAL)
    said = rows(home / "tags.db", "SELECT path, label FROM image_tags WHERE by = 'human' ORDER BY path")
    assert said == [(str(home / "album/cat.jpg"), "tabby"), (str(home / "album/coffee.jpg"), "espresso")]
    assert not rows(
        home / "tags.db", "SELECT 1 FROM image_tags WHERE path LIKE '%/cat.jpg' AND label = 'meerkat'"
    )


def test_a_program_written_for_the_api_of_then_works(tmp_path: Path) -> None:
    home = laid_out(tmp_path)
    web = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__PORT": "0", **REAL}
    with running(home, "-c", "config.yaml", first="web:", **web) as daemon:
        address = daemon.first.split("web: ")[1].strip()
        done = subprocess.run(
            [sys.executable, KEPT / "client.py", address, home / "album/coffee.jpg"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "8 pictures\n"


def noted(home: Path, *arguments: object, **overrides: str) -> list[str]:
    """What `tagger doctor` notes of the config."""
    done = tagger(home, "doctor", "--json", *arguments, **overrides)
    found = json.loads(done.stdout)["findings"]
    return [one["what"] for one in found if (one["topic"], one["level"]) == ("config", "note")]


@pytest.mark.parametrize("name", ["tagger.yaml", "service.yaml"])
def test_old_defaults_in_a_config_of_then_are_named_first_of_all(tmp_path: Path, name: str) -> None:
    shutil.copy(KEPT / name, tmp_path)
    (tmp_path / "inbox").mkdir()
    arguments = ("inbox", "-c", name, "--database", "tags.db")
    first, *_ = tagger(tmp_path, "scan", *arguments).stderr.splitlines()
    said = noted(tmp_path, *arguments)
    old = ("model.name: resnet18 (the default is auto now)", "features: false (the default is true now)")
    for key in (*old, "search.min_score: 0.3 (the default is"):
        assert key in first
        assert [key in one for one in said].count(True) == 1
    assert " INFO " in first
    assert all(one.endswith(f", in {name}") for one in said)


def test_a_variable_that_says_an_old_default_is_named_and_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("sources: [inbox]\nsearch: {min_score: 0.3}\n")
    variables = {"TAGGER_SEARCH__MIN_SCORE": "0.7", "TAGGER_FEATURES": "false"}
    [said] = noted(tmp_path, "-c", "config.yaml", **variables)
    assert said == "features: false (the default is true now), in TAGGER_FEATURES"


def test_the_config_that_ships_now_keeps_no_old_default(tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "config/tagger.yaml"
    assert noted(tmp_path, "-c", config, "--database", tmp_path / "tags.db") == []


def test_thresholds_from_before_scores_were_calibrated_are_reported(tmp_path: Path) -> None:
    home = laid_out(tmp_path)
    words = "thresholds were set for scores of release 0.1.0"
    assert any(words in one for one in noted(home, "-c", "config.yaml"))
    said = tagger(home, "scan", "-c", "config.yaml", **REAL).stderr
    assert "thresholds: scores mean something else since 0.2.0; tagger calibrate suggests new ones" in said
    (home / "none.yaml").write_text("sources: [album]\ndatabase: tags.db\n")
    assert not any("thresholds" in one for one in noted(home, "-c", "none.yaml"))
