from threading import Event, Thread

from tagger.pipeline.overdue import Overdue
from tagger.supervision import Pulse
from tagger.vision.budget import PixelBudget


def test_work_is_overdue_after_more_looks_than_are_allowed() -> None:
    overdue = Overdue(looks=2)
    with overdue.during("decoding", "/cam/a\n.png"):
        assert [overdue.look(), overdue.look()] == [None, None]
        assert overdue.look() == "decoding /cam/a\\n.png"


def test_what_is_finished_is_not_overdue() -> None:
    overdue = Overdue(looks=1)
    for _ in range(5):
        with overdue.during("decoding", "/cam/a.png"):
            assert overdue.look() is None
    assert overdue.look() is None


def test_one_that_hangs_is_found_among_others() -> None:
    overdue = Overdue(looks=2)
    with overdue.during("decoding", "/cam/bad.png"):
        found = []
        for number in range(4):
            with overdue.during("decoding", f"/cam/{number}.png"):
                found.append(overdue.look())
    assert found == [None, None, "decoding /cam/bad.png", "decoding /cam/bad.png"]


def test_a_picture_that_waits_for_the_memory_of_others_is_not_overdue() -> None:
    budget, overdue, pulse = PixelBudget(1), Overdue(looks=1), Pulse("decode-0")
    holds = Event()

    def work() -> None:
        pulse.begin()
        with overdue.during("decoding", "/cam/a.png"):
            holds.set()
            with budget.hold(1_000_000):
                pass

    with budget.hold(1):
        thread = Thread(target=work)
        thread.start()
        holds.wait()
        while not pulse.queued:
            pass
        assert [overdue.look() for _ in range(5)] == [None] * 5
    thread.join()
    assert not pulse.queued
