"""What a listener hears of a running daemon: over HTTP, as a browser's EventSource does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tagger.web.api import events as events_module
from tests.conftest import Painter
from tests.e2e.command import running, tagger
from tests.e2e.site import TOKEN, Site, serve, site_of

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def site(tmp_path: Path, inbox: Path) -> Iterator[Site]:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        yield site


@contextmanager
def listening(site: Site, query: str = "", after: int | None = None) -> Iterator[Iterator[dict[str, Any]]]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with site.client.stream("GET", "/events", params={"q": query}, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        yield events(lines)


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            event[name] = json.loads(value) if name == "data" else value
        elif "data" in event:
            yield event
            event = {}


def test_a_picture_is_heard_of_when_it_is_tagged(site: Site, inbox: Path, paint: Painter) -> None:
    with listening(site) as heard:
        paint(inbox / "red.png", RED)
        event = next(heard)
    assert (event["event"], event["id"]) == ("tagged", "1")
    assert event["data"] == site.get("/images/1")


def test_who_was_away_hears_what_it_missed_and_only_that(site: Site, inbox: Path, paint: Painter) -> None:
    for number, colour in enumerate((RED, BLUE, RED)):
        paint(inbox / f"{number}.png", colour, number)
        site.daemon.wait_for(rf"{number}\.png: ")
    with listening(site, after=1) as heard:
        assert [next(heard)["id"], next(heard)["id"]] == ["2", "3"]
    with listening(site, "red", after=0) as heard:
        assert [next(heard)["id"], next(heard)["id"]] == ["1", "3"]


def test_a_proxy_hands_on_a_stream_at_once_and_keeps_it(site: Site) -> None:
    assert (events_module.EVERY * events_module.QUIET, events_module.EVERY) == (15, 0.5)
    with site.client.stream("GET", "/events") as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(4)][2:] == [": nothing new", "id: 0"]


def test_failures_and_sources_that_go_away_are_heard_of(site: Site, inbox: Path) -> None:
    with listening(site) as heard:
        (inbox / "no.png").write_bytes(b"no picture")
        failed = next(heard)
        assert (failed["event"], failed["data"]["path"]) == ("failed", str(inbox / "no.png"))
        assert "not a picture" in failed["data"]["error"]
        inbox.rename(inbox.with_name("elsewhere"))
        gone = next(heard)
        assert (gone["event"], gone["data"]["source"]) == ("source", "inbox")
        assert "is away" in gone["data"]["trouble"]


def test_a_move_is_heard_of_and_the_picture_is_not_new(site: Site, inbox: Path, paint: Painter) -> None:
    (inbox / "a").mkdir()
    with listening(site) as heard:
        paint(inbox / "a" / "red.png", RED)
        tagged = next(heard)
        (inbox / "a").rename(inbox / "b")
        moved = next(heard)
    assert moved["event"] == "moved"
    assert moved["data"] == {
        "id": tagged["data"]["id"],
        "source": "inbox",
        "path": str(inbox / "b" / "red.png"),
        "old_path": str(inbox / "a" / "red.png"),
    }
    assert site.get(f"/images/{tagged['data']['id']}")["seq"] == tagged["data"]["seq"]


def test_a_wrong_query_is_told_before_the_stream_begins(site: Site) -> None:
    answer = site.client.get("/events", params={"q": "reed"})
    assert answer.status_code == 400
    assert "did you mean red" in answer.json()["detail"]


def test_listeners_do_not_hold_up_a_stop(site: Site) -> None:
    with listening(site) as heard:
        site.daemon.process.terminate()
        assert list(heard) == []
    assert site.daemon.end() == 0
    assert "Cancel" not in site.daemon.log


def test_metrics_are_what_prometheus_reads(site: Site, inbox: Path, paint: Painter) -> None:
    paint(inbox / "red.png", RED)
    (inbox / "no.png").write_bytes(b"no picture")
    with listening(site, after=0) as heard:
        assert {next(heard)["event"], next(heard)["event"]} == {"tagged", "failed"}
    text = site.client.get("/metrics").raise_for_status().text
    assert 'tagger_files{source="inbox",state="done"} 1.0' in text
    assert 'tagger_files{source="inbox",state="failed"} 1.0' in text
    assert 'tagger_outcomes_total{source="inbox",status="failed"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_what_has_not_changed_is_not_sent_again(site: Site, inbox: Path, paint: Painter) -> None:
    with listening(site) as heard:
        first = site.client.get("/images")
        again = site.client.get("/images", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        paint(inbox / "red.png", RED)
        next(heard)
    changed = site.client.get("/images", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, len(changed.json()["images"])) == (200, 1)


def test_tagger_web_shows_and_changes_nothing(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    paint(inbox / "red.png", RED)
    assert tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db").returncode == 0
    options = {"command": "web", "first": "web:", "TAGGER_WEB__PORT": "0"}
    with running(tmp_path, "--database", tmp_path / "tags.db", **options) as daemon, site_of(daemon) as site:
        assert site.get("/images?q=red")["images"][0]["id"] == 1
        assert "red" in {one["name"] for one in site.get("/labels")}
        for refused in (
            site.client.post("/predict", content=b"x"),
            site.client.post("/images/1/verdicts", json={"add": ["blue"]}),
        ):
            assert "tagger run" in refused.json()["detail"]
        daemon.process.terminate()
        assert daemon.end() == 0


@pytest.mark.parametrize("more", [{"host": "0.0.0.0"}, {"token": "short"}])  # noqa: S104 (that is what is refused)
def test_tagger_web_does_not_open_a_door_either(tmp_path: Path, inbox: Path, more: dict[str, str]) -> None:
    tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db")
    variables = {f"TAGGER_WEB__{key.upper()}": value for key, value in more.items()}
    refused = tagger(tmp_path, "web", "--database", tmp_path / "tags.db", **variables)
    assert (refused.returncode, "token" in refused.stderr) == (2, True)


def test_metrics_need_the_token_where_there_is_one(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path, token=TOKEN) as daemon, site_of(daemon) as site:
        assert site.client.get("/metrics").status_code == 401
