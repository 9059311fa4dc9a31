"""Searches of whoever asks over the web: a few at a time, each within its seconds, and none for a client that has left.

They have threads of their own, so that nothing else waits behind them: whether Tagger is alive, thumbnails, static files. Those
threads step back behind the ones that tag. Who has to wait is let in by turns of addresses: one that asks for hundreds keeps
itself waiting, not the others. Rejected: a bound on what SQLite estimates, which knows nothing of the patterns that are asked for.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Thread, get_native_id
from typing import TypeVar

from fastapi import Request

from tagger.store.core.budget import TimeBudget, TooLongError
from tagger.store.core.database import Database
from tagger.supervision import Closed
from tagger.web.problems import ProblemError

AT_ONCE = 2
SECONDS = 3.0
"""For one search. The slowest of `benchmarks.sql`, on a million files, takes a tenth of it."""
PATIENCE = 1.5
"""Seconds that a search waits for its turn."""

_LOOK = 0.1
"""Seconds between two looks whether Tagger stops."""
_STEP_BACK = 5
"""Added to the threads' niceness: they have a quarter of a core that they must share."""

T = TypeVar("T")


class Searches:
    """Runs the searches of one event loop."""

    def __init__(self, seconds: float = SECONDS, patience: float = PATIENCE) -> None:
        self._seconds = seconds
        self._searching, self._listening = _Turns(AT_ONCE, patience), _Turns(1, None)

    async def run(self, request: Request, database: Database, work: Callable[[Database], T]) -> T:
        """Return what `work` makes of the database in a thread. Raises what it raises; ProblemError where too many wait before it.

        It ends with TooLongError once its seconds are over, or the client has left; with Closed where Tagger stops.
        """
        async with self._searching.of(_address(request)):
            return await self._within(request, database, work)

    async def listen(self, request: Request, database: Database, work: Callable[[Database], T]) -> T:
        """Return the same for those who hear what happens: they wait for one another alone, and as long as it takes."""
        async with self._listening.of(_address(request)):
            return await self._within(request, database, work)

    async def _within(self, request: Request, database: Database, work: Callable[[Database], T]) -> T:
        budget = TimeBudget(self._seconds)
        budget.begin()
        watch = asyncio.create_task(_watch(request, budget))
        try:
            return await _in_thread(partial(work, database.within(budget)))
        except TooLongError:
            if request.app.state.ending.is_set():
                raise Closed from None
            raise
        finally:
            budget.call_off()
            watch.cancel()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Run it in a thread of its own, which ends with it: pools would have to be closed at each reload."""
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()

    def run() -> None:
        _step_back()
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=run, name="search", daemon=True).start()
    return asyncio.wrap_future(answer)


async def _watch(request: Request, budget: TimeBudget) -> None:
    """Call the budget off once the client has left, or Tagger stops."""
    left = asyncio.create_task(_left(request))
    try:
        while not (left.done() or request.app.state.ending.is_set()):
            await asyncio.wait((left,), timeout=_LOOK)
        budget.call_off()
    finally:
        left.cancel()


async def _left(request: Request) -> None:
    with suppress(ProblemError):  # it sends a body that is too large: nobody reads that here
        while (await request.receive())["type"] != "http.disconnect":
            pass


class _Turns:
    """Lets in `most` at a time; of those who wait, the address comes next that has waited longest since its last turn."""

    def __init__(self, most: int, patience: float | None) -> None:
        self._free, self._patience = most, patience
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """Hold a turn for the block. Raises ProblemError where it does not come in time."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(address)
        try:
            yield
        finally:
            self._next()

    async def _turn(self, address: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience)
        except TimeoutError:
            self._give_up(turn)
            what = "other searches take all the time that there is; ask again in a few seconds"
            raise ProblemError(503, what, {"Retry-After": "3"}) from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def _give_up(self, turn: "asyncio.Future[None]") -> None:
        """Wait no longer. The turn is somebody else's, if it has come in this very moment."""
        if not turn.cancel():
            self._next()

    def _next(self) -> None:
        while self._waiting:
            address = next(iter(self._waiting))
            waiting = self._waiting.pop(address)
            turn = waiting.popleft()
            if waiting:
                self._waiting[address] = waiting  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _step_back() -> None:
    with suppress(OSError, AttributeError):  # Linux alone has a priority for each thread
        own = get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + _STEP_BACK)
