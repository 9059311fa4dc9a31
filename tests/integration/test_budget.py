"""Questions without end to a real database: what ends them, and that nobody else is ended."""

import os
import signal
import time
from collections.abc import Iterator
from threading import Timer

import pytest
from sqlalchemy import text

from tagger.store.core.budget import TimeBudget, TooLongError
from tagger.store.core.database import Database
from tests.integration.shelf import Shelf

ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


def ask(database: Database, question: object) -> object:
    with database.read() as connection:
        return connection.execute(question).scalar()  # type: ignore[call-overload]


def test_a_question_ends_with_its_budget_and_others_do_not(shelf: Shelf) -> None:
    budget = TimeBudget(0.1)
    budget.begin()
    with pytest.raises(TooLongError, match=r"more than 0\.1 seconds"):
        ask(shelf.database.within(budget), ENDLESS)
    assert ask(shelf.database, text("SELECT 1")) == 1
    assert ask(shelf.database.within(TimeBudget(0.1)), text("SELECT 1")) == 1


def test_what_is_called_off_ends_between_two_questions_and_in_one(shelf: Shelf) -> None:
    budget = TimeBudget()
    timer = Timer(0.1, budget.call_off)
    timer.start()
    with pytest.raises(TooLongError):
        ask(shelf.database.within(budget), ENDLESS)
    with pytest.raises(TooLongError):
        ask(shelf.database.within(budget), text("SELECT 1"))
    budget.begin()
    assert budget.is_over


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """As at a terminal: all that runs in the background of a script ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_heard_within_a_question(shelf: Shelf) -> None:
    timer = Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ask(shelf.database, ENDLESS)
        time.sleep(60)  # where it was heard a little later
    assert ask(shelf.database, text("SELECT 1")) == 1
