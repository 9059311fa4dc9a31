"""How wrong tokens are counted and told, with a clock of the test's own."""

import logging

import pytest

from tagger.web.guesses import AT_ONCE, REPEATED, Guesses
from tagger.web.rate import MOST


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_guesses_come_back_with_time_and_the_same_one_costs_nothing() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for number in range(AT_ONCE):
        assert guesses.wait("a") == 0
        guesses.wrong("a", str(number))
        guesses.wrong("a", str(number))
    assert (guesses.wait("a"), guesses.wait("b")) == (6, 0)
    clock.now = 6
    assert guesses.wait("a") == 0


def test_what_goes_on_is_told_and_the_log_is_not_filled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    guesses = Guesses(Clock())
    for _ in range(2 * REPEATED):
        guesses.wrong("10.0.0.9", "guess")
    assert caplog.messages == [f"{REPEATED} wrong tokens from 10.0.0.9 in the last minute"]
    for number in range(1000 * REPEATED):
        guesses.wrong(str(number // REPEATED), "guess")
    assert len(caplog.messages) == 10
    assert guesses.repeated()["10.0.0.9"] == 2 * REPEATED


def test_what_is_told_is_forgotten_after_a_while_and_slips_are_not_told() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    guesses.wrong("b", "slip")
    for _ in range(REPEATED):
        guesses.wrong("a", "guess")
    assert guesses.repeated() == {"a": REPEATED}
    clock.now = 3700
    assert guesses.repeated() == {"a": REPEATED}
    clock.now = 7500
    assert guesses.repeated() == {}


def test_memory_is_bounded_however_many_addresses_there_are() -> None:
    guesses = Guesses(Clock())
    for number in range(MOST + 100):
        guesses.wrong(str(number), "guess")
    assert len(guesses._said) <= MOST
    assert max(len(guesses._minute), len(guesses._hour), len(guesses._rate._full_at)) <= MOST
