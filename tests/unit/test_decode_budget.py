"""How much is decoded at one time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tagger.vision.budget import PixelBudget

MEGABYTE = 1_000_000


def wait_for_a_line_of(budget: PixelBudget, length: int) -> None:
    deadline = time.monotonic() + 10
    while len(budget._line) < length:
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def test_pictures_within_the_budget_are_decoded_side_by_side() -> None:
    budget = PixelBudget(10)
    both = threading.Barrier(2, timeout=10)

    def decode() -> None:
        with budget.hold(5 * MEGABYTE):
            both.wait()  # passes only if the other is inside as well

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(decode) for _ in range(2)]:
            done.result()


@pytest.mark.parametrize("size", [1, 4, 7, 10, 500])
def test_the_budget_is_never_exceeded_and_everyone_is_served(size: int) -> None:
    budget, lock, start = PixelBudget(10), threading.Lock(), threading.Barrier(8, timeout=10)
    inside: list[int] = []
    crowds: list[list[int]] = []

    def decode(megabytes: int) -> None:
        start.wait()
        for _ in range(50):
            with budget.hold(megabytes * MEGABYTE):
                with lock:
                    inside.append(megabytes)
                    crowds.append(list(inside))
                with lock:
                    inside.remove(megabytes)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(decode, megabytes) for megabytes in (size, 3, size, 6, 2, size, 1, 5)]:
            done.result()
    assert len(crowds) == 8 * 50
    assert all(sum(crowd) <= 10 or len(crowd) == 1 for crowd in crowds)


def test_a_large_picture_is_not_overtaken_by_small_ones() -> None:
    budget, served = PixelBudget(10), []

    def decode(name: str, megabytes: int) -> None:
        with budget.hold(megabytes * MEGABYTE):
            served.append(name)

    with ThreadPoolExecutor(2) as pool, budget.hold(5 * MEGABYTE):
        for waiting, (name, megabytes) in enumerate([("large", 10), ("small", 5)], start=1):
            pool.submit(decode, name, megabytes)
            wait_for_a_line_of(budget, waiting)
    assert served == ["large", "small"]


def test_a_picture_that_fails_gives_its_share_back() -> None:
    budget = PixelBudget(10)
    for _ in range(2):
        with pytest.raises(OSError), budget.hold(10 * MEGABYTE):
            raise OSError("truncated")
    with budget.hold(10 * MEGABYTE):
        pass
