import time
from queue import SimpleQueue

import pytest

from tagger.pipeline.channel import Channel
from tagger.pipeline.stage import Stage
from tagger.supervision import Supervisor


def test_threads_share_the_work_and_end_when_it_is_closed() -> None:
    work: Channel[int] = Channel(100)
    done: SimpleQueue[int] = SimpleQueue()
    stage = Stage("count", lambda: done.put(work.get()), Supervisor(), crashed=lambda error: None, threads=3)
    for number in range(100):
        work.put(number)
    work.close()
    stage.start()
    assert stage.join(time.monotonic() + 10)
    assert sorted(done.get() for _ in range(100)) == list(range(100))


def test_an_error_ends_the_stage_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    crashes: SimpleQueue[BaseException] = SimpleQueue()

    def broken() -> None:
        raise RuntimeError("disk on fire")

    stage = Stage("broken", broken, Supervisor(), crashes.put)
    stage.start()
    assert str(crashes.get(timeout=10)) == "disk on fire"
    assert stage.join(time.monotonic() + 10)
    assert "disk on fire" in caplog.text


def test_a_stage_that_hangs_does_not_hold_up_the_stop() -> None:
    silent: Channel[int] = Channel(1)

    def wait() -> None:
        silent.get()

    stage = Stage("stuck", wait, Supervisor(), crashed=lambda error: None)
    stage.start()
    assert not stage.join(time.monotonic())
    silent.close()
    assert stage.join(time.monotonic() + 10)
