"""The addresses of the pages, and what each needs to know."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from tagger.errors import ConfigError
from tagger.search.conditions import NAMES
from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.store.core.budget import TooLongError
from tagger.store.core.database import Database
from tagger.store.core.schema import State
from tagger.store.queue import queries
from tagger.store.search import activity, found, nothing_found, vocabulary
from tagger.store.search.pictures import FoundPicture, Scored, newer_and_older
from tagger.store.search.statement import Position
from tagger.store.tags import corrections
from tagger.vision.certainty import certainty
from tagger.web.api.images import cursor_of, look_alikes, picture_of, position_of
from tagger.web.context import AppContext
from tagger.web.page.chart import SPANS, chart, first_moment, periods
from tagger.web.page.gallery import Certainty, Condition, Filters, Mistake, Since
from tagger.web.page.render import Renderer
from tagger.web.small_body import SmallBody

PAGE = 60
"""Pictures of a gallery's page: rows of two to six come out even."""

ALIKE = 12
FAILURES = 50
SERIES = 5
"""Lines of the chart: more colours are hard to tell apart."""

_STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the best tag is not sure, `category` is what is said in its place; None: nothing is sure."""

    is_sure: bool
    category: Scored | None


def files() -> StaticFiles:
    return StaticFiles(directory=_STATIC)


def router(house: AppContext) -> APIRouter:
    routes, renderer = APIRouter(include_in_schema=False, route_class=SmallBody), Renderer()
    for add in (_add_gallery, _add_picture, _add_status, _add_others):
        add(routes, house, renderer)
    return routes


def _add_gallery(routes: APIRouter, house: AppContext, renderer: Renderer) -> None:
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
        """`part`: only the pictures, for the script that puts them into the page."""
        filters = Filters(q, source, category, since, certainty, condition)
        after = position_of(cursor)

        def page(database: Database) -> Response:
            limited = replace(house, database=database)
            shown = _shown(limited, filters, cursor, after)
            if part:
                return renderer.page(request, "pictures.html", **shown)
            return renderer.page(request, "gallery.html", **shown, **_choices(database))

        def refused(error: TooLongError) -> Response:
            shown = _nothing(house, filters) | {"mistake": Mistake.too_long(error, filters)}
            answer = renderer.page(request, "gallery.html", **shown, **_choices(house.database))
            answer.status_code = 422
            return answer

        try:
            return await house.searches.run(request, house.database, page)
        except TooLongError as error:
            if part:
                raise
            return await run_in_threadpool(refused, error)


def _choices(database: Database) -> dict[str, Any]:
    """What the form has to choose from."""
    return {
        "sources": queries.roots(database).values(),
        "categories": vocabulary.categories(database),
        "conditions": NAMES,
    }


def _answers(house: AppContext) -> Callable[[FoundPicture], Answer]:
    """Return what tells of each picture what it is said to show."""
    within = vocabulary.wholes(house.database)

    def answer(picture: FoundPicture) -> Answer:
        categories = {one.key: one for one in picture.categories}
        scores = {key: one.score for key, one in categories.items()}
        top_score = picture.tags[0].score if picture.tags else 0.0
        sure = certainty(top_score, scores, within, house.min_score)
        return Answer(sure.is_sure, categories[sure.category] if sure.category else None)

    return answer


def _nothing(house: AppContext, filters: Filters) -> dict[str, Any]:
    """A page of the gallery without pictures."""
    return {
        "filters": filters,
        "query": filters.query(),
        "pictures": [],
        "here": "",
        "after": "",
        "mistake": None,
        "short": [],
        "answer": _answers(house),
    }


def _shown(house: AppContext, filters: Filters, cursor: str, start: Position | None) -> dict[str, Any]:
    """A page of the gallery, from what comes after `start` on; `after` is the address of what follows."""
    shown = _nothing(house, filters)
    try:
        pictures = _found(house, filters, start)
    except QueryError as error:
        return shown | {"mistake": Mistake.of(error, filters)}
    if not (pictures or cursor):
        shown |= {"short": _short(house, filters)}
    after = filters.address(cursor_of(pictures[PAGE - 1])) if len(pictures) > PAGE else ""
    here = filters.address(cursor)
    return shown | {"pictures": pictures[:PAGE], "after": after, "here": here}


def _found(house: AppContext, filters: Filters, start: Position | None) -> list[FoundPicture]:
    """What was typed is understood first, alone, so that a mistake is shown where it was made. Raises QueryError."""
    now, database, least = datetime.now(UTC), house.database, house.min_score
    found.check(database, parse(filters.q, now), filters.q)
    text = filters.query()
    hits = found.search(database, parse(text, now), text, least, PAGE + 1, start)
    return [hit.picture for hit in hits]


def _short(house: AppContext, filters: Filters) -> list[tuple[str, str]]:
    """Why the names that were typed find nothing, and the address of a search that would find something."""
    query = parse(filters.q, datetime.now(UTC))
    short = nothing_found.reasons(house.database, query, filters.q, house.min_score, house.top_k)
    return [(one.words, one.query and filters.instead(one.query).address()) for one in short]


def _add_picture(routes: APIRouter, house: AppContext, renderer: Renderer) -> None:
    @routes.get("/pictures/{id}")
    def picture(request: Request, id: int) -> Response:  # noqa: A002 (it is in the address)
        one = picture_of(house.database, id)
        newer, older = newer_and_older(house.database, one)
        rulings = corrections.correction_of(house.database, id)
        return renderer.page(
            request,
            "picture.html",
            picture=one,
            newer=newer,
            older=older,
            rulings=rulings,
            answer=_answers(house),
            writes=house.desk is not None,
        )

    @routes.get("/pictures/{id}/alike")
    async def alike(request: Request, id: int) -> Response:  # noqa: A002
        """For the script of a picture's page, which does not wait for it."""

        def page(database: Database) -> Response:
            one, hits, missing = picture_of(database, id), [], ""
            try:
                hits = look_alikes(database, one, ALIKE)
            except ConfigError as error:
                missing = str(error)
            answer = _answers(replace(house, database=database))
            return renderer.page(request, "alike.html", hits=hits, missing=missing, answer=answer)

        return await house.searches.run(request, house.database, page)


def _add_status(routes: APIRouter, house: AppContext, renderer: Renderer) -> None:
    @routes.get("/status")
    def status(request: Request, part: bool = False) -> Response:
        """`part`: only what changes from one moment to the next."""
        database, now = house.database, datetime.now(UTC)
        failures = list(islice(queries.failures(database), FAILURES))
        stands, pace = queries.status(database), activity.pace(database, now)
        waiting = sum(source.waiting for source in stands.sources)
        left = timedelta(seconds=round(waiting / pace)) if pace else None
        return renderer.page(
            request,
            "standing.html" if part else "status.html",
            standing=stands,
            pace=pace,
            waiting=waiting,
            left=left,
            failures=failures,
            failed=stands.files[State.FAILED] + stands.files[State.QUARANTINED],
            vitals=house.vitals() if house.vitals else None,
            why=house.standing,
        )

    @routes.get("/status/chart")
    async def drawn(request: Request, span: Literal["day", "month", "year"] = "day") -> Response:
        def page(database: Database) -> Response:
            names = periods(span, datetime.now(UTC))
            begins = first_moment(names[0])
            series = activity.timeline(database, begins, SPANS[span][0], SERIES)
            return renderer.page(request, "chart.html", chart=chart(series, names), span=span)

        return await house.searches.run(request, house.database, page)

    @routes.get("/status/cameras")
    async def cameras(request: Request) -> Response:
        def page(database: Database) -> Response:
            return renderer.page(request, "cameras.html", cameras=activity.cameras(database))

        return await house.searches.run(request, house.database, page)


def _add_others(routes: APIRouter, house: AppContext, renderer: Renderer) -> None:
    @routes.get("/try")
    def try_it(request: Request) -> Response:
        return renderer.page(request, "try.html", works=house.desk is not None)

    @routes.get("/docs")
    def docs(request: Request) -> Response:
        return renderer.page(request, "docs.html", api=request.app.openapi())
