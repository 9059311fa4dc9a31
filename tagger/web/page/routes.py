"""The pages have their addresses here, and each is given what it needs to know."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from tagger.errors import ConfigError
from tagger.store.core.budget import TooLongError
from tagger.store.core.database import Database
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.search import activity
from tagger.store.search.pictures import newer_and_older
from tagger.store.tags import corrections
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.lookup import look_alikes, picture_of, position_of
from tagger.web.page.best_answer import best_answers
from tagger.web.page.chart import SPANS, chart, first_moment, periods
from tagger.web.page.filters import Certainty, Condition, GalleryFilters, Mistake, Since
from tagger.web.page.gallery import Gallery, choices, own_labels
from tagger.web.page.render import Renderer
from tagger.web.small_body import SmallBody

ALIKE = 12
FAILURES = 50
SERIES = 5
"""Lines of the chart: more colours are hard to tell apart."""

_STATIC = Path(__file__).with_name("static")


def files() -> StaticFiles:
    """Return the page's scripts, colours and signs."""
    return StaticFiles(directory=_STATIC)


def router(context: ReadingContext) -> APIRouter:
    routes, renderer = APIRouter(include_in_schema=False, route_class=SmallBody), Renderer()
    _add_gallery(routes, context, renderer)
    _add_picture(routes, context, renderer)
    _add_alike(routes, context, renderer)
    _add_status(routes, context, renderer)
    _add_chart(routes, context, renderer)
    _add_others(routes, context, renderer)
    return routes


def _add_gallery(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    @routes.get("/")
    async def gallery(
        request: Request,
        q: Annotated[str, Query(max_length=4000)] = "",
        source: Annotated[str, Query(max_length=500)] = "",
        category: Annotated[str, Query(max_length=500)] = "",
        since: Since = "",
        certainty: Certainty = "",
        condition: Condition = "",
        cursor: Annotated[str, Query(max_length=200)] = "",
        part: bool = False,
    ) -> Response:
        """Return the gallery; with `part` only the pictures, for the script that puts them into the page."""
        filters = GalleryFilters(q, source, category, since, certainty, condition)
        after = position_of(cursor)

        def page(database: Database) -> Response:
            shown = Gallery(context, database, filters).page(cursor, after)
            if part:
                return renderer.page(request, "pictures.html", **shown)
            return renderer.page(request, "gallery.html", **shown, **choices(database))

        def refused(error: TooLongError) -> Response:
            shown = Gallery(context, context.database, filters).without_pictures()
            shown |= {"mistake": Mistake.too_long(error, filters)}
            answer = renderer.page(request, "gallery.html", **shown, **choices(context.database))
            answer.status_code = 422
            return answer

        try:
            return await context.searches.run(request, context.database, page)
        except TooLongError as error:
            if part:
                raise
            return await run_in_threadpool(refused, error)


def _add_picture(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    database, writes = context.database, isinstance(context, TaggerContext)

    @routes.get("/pictures/{id}")
    def picture(request: Request, id: int) -> Response:  # noqa: A002 (it is in the address)
        one = picture_of(database, id)
        newer, older = newer_and_older(database, one)
        correction = corrections.correction_of(database, id)
        shown = {"picture": one, "newer": newer, "older": older, "correction": correction, "writes": writes}
        answer, own = best_answers(database, context.min_score), own_labels(database)
        return renderer.page(request, "picture.html", **shown, answer=answer, own_labels=own)


def _add_alike(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    @routes.get("/pictures/{id}/alike")
    async def alike(request: Request, id: int) -> Response:  # noqa: A002
        """Return what the script of a picture's page puts into it later."""

        def page(database: Database) -> Response:
            one, hits, missing = picture_of(database, id), [], ""
            try:
                hits = look_alikes(database, one, ALIKE)
            except ConfigError as error:
                missing = str(error)
            answer = best_answers(database, context.min_score)
            return renderer.page(request, "alike.html", hits=hits, missing=missing, answer=answer)

        return await context.searches.run(request, context.database, page)


def _add_status(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    @routes.get("/status")
    def status(request: Request, part: bool = False) -> Response:
        """Return the status; with `part` only what changes from one moment to the next."""
        template = "standing.html" if part else "status.html"
        worker_status = context.worker_status() if isinstance(context, TaggerContext) else None
        shown = _standing(context.database) | {"worker_status": worker_status, "why": context.standing}
        return renderer.page(request, template, **shown)


def _standing(database: Database) -> dict[str, Any]:
    """Return how the work stands, as far as the database tells; `left` is how long it will take, None where nothing moves."""
    status, pace = queries.status(database), activity.pace(database, datetime.now(UTC))
    waiting = sum(source.waiting for source in status.sources)
    return {
        "standing": status,
        "pace": pace,
        "waiting": waiting,
        "left": timedelta(seconds=round(waiting / pace)) if pace else None,
        "failures": list(islice(queries.failures(database), FAILURES)),
        "failed": status.files[State.FAILED] + status.files[State.QUARANTINED],
    }


def _add_chart(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    @routes.get("/status/chart")
    async def drawn(request: Request, span: Literal["day", "month", "year"] = "day") -> Response:
        def page(database: Database) -> Response:
            names = periods(span, datetime.now(UTC))
            begins = first_moment(names[0])
            series = activity.timeline(database, begins, SPANS[span][0], SERIES)
            return renderer.page(request, "chart.html", chart=chart(series, names), span=span)

        return await context.searches.run(request, context.database, page)

    @routes.get("/status/cameras")
    async def cameras(request: Request) -> Response:
        def page(database: Database) -> Response:
            return renderer.page(request, "cameras.html", cameras=activity.cameras(database))

        return await context.searches.run(request, context.database, page)


def _add_others(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    works = isinstance(context, TaggerContext)

    @routes.get("/try")
    def try_it(request: Request) -> Response:
        return renderer.page(request, "try.html", works=works)

    @routes.get("/docs")
    def docs(request: Request) -> Response:
        return renderer.page(request, "docs.html", api=request.app.openapi())
