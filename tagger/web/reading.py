"""What is in the database: pictures by search, one by one, and what there is to search for."""

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from tagger.records import ModelIdentity
from tagger.search.parse import parse
from tagger.store import found, judgement, queries, vocabulary
from tagger.store.found import Picture, Position, Scored
from tagger.web import answers
from tagger.web.answers import Language
from tagger.web.house import House
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError


def router(house: House) -> APIRouter:
    routes = APIRouter(responses=RESPONSES)
    for add in (_add_images, _add_words, _add_state):
        add(routes, house)
    return routes


def _add_images(routes: APIRouter, house: House) -> None:
    database = house.database

    @routes.get("/images", response_model=answers.Page, responses={304: {"description": "as it was"}})
    def images(
        request: Request,
        q: Annotated[str, Query(max_length=4000, description="as for `tagger search`")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str, Query(max_length=200, description="`next` of the page before")] = "",
        lang: Language = "en",
    ) -> Response:
        """Pictures, newest first."""
        before, query = _position(cursor), parse(q, datetime.now(UTC))
        hits = list(found.search(database, query, q, house.min_score, limit + 1, before))
        pictures = [hit.picture for hit in hits[:limit]]
        last = _cursor(pictures[-1]) if len(hits) > limit else None
        page = answers.Page(images=[described(one, lang) for one in pictures], next=last)
        return unless_known(request, page.model_dump_json().encode(), "application/json")

    @routes.get("/images/{id}")
    def image(id: int, lang: Language = "en") -> answers.Image:  # noqa: A002 (it is in the address)
        return described(_picture(house, id), lang)

    @routes.post("/images/{id}/verdicts")
    def verdicts(id: int, said: answers.Verdicts) -> answers.Corrected:  # noqa: A002
        """Corrects a picture's tags, for good."""
        names = [*said.add, *said.remove, *said.clear]
        if house.desk is None:
            raise ProblemError(403, READS_ONLY)
        if not names or len(set(names)) < len(names):
            raise ProblemError(400, "say one thing of each label, in `add`, `remove` or `clear`")
        ruling = judgement.Ruling(said.add, said.remove, said.clear)
        picture = _picture(house, id)
        return answers.Corrected(images=judgement.rule(database, [picture.path], ruling, datetime.now(UTC)))


def _add_words(routes: APIRouter, house: House) -> None:
    @routes.get("/labels")
    def labels() -> list[answers.Named]:
        """What the model in use may say."""
        return [answers.Named.model_validate(one) for one in vocabulary.labels(house.database)]

    @routes.get("/categories")
    def categories() -> list[answers.Named]:
        return [answers.Named.model_validate(one) for one in vocabulary.categories(house.database)]


def _add_state(routes: APIRouter, house: House) -> None:
    database = house.database

    @routes.get("/sources")
    def sources() -> list[answers.Source]:
        """The folders, and how many of their files are in each state."""
        return [
            answers.Source(name=one.name, root=one.root, files=_counts(one.files))
            for one in queries.status(database).sources
        ]

    @routes.get("/stats")
    def stats() -> answers.Stats:
        status = queries.status(database)
        model = _model(status.model.identity) if status.model else None
        misdated = sum(one.misdated for one in status.sources)
        return answers.Stats(files=_counts(status.files), misdated=misdated, model=model)

    @routes.get("/version")
    def version_() -> dict[str, str]:
        return {"version": version("tagger")}

    @routes.get("/healthz")
    def healthz() -> dict[str, str]:
        """Alive."""
        return {"status": "ok"}

    @routes.get("/readyz")
    def readyz(response: Response) -> dict[str, Any]:
        """Whether pictures are tagged: 503, with what is missing, where they are not yet."""
        missing = list(house.unready())
        response.status_code = 503 if missing else 200
        return {"status": "not ready" if missing else "ok", "missing": missing}


def _picture(house: House, id_: int) -> Picture:
    if 0 < id_ < 2**63:
        with house.database.read() as connection:
            for picture in found.pictures(connection, [id_]):
                return picture
    raise ProblemError(404, f"there is no image {id_}; /images lists those that there are")


def _model(identity: ModelIdentity) -> answers.Model:
    return answers.Model(name=identity.name, version=identity.weights_sha256)


def described(picture: Picture, lang: Language) -> answers.Image:
    fields = {name: getattr(picture, name) for name in answers.Image.model_fields}
    fields |= {"tags": [_tag(one, lang) for one in picture.tags]}
    fields |= {"categories": [_category(one, lang) for one in picture.categories]}
    fields |= {"health": answers.Health.model_validate(picture.health) if picture.health else None}
    return answers.Image(**fields)


def _tag(one: Scored, lang: Language) -> answers.Tag:
    return answers.Tag(label=one.name, name=_name(one, lang), score=one.score, key=one.key)


def _category(one: Scored, lang: Language) -> answers.Category:
    return answers.Category(category=one.name, name=_name(one, lang), score=one.score, key=one.key)


def _name(one: Scored, lang: Language) -> str:
    return one.name_zh or one.name if lang == "zh" else one.name


def _counts(files: Any) -> dict[str, int]:
    return {str(state): count for state, count in files.items()}


def _cursor(last: Picture) -> str:
    moment = last.captured_at and last.captured_at.isoformat()
    return base64.urlsafe_b64encode(json.dumps([moment, last.id]).encode()).decode()


def unless_known(request: Request, body: bytes, media_type: str) -> Response:
    """The body, or only that it has not changed, to whoever has it already."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type)


def _position(cursor: str) -> Position | None:
    if not cursor:
        return None
    try:
        moment, id_ = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return Position(datetime.fromisoformat(moment), int(id_))
    except (binascii.Error, ValueError, TypeError):
        raise ProblemError(400, "the cursor is not one: take `next` of the page before, as it is") from None
