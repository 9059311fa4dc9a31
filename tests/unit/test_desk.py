import pytest

from tagger.pipeline.channel import Closed
from tagger.pipeline.predict_queue import BusyError, PredictQueue
from tagger.records import Failed, Known, Stamp


def test_whoever_asks_gets_what_became_of_their_picture() -> None:
    desk = PredictQueue(2)
    one, other = desk.ask(b"one", 5), desk.ask(b"other", 5)
    first, second = desk.get(), desk.get()
    assert (first.data, second.data) == (b"one", b"other")
    assert desk.answered([Failed(second.stamp, "decode", "no picture")]) == []
    assert (one.done(), other.result().reason) == (False, "no picture")  # type: ignore[union-attr]


def test_two_who_ask_of_the_same_bytes_are_both_answered() -> None:
    desk = PredictQueue(2)
    answers = [desk.ask(b"same", 5) for _ in range(2)]
    desk.answered([Failed(desk.get().stamp, "decode", "no picture") for _ in range(2)])
    assert all(answer.done() for answer in answers)


def test_files_are_none_of_its_business() -> None:
    known = Known(Stamp("/a.jpg", "cam", 1, 0, 0), "ab")
    assert PredictQueue(1).answered([known]) == [known]


def test_more_than_it_holds_are_sent_away_at_once_and_served_once_there_is_room() -> None:
    desk = PredictQueue(1)
    desk.ask(b"one", 5)
    with pytest.raises(BusyError):
        desk.ask(b"other", 5)
    desk.answered([Failed(desk.get().stamp, "decode", "no picture")])
    desk.ask(b"other", 5)


def test_when_it_closes_those_who_wait_are_told_and_nobody_else_is_served() -> None:
    desk = PredictQueue(2)
    waiting = desk.ask(b"one", 5)
    desk.close()
    with pytest.raises(Closed):
        waiting.result(0)
    with pytest.raises(Closed):
        desk.ask(b"other", 5)


def test_a_picture_that_is_on_the_road_when_it_closes_is_no_file() -> None:
    desk = PredictQueue(1)
    desk.ask(b"one", 5)
    on_the_road = desk.get()
    desk.close()
    assert desk.answered([Failed(on_the_road.stamp, "decode", "no picture")]) == []


def test_a_server_that_no_longer_waits_does_not_stop_the_road() -> None:
    desk = PredictQueue(1)
    desk.ask(b"one", 5).cancel()
    assert desk.answered([Failed(desk.get().stamp, "decode", "no picture")]) == []
