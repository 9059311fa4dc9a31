from collections.abc import Callable
from threading import Thread

import pytest

from tagger.pipeline.channel import Channel, Closed


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
