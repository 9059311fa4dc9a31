import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tagger.pipeline.channel import Channel
from tagger.pipeline.crash_isolation import TOO_LATE
from tagger.pipeline.stage import Stage
from tagger.supervision import Supervisor, advanced, here, turn, waiting
from tagger.vision.budget import PixelBudget


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """Of this thread, which may be still for two checks."""
    supervisor = Supervisor(still=2)
    with supervisor.thread("infer-0"):
        yield supervisor


def hung(supervisor: Supervisor, checks: int) -> list[str]:
    return [supervisor.check().hung for _ in range(checks)]


def overdue(supervisor: Supervisor) -> str:
    work = supervisor.check().overdue
    return f"{work.what} {work.path}" if work else ""


def test_who_neither_advances_nor_waits_hangs(supervisor: Supervisor) -> None:
    assert hung(supervisor, 3) == ["", "", "infer-0"]


def test_who_advances_does_not(supervisor: Supervisor) -> None:
    for _ in range(9):
        advanced()
        assert hung(supervisor, 1) == [""]
    assert hung(supervisor, 3) == ["", "", "infer-0"]
    advanced()
    assert hung(supervisor, 1) == [""]


def test_who_waits_for_work_does_not_and_then_has_all_its_time(supervisor: Supervisor) -> None:
    with waiting():
        with waiting():
            pass
        assert not any(hung(supervisor, 9))
    assert hung(supervisor, 4) == ["", "", "", "infer-0"]


def test_who_has_ended_does_not() -> None:
    supervisor = Supervisor(still=2)
    with supervisor.thread("infer-0"):
        pass
    assert not any(hung(supervisor, 9))
    assert supervisor.snapshot() == []


def test_other_threads_are_nobody() -> None:
    advanced()
    with waiting(), turn(threading.Lock()):
        assert here() is None


def test_a_stage_that_waits_does_not_hang_and_one_that_hangs_is_found() -> None:
    work: Channel[int] = Channel(1)
    hangs, go_on = threading.Event(), threading.Event()

    def step() -> None:
        work.get()
        hangs.set()
        go_on.wait(10)

    supervisor = Supervisor(still=2)
    stage = Stage("infer", step, supervisor, crashed=lambda error: None)
    stage.start()
    work.put(1)
    assert hangs.wait(10)
    assert hung(supervisor, 4)[-1] == "infer-0"
    go_on.set()
    work.close()
    assert stage.join(time.monotonic() + 10)
    assert hung(supervisor, 1) == [""]


def test_a_queue_for_a_lock_blames_who_holds_it_alone() -> None:
    lock, go_on = threading.Lock(), threading.Event()
    numbers: Channel[int] = Channel(2)

    def step() -> None:
        numbers.get()
        with turn(lock):
            go_on.wait(10)

    supervisor = Supervisor(still=2)
    stage = Stage("sink", step, supervisor, crashed=lambda error: None, threads=2)
    stage.start()
    numbers.put(1)
    while not lock.locked():
        pass
    while len(working := [one for one in supervisor.snapshot() if not one.is_waiting]) != 1:
        pass
    [holder] = working
    numbers.put(2)
    assert hung(supervisor, 9)[-1] == holder.name
    go_on.set()
    numbers.close()
    assert stage.join(time.monotonic() + 10)


def test_work_is_overdue_after_more_checks_than_its_limit() -> None:
    supervisor = Supervisor()
    with supervisor.working("decoding", "/cam/a.png", limit=2):
        assert [overdue(supervisor) for _ in range(3)] == ["", "", "decoding /cam/a.png"]


def test_what_is_finished_is_not_overdue() -> None:
    supervisor = Supervisor()
    for _ in range(5):
        with supervisor.working("decoding", "/cam/a.png", limit=1):
            assert overdue(supervisor) == ""
    assert overdue(supervisor) == ""


def test_work_that_is_overdue_is_found_among_others() -> None:
    supervisor = Supervisor()
    with supervisor.working("decoding", "/cam/bad.png", limit=2):
        found = []
        for number in range(4):
            with supervisor.working("decoding", f"/cam/{number}.png", limit=2):
                found.append(overdue(supervisor))
    assert found == ["", "", "decoding /cam/bad.png", "decoding /cam/bad.png"]


def test_a_picture_that_waits_for_the_memory_of_others_is_not_overdue() -> None:
    budget, supervisor = PixelBudget(1), Supervisor()
    holds = threading.Event()

    def work() -> None:
        with supervisor.thread("decode-0"), supervisor.working("decoding", "/cam/a.png", limit=1):
            holds.set()
            with budget.hold(1_000_000):
                pass

    with budget.hold(1):
        thread = threading.Thread(target=work)
        thread.start()
        assert holds.wait(10)
        [activity] = supervisor.snapshot()
        while not activity.is_queued:
            pass
        assert [overdue(supervisor) for _ in range(5)] == [""] * 5
    thread.join()
    assert not activity.is_queued


def test_what_hangs_is_ended_in_words_that_a_terminal_shows(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the file is called: the line of the log stays one."""
    program = (
        "import logging; from tagger.runtime.build import end_at_once; from tagger.supervision import Work;"
        "logging.basicConfig(); end_at_once(Work('decoding', '/cam/a\\n.png', 1, None))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == TOO_LATE
    assert "decoding /cam/a\\n.png takes longer" in capfd.readouterr().err
