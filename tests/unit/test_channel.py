from collections.abc import Callable, Iterable
from functools import partial
from threading import Thread

import pytest

from tagger.pipeline.channel import Channel
from tagger.supervision import Closed


def put_all(channel: Channel[int], numbers: Iterable[int]) -> None:
    for number in numbers:
        channel.put(number)


def in_thread(work: Callable[[], object]) -> Thread:
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_batch_is_what_is_there_up_to_the_limit() -> None:
    channel: Channel[int] = Channel(10)
    for number in range(5):
        channel.put(number)
    assert channel.take(3) == [0, 1, 2]
    assert channel.take(3) == [3, 4]


def test_a_full_channel_holds_its_producer_back_until_there_is_room() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    producer = in_thread(lambda: channel.put(2))
    assert len(channel) == 1
    assert [channel.get(), channel.get()] == [1, 2]
    producer.join(10)
    assert not producer.is_alive()


def test_a_closed_channel_gives_what_it_holds_and_then_ends() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(1)
    channel.close()
    assert channel.take(2) == [1]
    with pytest.raises(Closed):
        channel.take(2)
    with pytest.raises(Closed):
        channel.put(2)


@pytest.mark.parametrize("held", [0, 1])
def test_closing_wakes_whoever_waits(held: int) -> None:
    """A taker of an empty channel, and a producer of a full one."""
    channel: Channel[int] = Channel(1)
    for item in range(held):
        channel.put(item)
    ended: list[bool] = []

    def work() -> None:
        try:
            channel.put(9) if held else channel.get()
        except Closed:
            ended.append(True)

    waiter = in_thread(work)
    channel.close()
    waiter.join(10)
    assert ended == [True]


def test_with_many_on_both_sides_each_item_arrives_once() -> None:
    channel: Channel[int] = Channel(3)
    arrived: list[int] = []

    def take_all() -> None:
        try:
            while True:
                arrived.extend(channel.take(2))
        except Closed:
            return

    takers = [in_thread(take_all) for _ in range(3)]
    putters = [in_thread(partial(put_all, channel, range(first, 3000, 3))) for first in range(3)]
    for putter in putters:
        putter.join(30)
    channel.close()
    for taker in takers:
        taker.join(30)
    assert sorted(arrived) == list(range(3000))


def test_what_a_patient_taker_leaves_wakes_another() -> None:
    channel: Channel[int] = Channel(10)
    taken: list[list[int]] = []
    takers = [in_thread(lambda: taken.append(channel.take(2, patience=60))) for _ in range(2)]
    put_all(channel, range(4))
    for taker in takers:
        taker.join(30)
    assert sorted(taken) == [[0, 1], [2, 3]]
