"""The log, as an operator meets it: on a terminal, and where lines are collected."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Painter
from tests.e2e.command import on_a_terminal, running, tagger

AUTO = {"TAGGER_LOG_FORMAT": "auto"}


def objects(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def test_elsewhere_than_on_a_terminal_each_line_is_an_object(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    bad = inbox / "no\n.png"
    bad.write_bytes(b"no picture")
    with running(tmp_path, inbox, "--database", database, **AUTO) as daemon:
        daemon.wait_for("no picture|not a picture")
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        assert daemon.stop(signal.SIGTERM) == 0
    log = objects(daemon.log)
    assert all({"time", "level", "logger", "message"} <= set(one) for one in log)
    [failed] = [one for one in log if "error" in one]
    assert (failed["level"], failed["source"], failed["path"]) == ("warning", "inbox", str(bad))
    assert failed["error"] in failed["message"]
    [tagged] = [one for one in log if one.get("path") == str(inbox / "a.png")]
    assert (tagged["level"], tagged["source"]) == ("info", "inbox")


def test_an_exception_is_a_part_of_its_line(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    paint(inbox / "a.png")
    broken = tagger(
        tmp_path, "scan", inbox, "--database", database, TAGGER_FAILPOINTS="store=raise:1", **AUTO
    )
    lines = [line for line in broken.stderr.splitlines() if line.startswith("{")]
    [told] = [one["exception"] for one in map(json.loads, lines) if "exception" in one]
    assert told.startswith("Traceback")


def test_on_a_terminal_the_log_is_for_people(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    paint(inbox / "a.png")
    seen = on_a_terminal(tmp_path, "scan", inbox, "--database", database, **AUTO)
    assert "INFO" in seen
    assert '"message"' not in seen


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_config_has_the_last_word(tmp_path: Path, inbox: Path, database: Path, form: str) -> None:
    done = tagger(tmp_path, "scan", inbox, "--database", database, TAGGER_LOG_FORMAT=form)
    assert done.stderr.startswith("{") is (form == "json")


def test_a_thousand_failures_do_not_fill_the_log(tmp_path: Path, inbox: Path, database: Path) -> None:
    for number in range(200):
        (inbox / f"{number}.png").write_bytes(b"no picture")
    done = tagger(tmp_path, "scan", inbox, "--database", database)
    assert done.stderr.count("not a picture") == 61
    assert "… and 140 more like it" in done.stderr
    assert "200 failed" in done.stdout
