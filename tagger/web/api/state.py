"""The state of Tagger: what there is to search for, and how the work stands."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from tagger.store.core import control, pathtext
from tagger.store.core.database import Database
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.queue.queries import Failure
from tagger.store.search import vocabulary
from tagger.web.api.answers import (
    FailureAnswer,
    ModelAnswer,
    NamedAnswer,
    SourceAnswer,
    StatsAnswer,
    Version,
)
from tagger.web.context import ReadingContext
from tagger.web.guesses import Guesses
from tagger.web.problems import RESPONSES
from tagger.web.small_body import SmallBody


def alive() -> APIRouter:
    """Return the route that anybody may ask: it tells nothing else."""
    routes = APIRouter(responses=RESPONSES)

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Return that Tagger is alive, which is all that it says to anybody."""
        return {"status": "ok"}

    return routes


def router(context: ReadingContext, guesses: Guesses) -> APIRouter:
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    _add_words(routes, context.database)
    _add_sources(routes, context.database)
    _add_state(routes, context)
    _add_failures(routes, context.database)
    _add_stats(routes, context.database, guesses)
    return routes


def _add_words(routes: APIRouter, database: Database) -> None:
    @routes.get("/labels")
    def labels() -> list[NamedAnswer]:
        """Return what the model in use may say."""
        return [NamedAnswer.model_validate(one) for one in vocabulary.labels(database)]

    @routes.get("/categories")
    def categories() -> list[NamedAnswer]:
        """Return the categories that pictures are put into."""
        return [NamedAnswer.model_validate(one) for one in vocabulary.categories(database)]


def _add_sources(routes: APIRouter, database: Database) -> None:
    @routes.get("/sources")
    def sources() -> list[SourceAnswer]:
        """Return the folders, and how many of their files are in each state."""
        return [
            SourceAnswer(name=one.name, root=pathtext.to_text(one.root), files=_counts(one.files))
            for one in queries.status(database).sources
        ]


def _add_state(routes: APIRouter, context: ReadingContext) -> None:
    @routes.get("/version")
    def version_() -> Version:
        """Return Tagger's own version, which model tags, why, and what would bring a better one."""
        standing = context.standing
        return Version(version=version("tagger"), model=standing.name, why=standing.why, other=standing.other)

    @routes.get("/readyz")
    def readyz(response: Response) -> dict[str, Any]:
        """Return whether pictures are tagged and verdicts stored: 503, with what is missing, where they are not. A pause is no fault."""
        missing = context.missing()
        response.status_code = 503 if missing else 200
        with context.database.read() as connection:
            paused = control.paused_since(connection) is not None
        return {"status": "not ready" if missing else "ok", "missing": missing, "paused": paused}


def _add_failures(routes: APIRouter, database: Database) -> None:
    @routes.get("/failures")
    def failures(limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> list[FailureAnswer]:
        """Return files that could not be tagged, by path."""
        return [_failure(one) for one in islice(queries.failures(database), limit)]


def _add_stats(routes: APIRouter, database: Database, guesses: Guesses) -> None:
    @routes.get("/stats")
    async def stats() -> StatsAnswer:
        """Return how many files are in each state, how many have a date that cannot be, the model in use, and who guesses at the token."""
        status = await run_in_threadpool(queries.status, database)
        identity = status.model.identity if status.model else None
        return StatsAnswer(
            files=_counts(status.files),
            misdated=sum(one.misdated for one in status.sources),
            model=ModelAnswer(name=identity.name, version=identity.weights_sha256) if identity else None,
            paused_since=status.paused_since,
            wrong_tokens=dict(guesses.repeated()),
        )


def _failure(one: Failure) -> FailureAnswer:
    return FailureAnswer(**asdict(one) | {"path": pathtext.to_text(one.path)})


def _counts(files: Mapping[State, int]) -> dict[str, int]:
    return {str(state): count for state, count in files.items()}
