"""Pictures in the database are answered by search, one by one, and by likeness."""

import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tagger.search.parse import parse
from tagger.store.core.database import Database
from tagger.store.search import found
from tagger.store.search.statement import Position
from tagger.web.api.answers import AlikeAnswer, Image, Language, Page
from tagger.web.api.described import described
from tagger.web.context import ReadingContext
from tagger.web.lookup import cursor_of, look_alikes, picture_of, position_of
from tagger.web.problems import RESPONSES
from tagger.web.small_body import SmallBody


def router(context: ReadingContext) -> APIRouter:
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    _add_search(routes, context)
    _add_one(routes, context)
    return routes


def _add_search(routes: APIRouter, context: ReadingContext) -> None:
    @routes.get("/images", response_model=Page, responses={304: {"description": "as it was"}})
    async def images(
        request: Request,
        q: Annotated[str, Query(max_length=4000, description="as for `tagger search`")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str, Query(max_length=200, description="`next` of the page before")] = "",
        lang: Language = "en",
    ) -> Response:
        """Return pictures, newest first."""
        before, least = position_of(cursor), context.min_score
        work = partial(_page, q=q, least=least, limit=limit, before=before, lang=lang)
        return _unless_known(request, await context.searches.run(request, context.database, work))


def _add_one(routes: APIRouter, context: ReadingContext) -> None:
    @routes.get("/images/{id}")
    def image(id: int, lang: Language = "en") -> Image:  # noqa: A002 (it is in the address)
        """Return one picture."""
        return described(picture_of(context.database, id), lang)

    @routes.get("/images/{id}/similar")
    async def alike(
        request: Request,
        id: int,  # noqa: A002
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
        lang: Language = "en",
    ) -> list[AlikeAnswer]:
        """Return the pictures that look most like it, itself left out. Pictures that were tagged with `features: false` are not found."""
        work = partial(_alike, id_=id, limit=limit, lang=lang)
        return await context.searches.run(request, context.database, work)


def _page(
    database: Database, q: str, least: float, limit: int, before: Position | None, lang: Language
) -> bytes:
    """Return a page as JSON. Raises QueryError."""
    query = parse(q, datetime.now(UTC))
    hits = list(found.search(database, query, q, least, limit + 1, before))
    pictures = [hit.picture for hit in hits[:limit]]
    last = cursor_of(pictures[-1]) if len(hits) > limit else None
    images = [described(one, lang) for one in pictures]
    return Page(images=images, next=last).model_dump_json().encode()


def _alike(database: Database, id_: int, limit: int, lang: Language) -> list[AlikeAnswer]:
    hits = look_alikes(database, picture_of(database, id_), limit)
    return [
        AlikeAnswer(score=hit.by.score if hit.by else 0, image=described(hit.picture, lang)) for hit in hits
    ]


def _unless_known(request: Request, body: bytes) -> Response:
    """Return the page, or only that it has not changed, for whoever has it already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/json")
