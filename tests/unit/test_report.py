import logging
from collections.abc import Sequence

import pytest

from tagger.pipeline.report import EVERY, Report
from tagger.records import (
    Category,
    Facts,
    Failed,
    Known,
    Label,
    Outcome,
    Reading,
    Stamp,
    Tag,
    Tagged,
    Taxonomy,
)

TAXONOMY = Taxonomy("", (Category("animal", "animal"), Category("bird", "bird", within=("animal",))))
LEAST = 0.4


def tagged(name: str, score: float = 0.9, categories: tuple[tuple[str, float], ...] = ()) -> Outcome:
    labels = (Label("n1", "robin"), Label("n2", "junco"))
    tags = tuple(
        Tag(label, score / rank, rank) for rank, label in enumerate(labels[: 1 if score > 0.5 else 2], 1)
    )
    reading = Reading(tags, score, 0.9, 0.1, categories)
    return Tagged(Stamp(f"/p/{name}", "p", 1, 0, 0), Facts("", 1, 1, "PNG", None), reading)


class ToldReport:
    """A report, and what it is told of."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.now = 0.0
        self.waiting = 1200
        self.report = Report(TAXONOMY, LEAST, lambda: self.now)

    def stored(self, outcomes: Sequence[Outcome], waits: Sequence[float] = ()) -> None:
        self.report.stored(outcomes, waits, self.in_flight)

    def look(self) -> None:
        self.report.look(self.waiting)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> ToldReport:
    caplog.set_level(logging.INFO)
    return ToldReport()


def test_a_single_picture_is_named_with_its_tags_at_once(
    told: ToldReport, caplog: pytest.LogCaptureFixture
) -> None:
    told.stored([tagged("a.png")])
    assert caplog.messages == ["/p/a.png: robin 0.90"]


def test_a_picture_of_which_no_label_is_sure_is_named_by_its_narrowest_category(
    told: ToldReport, caplog: pytest.LogCaptureFixture
) -> None:
    told.stored([tagged("a.png", 0.3, (("animal", 0.8), ("bird", 0.7)))])
    told.stored([tagged("b.png", 0.3, (("animal", 0.8), ("bird", 0.35)))])
    assert caplog.messages == [
        "/p/a.png: bird 0.70 (robin 0.30, junco 0.15)",
        "/p/b.png: animal 0.80 (robin 0.30, junco 0.15)",
    ]


def test_of_a_picture_that_is_not_known_only_guesses_are_told(
    told: ToldReport, caplog: pytest.LogCaptureFixture
) -> None:
    told.stored([tagged("a.png", 0.21, (("animal", 0.39),))])
    assert caplog.messages == ["/p/a.png: not sure (robin 0.21, junco 0.10)"]


def test_a_label_is_sure_from_the_least_score_on(told: ToldReport, caplog: pytest.LogCaptureFixture) -> None:
    told.stored([tagged("a.png", LEAST, (("animal", 0.9),))])
    assert caplog.messages == ["/p/a.png: robin 0.40, junco 0.20"]


def test_one_picture_is_no_pictures(told: ToldReport, caplog: pytest.LogCaptureFixture) -> None:
    told.stored([Known(Stamp("/p/a.png", "p", 1, 0, 0), "")])
    assert caplog.messages == ["tagged 1 picture"]


def test_a_backlog_is_told_in_sums_and_none_is_left_out(
    told: ToldReport, caplog: pytest.LogCaptureFixture
) -> None:
    for told.in_flight in (3, 2, 1, 0):
        told.stored([tagged("a.png"), tagged("b.png")])
    assert caplog.messages == ["tagged 8 pictures"]


def test_each_minute_with_work_in_it_is_summed_up(told: ToldReport, caplog: pytest.LogCaptureFixture) -> None:
    told.in_flight = 9
    for number in range(100):
        told.stored([tagged("a.png")], [number / 10])
    told.now = EVERY - 1
    told.look()
    assert caplog.messages == []
    told.now = EVERY
    told.look()
    assert caplog.messages == ["100 pictures in the last minute, 1,200 waiting, 5.0 s from file to tags"]


def test_a_summary_tells_what_failed_and_that_nothing_waits(
    told: ToldReport, caplog: pytest.LogCaptureFixture
) -> None:
    told.in_flight, told.waiting, told.now = 9, 0, EVERY
    told.stored([tagged("a.png"), Failed(Stamp("/p/b.png", "p", 1, 0, 0), "decode", "empty")], [0.62])
    told.look()
    assert caplog.messages[1:] == [
        "2 pictures in the last minute, 1 failed, none waiting, 0.6 s from file to tags"
    ]


def test_nothing_is_said_of_a_minute_without_work(told: ToldReport, caplog: pytest.LogCaptureFixture) -> None:
    for told.now in (EVERY, 2 * EVERY, 3 * EVERY):
        told.look()
    assert caplog.messages == []


def test_of_a_backlog_nobody_says_how_long_it_waited(
    told: ToldReport, caplog: pytest.LogCaptureFixture
) -> None:
    told.in_flight, told.now = 9, EVERY
    told.stored([tagged("a.png"), tagged("b.png")])
    told.look()
    assert caplog.messages == ["2 pictures in the last minute, 1,200 waiting"]


def test_each_failure_is_told_with_its_reason(told: ToldReport, caplog: pytest.LogCaptureFixture) -> None:
    told.stored([Failed(Stamp("/p/bad\n.png", "p", 1, 0, 0), "decode", "the file is empty")])
    assert caplog.messages == ["/p/bad\\n.png: the file is empty"]
