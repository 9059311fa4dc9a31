"""People correct pictures' tags here, and have files tried again: no other route writes to the database."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

from tagger.store.core.database import Database
from tagger.store.queue.retry import retry_all
from tagger.store.tags import corrections
from tagger.web.api.answers import Corrected, GivenVerdicts
from tagger.web.lookup import picture_of
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError
from tagger.web.small_body import SmallBody


def router(database: Database) -> APIRouter:
    """Return the routes where a daemon tags."""
    return _routes(partial(_corrected, database), partial(retry_all, database))


def refusals() -> APIRouter:
    """Return the same routes, which refuse."""
    return _routes(_refused, _refused)


def _routes(correct: Callable[[int, GivenVerdicts], int], try_again: Callable[[], int]) -> APIRouter:
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    writing = CapacityLimiter(1)  # only one can write: who waits for that takes no thread from others

    @routes.post("/images/{id}/verdicts")
    async def verdicts(id: int, said: GivenVerdicts) -> Corrected:  # noqa: A002 (it is in the address)
        """Correct a picture's tags, for good."""
        return Corrected(images=await to_thread.run_sync(correct, id, said, limiter=writing))

    @routes.post("/failures/retry")
    def retry() -> Corrected:
        """Try all files that failed once more, at once."""
        return Corrected(images=try_again())

    return routes


def _corrected(database: Database, id_: int, said: GivenVerdicts) -> int:
    """Return how many pictures have other tags now. Raises ProblemError where nothing is said, or of no picture."""
    if not (said.add or said.remove or said.clear):
        raise ProblemError(400, "say one thing of each label, in `add`, `remove` or `clear`")
    correction = corrections.Correction(said.add, said.remove, said.clear)
    path = picture_of(database, id_).path
    return corrections.apply(database, [path], correction, datetime.now(UTC))


def _refused(*_: object) -> int:
    raise ProblemError(403, READS_ONLY)
