"""When a batch is full enough."""

from threading import Thread

import pytest

from tagger.pipeline.batcher import Batcher
from tagger.pipeline.channel import Channel
from tagger.supervision import Closed

FOR_EVER = 1e6


def filled(*items: int) -> Channel[int]:
    channel: Channel[int] = Channel(16)
    for item in items:
        channel.put(item)
    return channel


def test_what_is_there_is_a_batch() -> None:
    assert Batcher(filled(1, 2, 3), max_size=2, max_wait=0).take() == [1, 2]


def test_a_lone_item_waits_for_no_other() -> None:
    batcher = Batcher(filled(1), max_size=4, max_wait=FOR_EVER)
    assert batcher.take() == [1]


def test_under_load_a_batch_is_filled() -> None:
    channel = filled(1, 2, 3)
    batcher = Batcher(channel, max_size=2, max_wait=FOR_EVER)
    batcher.take()
    late = Thread(target=channel.put, args=[4])
    late.start()
    assert batcher.take() == [3, 4]
    late.join()


def test_the_wait_ends_with_its_time() -> None:
    batcher = Batcher(filled(1, 2, 3), max_size=2, max_wait=0.001)
    batcher.take()
    assert batcher.take() == [3]


def test_closing_ends_the_wait_and_then_the_work() -> None:
    channel = filled(1, 2, 3)
    batcher = Batcher(channel, max_size=2, max_wait=FOR_EVER)
    batcher.take()
    closing = Thread(target=channel.close)
    closing.start()
    assert batcher.take() == [3]
    closing.join()
    with pytest.raises(Closed):
        batcher.take()
