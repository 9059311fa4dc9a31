"""Pictures in the database: by search, one by one, by likeness; and what people say of them."""

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response

from tagger.search.parse import parse
from tagger.similar.hits import similar
from tagger.store.core import pathtext
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.store.search import features, found
from tagger.store.search.found import Hit
from tagger.store.search.pictures import FoundPicture, Scored, picture
from tagger.store.search.statement import Position
from tagger.store.tags import corrections
from tagger.web.api import answers
from tagger.web.api.answers import Language
from tagger.web.context import AppContext
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError
from tagger.web.small_body import SmallBody


def router(house: AppContext) -> APIRouter:
    routes, database = APIRouter(responses=RESPONSES, route_class=SmallBody), house.database
    writing = CapacityLimiter(1)  # only one can write: who waits for that takes no thread from others

    @routes.get("/images", response_model=answers.Page, responses={304: {"description": "as it was"}})
    async def images(
        request: Request,
        q: Annotated[str, Query(max_length=4000, description="as for `tagger search`")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str, Query(max_length=200, description="`next` of the page before")] = "",
        lang: Language = "en",
    ) -> Response:
        """Pictures, newest first."""
        work = partial(_page, q=q, least=house.min_score, limit=limit, before=position_of(cursor), lang=lang)
        body = await house.searches.run(request, database, work)
        return unless_known(request, body, "application/json")

    @routes.get("/images/{id}")
    def image(id: int, lang: Language = "en") -> answers.Image:  # noqa: A002 (it is in the address)
        """One of them."""
        return described(picture_of(database, id), lang)

    @routes.get("/images/{id}/similar")
    async def alike(
        request: Request,
        id: int,  # noqa: A002
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
        lang: Language = "en",
    ) -> list[answers.Alike]:
        """Those that look most like it, itself left out. Pictures that were tagged with `features: false` are not found."""
        return await house.searches.run(request, database, partial(_alike, id_=id, limit=limit, lang=lang))

    @routes.post("/images/{id}/verdicts")
    async def verdicts(id: int, said: answers.Verdicts) -> answers.Corrected:  # noqa: A002
        """Corrects a picture's tags, for good."""
        if house.desk is None:
            raise ProblemError(403, READS_ONLY)
        return await to_thread.run_sync(_corrected, database, id, said, limiter=writing)

    return routes


def _page(
    database: Database, q: str, least: float, limit: int, before: Position | None, lang: Language
) -> bytes:
    """As JSON. Raises QueryError."""
    query = parse(q, datetime.now(UTC))
    hits = list(found.search(database, query, q, least, limit + 1, before))
    pictures = [hit.picture for hit in hits[:limit]]
    last = cursor_of(pictures[-1]) if len(hits) > limit else None
    images = [described(one, lang) for one in pictures]
    return answers.Page(images=images, next=last).model_dump_json().encode()


def _alike(database: Database, id_: int, limit: int, lang: Language) -> list[answers.Alike]:
    hits = look_alikes(database, picture_of(database, id_), limit)
    return [
        answers.Alike(score=hit.by.score if hit.by else 0, image=described(hit.picture, lang)) for hit in hits
    ]


def _corrected(database: Database, id_: int, said: answers.Verdicts) -> answers.Corrected:
    names = [*said.add, *said.remove, *said.clear]
    if not names:
        raise ProblemError(400, "say one thing of each label, in `add`, `remove` or `clear`")
    correction = corrections.Correction(said.add, said.remove, said.clear)
    path = picture_of(database, id_).path
    return answers.Corrected(images=corrections.apply(database, [path], correction, datetime.now(UTC)))


def picture_of(database: Database, id_: int) -> FoundPicture:
    if 0 < id_ < 2**63 and (there := picture(database, id_)):
        return there
    raise ProblemError(404, f"there is no image {id_}; /images lists those that there are")


def described(picture: FoundPicture, lang: Language) -> answers.Image:
    fields = {name: getattr(picture, name) for name in answers.Image.model_fields}
    fields |= {"path": pathtext.to_text(picture.path)}
    fields |= {"conditions": list(picture.conditions)}
    fields |= {"tags": [_tag(one, lang) for one in picture.tags]}
    fields |= {"categories": [_category(one, lang) for one in picture.categories]}
    fields |= {"health": answers.Health.model_validate(picture.health) if picture.health else None}
    return answers.Image(**fields)


def _tag(one: Scored, lang: Language) -> answers.Tag:
    return answers.Tag(label=one.name, name=_name(one, lang), score=one.score, key=one.key, by=one.by)


def _category(one: Scored, lang: Language) -> answers.Category:
    return answers.Category(category=one.name, name=_name(one, lang), score=one.score, key=one.key)


def _name(one: Scored, lang: Language) -> str:
    return one.name_zh or one.name if lang == "zh" else one.name


def cursor_of(last: FoundPicture) -> str:
    moment = last.captured_at and last.captured_at.isoformat()
    return base64.urlsafe_b64encode(json.dumps([moment, last.id]).encode()).decode()


def look_alikes(database: Database, picture: FoundPicture, limit: int) -> list[Hit]:
    """The most alike first; none of a picture without tags. Raises ConfigError where no features are stored."""
    if picture.seq is None:
        return []
    hits = similar(database, features.by_seq(database, picture.seq), limit + 1)
    return [hit for hit in hits if hit.picture.id != picture.id][:limit]


def unless_known(request: Request, body: bytes, media_type: str) -> Response:
    """The body, or only that it has not changed, to whoever has it already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type)


def position_of(cursor: str) -> Position | None:
    if not cursor:
        return None
    try:
        moment, id_ = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not (isinstance(id_, int) and 0 < id_ < 2**63):
            raise ValueError(id_)
        position = Position(datetime.fromisoformat(moment), id_)
        instant_text(position.captured_at)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise ProblemError(400, "the cursor is not one: take `next` of the page before, as it is") from None
    return position
