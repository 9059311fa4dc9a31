"""Own labels on the page: how heads stand, which pictures to label next, and what people say of pictures.

Forms work without the script; it spares the reloading, and brings keys and swipes.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from tagger.heads.names import check_head
from tagger.similar import suggest
from tagger.similar.suggest import Candidates, Suggestion
from tagger.store.core.database import Database
from tagger.store.search.pictures import FoundPicture, pictures
from tagger.store.tags import head_pictures
from tagger.web import heads
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.heads import HeadStanding
from tagger.web.page.render import Renderer
from tagger.web.problems import NO_CHARSET, READS_ONLY, ProblemError
from tagger.web.proxies import prefix_of
from tagger.web.small_body import SmallBody

QUEUE = 20
"""Pictures that are offered at a time."""
AMONG = 3000
"""Pictures, chosen at random, of which those are: half a second, and 40 MB, of however many."""
SHOWN = 50
"""Labels whose examples are shown."""
KEYS = "123456789abcdefghijklmnopqrstuvwxy"
"""What stands for the labels, one after the other; `0` is none, and `z` takes back."""


def router(context: ReadingContext) -> APIRouter:
    routes, renderer = APIRouter(include_in_schema=False, route_class=SmallBody), Renderer()
    _add_heads(routes, context, renderer)
    _add_review(routes, context, renderer)
    _add_forms(routes, context)
    return routes


def _add_heads(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    writes = isinstance(context, TaggerContext)

    @routes.get("/teach")
    def every(request: Request) -> Response:
        found = heads.standings(context)
        return renderer.page(request, "heads.html", heads=found, writes=writes)

    @routes.get("/teach/{name}")
    def one(request: Request, name: str, part: bool = False) -> Response:
        """Return a head's page; with `part` only what changes once it is learned."""
        standing = heads.standing(context, name)
        shown = {"head": standing, "writes": writes, **_examples(context.database, standing)}
        return renderer.page(request, "learned.html" if part else "head.html", **shown)


def _add_review(routes: APIRouter, context: ReadingContext, renderer: Renderer) -> None:
    writes = isinstance(context, TaggerContext)

    @routes.get("/review/{name}")
    async def review(
        request: Request, name: str, turn: Annotated[int, Query(ge=0, lt=2**31)] = 0, part: bool = False
    ) -> Response:
        """Return pictures whose label would teach most; each `turn` looks for them among others. `part` is the pictures alone."""
        check_head(name)

        def page(database: Database) -> Response:
            head = heads.standing_of(context, database, name)
            found = _suggested(database, head, turn)
            keys = [*zip(KEYS, head.labels, strict=False), *(("", one) for one in head.labels[len(KEYS) :])]
            shown = {"head": head, "keys": keys, "turn": turn, "writes": writes}
            shown |= {"queue": _shown(database, [one.id for one in found])}
            shown |= {"proposed": {one.id: one.label for one in found}}
            return renderer.page(request, "queue.html" if part else "review.html", **shown)

        return await context.searches.run(request, context.database, page)


def _add_forms(routes: APIRouter, context: ReadingContext) -> None:
    @routes.post("/label")
    async def label(request: Request) -> Response:
        """Make the pictures that were chosen examples of a label, and go on where the form says."""
        if not isinstance(context, TaggerContext):
            raise ProblemError(403, READS_ONLY)
        form = await _form(request)
        name, label = _label(form)
        if not label:
            raise ProblemError(400, "write a head and a label, such as scene:battle")
        ids, takes_back = _pictures(form), "remove" in form
        await run_in_threadpool(heads.say, context.database, name, label, ids, False, takes_back)
        return _on(request, str(form.get("to", "")), f"/teach/{name}")

    @routes.post("/teach/{name}")
    def teach(request: Request, name: str) -> Response:
        if not isinstance(context, TaggerContext):
            raise ProblemError(403, READS_ONLY)
        heads.standing(context, name)
        heads.teach(context, name)
        return _on(request, "", f"/teach/{name}")


async def _form(request: Request) -> FormData:
    try:
        return await request.form()
    except UnicodeError:
        raise ProblemError(400, NO_CHARSET) from None


def _label(form: FormData) -> tuple[str, str]:
    """Return what a form says: `head:label`, or a label beside its head."""
    name, label = str(form.get("head", "")), str(form.get("label", ""))
    if not name:
        name, _, label = label.replace("：", ":").partition(":")
    return name.strip(), label.strip()


def _pictures(form: FormData) -> list[int]:
    """Return the pictures that were chosen, by id. Raises ProblemError where none were."""
    ids = [str(one) for one in form.getlist("images")]
    if not ids or not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in ids):
        raise ProblemError(400, "select pictures first")
    return list(map(int, ids))


def _on(request: Request, to: str, otherwise: str) -> Response:
    inside = to if to.startswith("/") and not to.startswith(("//", "/\\")) else otherwise
    return RedirectResponse(prefix_of(request) + inside, 303)


def _suggested(database: Database, head: HeadStanding, turn: int) -> Sequence[Suggestion]:
    among = Candidates(AMONG, turn)
    if head.learned and head.fits:
        return suggest.suggested(database, head.learned, head.readers, QUEUE, among)
    return suggest.unlike(database, head.name, head.readers, QUEUE, among)


def _examples(database: Database, standing: HeadStanding) -> dict[str, Any]:
    """Return pictures of the library that are examples, by label, and those of suspects, by content."""
    keys = {one.name: one.key for one in standing.entry.labels if one.examples}
    report = standing.report
    with database.read() as connection:
        ids_of = {own: head_pictures.examples(connection, key) for own, key in [*keys.items()][:SHOWN]}
        suspects = [one.sha256 for one in report.suspects] if report else []
        ids = head_pictures.of_contents(connection, suspects[:SHOWN])
    every = {one.id: one for one in _shown(database, [*ids.values(), *chain(*ids_of.values())])}
    return {
        "examples": {own: [every[id_] for id_ in its if id_ in every] for own, its in ids_of.items()},
        "suspects": {sha256: every[id_] for sha256, id_ in ids.items() if id_ in every},
    }


def _shown(database: Database, ids: Sequence[int]) -> list[FoundPicture]:
    with database.read() as connection:
        return list(pictures(connection, ids))
