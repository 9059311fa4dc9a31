"""What of a flood of records is said."""

import json
import logging

from tagger.cli.logs import MOST, WINDOW, Json, Repeats


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(template: str, *values: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("tagger.x", level, "", 0, template, values, None)


def said(repeats: Repeats, *records: logging.LogRecord) -> list[str]:
    return [passed.getMessage() for one in records for passed in repeats.passed(one)]


def test_lines_that_are_alike_are_counted_past_the_first_of_a_minute() -> None:
    time = Time()
    repeats = Repeats(time)
    flood = [record("%s: no picture", f"{number}.png") for number in range(MOST + 42)]
    assert len(said(repeats, *flood)) == MOST
    assert said(repeats, record("another")) == ["another"]
    time.now = WINDOW
    assert said(repeats, record("%s: no picture", "a.png")) == [
        f"… and 42 more like it: {MOST + 41}.png: no picture",
        "a.png: no picture",
    ]
    time.now = 2 * WINDOW
    assert said(repeats, record("another")) == ["another"]


def test_the_end_of_the_log_says_what_was_only_counted() -> None:
    repeats = Repeats(Time())
    said(repeats, *(record("once more") for _ in range(MOST + 1)))
    assert [one.getMessage() for one in repeats.left()] == ["… and 1 more like it: once more"]


def test_who_wants_to_see_all_sees_all() -> None:
    flood = [record("stored", level=logging.DEBUG) for _ in range(MOST * 2)]
    assert len(said(Repeats(Time()), *flood)) == MOST * 2


def test_a_path_that_is_no_text_makes_an_object_all_the_same() -> None:
    one = record("%s: no picture", "a.png")
    one.__dict__["path"] = "caf\udce9.png"
    text = Json().format(one)
    assert text.isascii()
    assert json.loads(text)["path"] == "caf\udce9.png"
