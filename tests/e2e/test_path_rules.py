"""Cameras and times from paths, with the command as it is used."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.command import on_a_terminal, rows, tagger
from tests.e2e.site import serve, site_of

CAMERA = r"(?P<camera>[^/.]+)\.(?P<captured_at>\d{8}_\d{6})"
NAMES = ("Cam2.20260326_131715.png", "Cam3.20260326_131716.png", "Cam2.20261326_131717.png")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    for number, name in enumerate(NAMES):
        Image.new("RGB", (64, 48), (255, number, 0)).save(tmp_path / "inbox" / name)
        os.utime(tmp_path / "inbox" / name, (1_700_000_000, 1_700_000_000))
    return tmp_path


def scan(home: Path, pattern: str = "", timezone: str = "") -> str:
    source = f"{{path: inbox, path_pattern: '{pattern}', timezone: '{timezone}'}}"
    (home / "config.yaml").write_text(f"database: tags.db\nsources: [{source}]\n")
    done = tagger(home, "scan", "-c", home / "config.yaml")
    assert done.returncode == 0, done.stderr
    return done.stderr


def found(home: Path, query: str) -> list[str]:
    said = tagger(home, "search", query, "-c", home / "config.yaml").stdout
    return [Path(line.split("\t")[-1]).name for line in said.splitlines()]


def test_what_paths_tell_is_searched_for_and_an_impossible_date_is_counted(home: Path) -> None:
    assert "dated anew" not in scan(home, CAMERA, "Asia/Shanghai")
    assert found(home, "camera:Cam2 since 2026-01-01") == [NAMES[0]]
    assert found(home, "camera:Cam*") == [NAMES[1], NAMES[0], NAMES[2]]
    times = dict(rows(home / "tags.db", "SELECT camera, max(captured_at) FROM top_tag GROUP BY camera"))
    assert times == {"Cam2": "2026-03-26 05:17:15.000", "Cam3": "2026-03-26 05:17:16.000"}
    assert "1 with a date that cannot be" in tagger(home, "status", "-c", home / "config.yaml").stdout


def test_a_new_pattern_dates_what_is_there_without_tagging_it_anew(home: Path) -> None:
    scan(home)
    assert found(home, "camera:Cam*") == []
    before = rows(home / "tags.db", "SELECT path, seq FROM top_tag ORDER BY seq")
    assert "dated anew, by path_pattern, timezone and the rules of this release: 3 pictures" in scan(
        home, CAMERA, "UTC"
    )
    assert len(found(home, "camera:Cam*")) == 3
    assert rows(home / "tags.db", "SELECT path, seq FROM top_tag ORDER BY seq") == before


def test_a_time_that_nothing_tells_is_called_unknown_where_people_read(home: Path) -> None:
    for name in NAMES[1:]:
        (home / "inbox" / name).unlink()
    os.utime(home / "inbox" / NAMES[0], (4_000_000_000, 4_000_000_000))
    with serve(home) as daemon, site_of(daemon) as site:
        daemon.wait_for("Cam2.20260326_131715.png: ")
        pages = [site.client.get(path).text for path in ("/", "/pictures/1")]
        chinese = site.client.get("/", params={"lang": "zh"}).text
    assert all("time unknown" in page and "1970" not in page for page in pages)
    assert "时间未知" in chinese
    assert "unknown" in on_a_terminal(home, "search", "", "--database", home / "tags.db")
    assert "1970-01-01T00:00:00.000Z" in tagger(home, "search", "", "--database", home / "tags.db").stdout


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("path_pattern", "'[^/]+'", "has no named group"),
        ("path_pattern", r"'(?P<x>.)(?=a)'", "it can neither look around nor refer back"),
        ("timezone", "Asia/Shangai", "did you mean 'Asia/Shanghai'?"),
    ],
)
def test_what_cannot_be_used_is_refused_with_key_and_reason(
    home: Path, key: str, value: str, reason: str
) -> None:
    (home / "config.yaml").write_text(f"sources: [{{path: inbox, {key}: {value}}}]\n")
    said = tagger(home, "config", "check", "-c", home / "config.yaml")
    assert said.returncode == 2
    assert f"sources, first entry, {key}" in said.stderr
    assert reason in said.stderr
