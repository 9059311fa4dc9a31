"""What there is to search for, and how the work stands."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from tagger.records import ModelIdentity
from tagger.store.core import control, pathtext
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.queue.queries import Failure
from tagger.store.queue.retry import retry_all
from tagger.store.search import vocabulary
from tagger.web.api import answers
from tagger.web.context import AppContext
from tagger.web.guesses import Guesses
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError
from tagger.web.small_body import SmallBody


def alive() -> APIRouter:
    """For anybody: it tells nothing else."""
    routes = APIRouter(responses=RESPONSES)

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Alive."""
        return {"status": "ok"}

    return routes


def router(house: AppContext, guesses: Guesses) -> APIRouter:
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    for add in (_add_words, _add_state, _add_failures):
        add(routes, house)
    _add_stats(routes, house, guesses)
    return routes


def _add_words(routes: APIRouter, house: AppContext) -> None:
    @routes.get("/labels")
    def labels() -> list[answers.Named]:
        """What the model in use may say."""
        return [answers.Named.model_validate(one) for one in vocabulary.labels(house.database)]

    @routes.get("/categories")
    def categories() -> list[answers.Named]:
        """The categories that pictures are put into."""
        return [answers.Named.model_validate(one) for one in vocabulary.categories(house.database)]


def _add_state(routes: APIRouter, house: AppContext) -> None:
    database = house.database

    @routes.get("/sources")
    def sources() -> list[answers.Source]:
        """The folders, and how many of their files are in each state."""
        return [
            answers.Source(name=one.name, root=pathtext.to_text(one.root), files=_counts(one.files))
            for one in queries.status(database).sources
        ]

    @routes.get("/version")
    def version_() -> answers.Version:
        """Tagger's own, which model tags, why, and what would bring a better one."""
        stands = house.standing
        own = {"model": stands.name, "why": stands.why, "other": stands.other} if stands else {}
        return answers.Version(version=version("tagger"), **own)

    @routes.get("/readyz")
    def readyz(response: Response) -> dict[str, Any]:
        """Whether pictures are tagged and verdicts stored: 503, with what is missing, where they are not. A pause is no fault."""
        missing = house.missing()
        response.status_code = 503 if missing else 200
        with database.read() as connection:
            paused = control.paused_since(connection) is not None
        return {"status": "not ready" if missing else "ok", "missing": missing, "paused": paused}


def _add_stats(routes: APIRouter, house: AppContext, guesses: Guesses) -> None:
    @routes.get("/stats")
    async def stats() -> answers.Stats:
        """How many files are in each state, how many have a date that cannot be, the model in use, and who guesses at the token."""
        status = await run_in_threadpool(queries.status, house.database)
        return answers.Stats(
            files=_counts(status.files),
            misdated=sum(one.misdated for one in status.sources),
            model=_model(status.model.identity) if status.model else None,
            paused_since=status.paused_since,
            wrong_tokens=dict(guesses.repeated()),
        )


def _add_failures(routes: APIRouter, house: AppContext) -> None:
    database = house.database

    @routes.get("/failures")
    def failures(limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> list[answers.Failure]:
        """Files that could not be tagged, by path."""
        return [_failure(one) for one in islice(queries.failures(database), limit)]

    @routes.post("/failures/retry")
    def retry() -> answers.Corrected:
        """All of them once more, at once."""
        if house.desk is None:
            raise ProblemError(403, READS_ONLY)
        return answers.Corrected(images=retry_all(database))


def _failure(one: Failure) -> answers.Failure:
    return answers.Failure(**asdict(one) | {"path": pathtext.to_text(one.path)})


def _model(identity: ModelIdentity) -> answers.Model:
    return answers.Model(name=identity.name, version=identity.weights_sha256)


def _counts(files: Mapping[State, int]) -> dict[str, int]:
    return {str(state): count for state, count in files.items()}
