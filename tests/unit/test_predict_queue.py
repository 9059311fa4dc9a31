import pytest

from tagger.pipeline.predict_queue import BusyError, PredictQueue
from tagger.records import Content, Failed, Reply
from tagger.supervision import Closed


def answer(queue: PredictQueue, content: Content) -> None:
    assert isinstance(content.target, Reply)
    queue.answer(content.target, Failed(content.target, "decode", "no picture"))


def test_whoever_asks_gets_what_became_of_their_picture() -> None:
    queue = PredictQueue(2)
    one, other = queue.ask(b"one", 5), queue.ask(b"other", 5)
    first, second = queue.get(), queue.get()
    assert (first.data, second.data) == (b"one", b"other")
    answer(queue, second)
    assert (one.done(), other.result()) == (False, Failed(second.target, "decode", "no picture"))


def test_two_who_ask_of_the_same_bytes_are_both_answered() -> None:
    queue = PredictQueue(2)
    answers = [queue.ask(b"same", 5) for _ in range(2)]
    for _ in range(2):
        answer(queue, queue.get())
    assert all(answer.done() for answer in answers)


def test_more_than_it_holds_are_sent_away_at_once_and_served_once_there_is_room() -> None:
    queue = PredictQueue(1)
    queue.ask(b"one", 5)
    with pytest.raises(BusyError):
        queue.ask(b"other", 5)
    answer(queue, queue.get())
    queue.ask(b"other", 5)


def test_when_it_closes_those_who_wait_are_told_and_nobody_else_is_served() -> None:
    queue = PredictQueue(2)
    waiting = queue.ask(b"one", 5)
    queue.close()
    with pytest.raises(Closed):
        waiting.result(0)
    with pytest.raises(Closed):
        queue.ask(b"other", 5)


def test_a_picture_that_is_on_the_road_when_it_closes_is_no_file() -> None:
    queue = PredictQueue(1)
    queue.ask(b"one", 5)
    on_the_road = queue.get()
    queue.close()
    assert isinstance(on_the_road.target, Reply)
    answer(queue, on_the_road)


def test_a_server_that_no_longer_waits_does_not_stop_the_road() -> None:
    queue = PredictQueue(1)
    queue.ask(b"one", 5).cancel()
    answer(queue, queue.get())
