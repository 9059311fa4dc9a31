import threading
import time

import pytest

from tagger.pipeline.channel import Channel
from tagger.pipeline.stage import Stage
from tagger.supervision import Pulse, Supervisor, advanced, excused, turn


@pytest.fixture
def pulse() -> Pulse:
    pulse = Pulse("infer-0")
    pulse.begin()
    return pulse


def test_who_neither_advances_nor_is_excused_hangs(pulse: Pulse) -> None:
    supervisor = Supervisor([pulse], looks=2)
    assert [supervisor.look() for _ in range(3)] == ["", "", "infer-0"]
    pulse.end()


def test_who_advances_does_not(pulse: Pulse) -> None:
    supervisor = Supervisor([pulse], looks=2)
    for _ in range(9):
        advanced()
        assert not supervisor.look()
    assert [supervisor.look() for _ in range(3)] == ["", "", "infer-0"]
    advanced()
    assert not supervisor.look()
    pulse.end()


def test_who_waits_for_work_does_not_and_then_has_all_its_time(pulse: Pulse) -> None:
    supervisor = Supervisor([pulse], looks=2)
    with excused():
        with excused():
            pass
        assert not any(supervisor.look() for _ in range(9))
    assert [supervisor.look() for _ in range(4)] == ["", "", "", "infer-0"]
    pulse.end()


def test_who_has_ended_or_not_begun_does_not(pulse: Pulse) -> None:
    supervisor = Supervisor([pulse, Pulse("never")], looks=2)
    pulse.end()
    assert not any(supervisor.look() for _ in range(9))


def test_other_threads_are_nobody() -> None:
    advanced()
    with excused(), turn(threading.Lock()):
        pass


def test_a_stage_that_waits_is_excused_and_one_that_hangs_is_found() -> None:
    work: Channel[int] = Channel(1)
    hangs, go_on = threading.Event(), threading.Event()

    def step() -> None:
        work.get()
        hangs.set()
        go_on.wait(10)

    stage = Stage("infer", step, crashed=lambda error: None)
    supervisor = Supervisor(stage.pulses, looks=2)
    stage.start()
    work.put(1)
    assert hangs.wait(10)
    assert [supervisor.look() for _ in range(4)][-1] == "infer-0"
    go_on.set()
    work.close()
    assert stage.join(time.monotonic() + 10)
    assert not supervisor.look()


def test_a_queue_for_a_lock_blames_who_holds_it_alone() -> None:
    lock, go_on = threading.Lock(), threading.Event()
    numbers: Channel[int] = Channel(2)

    def step() -> None:
        numbers.get()
        with turn(lock):
            go_on.wait(10)

    stage = Stage("sink", step, crashed=lambda error: None, threads=2)
    supervisor = Supervisor(stage.pulses, looks=2)
    stage.start()
    numbers.put(1)
    while not lock.locked():
        pass
    [holder] = [pulse for pulse in stage.pulses if not pulse.excused]
    numbers.put(2)
    assert [supervisor.look() for _ in range(9)][-1] == holder.name
    go_on.set()
    numbers.close()
    assert stage.join(time.monotonic() + 10)
