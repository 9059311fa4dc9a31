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
        self.report = Report(lambda: self.in_flight, lambda: self.now)


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


def test_a_long_backlog_is_told_every_few_seconds(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    road.in_flight = 9
    for _ in range(3):
        road.now += EVERY * 0.6
        road.report.stored([tagged("a.png")])
    assert caplog.messages == ["tagged 2 pictures"]


def test_each_failure_is_told_with_its_reason(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    road.report.stored([Failed(Stamp("/p/bad\n.png", "p", 1, 0, 0), "decode", "the file is empty")])
    assert caplog.messages == ["/p/bad\\n.png: the file is empty"]
