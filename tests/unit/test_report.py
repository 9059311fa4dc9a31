import logging

import pytest

from tagger.pipeline.report import EVERY, Report
from tagger.records import Facts, Failed, Label, Outcome, Reading, Stamp, Tag, Tagged


def tagged(name: str) -> Outcome:
    reading = Reading((Tag(Label("n1", "robin"), 0.9, 1),), 0.9, 0.9, 0.1)
    return Tagged(Stamp(f"/p/{name}", "p", 1, 0, 0), Facts("", 1, 1, "PNG", None), reading)


class Road:
    """A report, and the road it is told of."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.now = 0.0
        self.report = Report(lambda: self.in_flight, lambda: {"waiting": 1200}, lambda: self.now)


@pytest.fixture
def road(caplog: pytest.LogCaptureFixture) -> Road:
    caplog.set_level(logging.INFO)
    return Road()


def test_a_single_picture_is_named_with_its_tags_at_once(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    road.report.stored([tagged("a.png")])
    assert caplog.messages == ["/p/a.png: robin 0.90"]


def test_a_backlog_is_told_in_sums_and_none_is_left_out(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    for road.in_flight in (3, 2, 1, 0):
        road.report.stored([tagged("a.png"), tagged("b.png")])
    assert caplog.messages == ["tagged 8 pictures"]


def test_each_minute_with_work_in_it_is_summed_up(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    road.in_flight = 9
    for number in range(100):
        road.report.stored([tagged("a.png")], [number / 10])
    road.now = EVERY - 1
    road.report.look()
    assert caplog.messages == []
    road.now = EVERY
    road.report.look()
    assert caplog.messages == [
        "in a minute 100 tagged, 0 failed, 1.7 a second; "
        "from arrival to row 5.00 s (p50), 9.90 s (p99); waiting 1,200"
    ]


def test_nothing_is_said_of_a_minute_without_work(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    for road.now in (EVERY, 2 * EVERY, 3 * EVERY):
        road.report.look()
    assert caplog.messages == []


def test_of_a_backlog_nobody_says_how_long_it_waited(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    road.in_flight, road.now = 9, EVERY
    road.report.stored([tagged("a.png"), tagged("b.png")])
    road.report.look()
    assert caplog.messages == ["in a minute 2 tagged, 0 failed, 0.0 a second; waiting 1,200"]


def test_each_failure_is_told_with_its_reason(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    road.report.stored([Failed(Stamp("/p/bad\n.png", "p", 1, 0, 0), "decode", "the file is empty")])
    assert caplog.messages == ["/p/bad\\n.png: the file is empty"]
