"""The API put together: what anybody may ask, what needs the token, and what becomes of errors."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from threading import Event
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from tagger.config.web import WebSettings
from tagger.pipeline.recent_events import RecentEvents
from tagger.web import problems
from tagger.web.admission import Admission
from tagger.web.api import corrections, events, files, heads, images, metrics, predict, state
from tagger.web.compat import rekognition
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.guard import Guard
from tagger.web.page import login, own_labels, routes

ABOUT = "Tags of pictures: of those that are handed in, and of those in the watched folders. Times are UTC."

_TO_OTHER_PAGES: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST"),
    "allow_headers": ("Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "X-API-Key"),
    "expose_headers": ("ETag", "Retry-After"),
}
"""What pages of `web.cors_origins` may have a browser send and read. Cookies are not in it: such a page says the token."""

_Routers = tuple[APIRouter, ...]


def create_app(web: WebSettings, context: ReadingContext) -> FastAPI:
    """Return the application. Whatever is not among the `public` routers is answered to those alone who say the token."""
    admission = Admission(web.secret)
    public = (state.alive(), login.router(admission))
    given, told = _tagging(context) if isinstance(context, TaggerContext) else _reading_alone(context)
    page = (routes.router(context), own_labels.router(context), login.leaving())
    private = (*given, *_reading(context, admission), *told, *page)
    outside = _application(public, openapi_url=None)
    outside.mount("/static", routes.files())
    servers = [{"url": web.public_url}] if web.public_url else None
    app = _application((*private, *public), servers=servers)  # the public ones for its description alone
    app.state.ending = Event()
    app.add_middleware(Guard, public=outside, web=web, admission=admission)
    if web.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=web.cors_origins, **_TO_OTHER_PAGES)
    return app


def _reading(context: ReadingContext, admission: Admission) -> _Routers:
    """Return what is answered from the database alone."""
    return (
        images.router(context), files.router(context), heads.router(context), state.router(context, admission.guesses)
    )  # fmt: skip


def _tagging(context: TaggerContext) -> tuple[_Routers, _Routers]:
    """Return what a daemon that tags is given, and what it tells of its work."""
    database = metrics.DatabaseCollector(context.database)
    worker = metrics.WorkerCollector(context.worker_status, context.stats, context.missing)
    return (
        (
            predict.router(context),
            rekognition.router(context),
            corrections.router(context.database),
            heads.teaching_router(context),
        ),
        (events.router(context, context.recent_events), metrics.router(database, worker)),
    )


def _reading_alone(context: ReadingContext) -> tuple[_Routers, _Routers]:
    """Return the same paths where nothing is tagged: those that would need a daemon refuse."""
    return (
        (predict.refusals(), rekognition.refusals(), corrections.refusals(), heads.refusals()),
        (events.router(context, RecentEvents()), metrics.router(metrics.DatabaseCollector(context.database))),
    )


class _Application(FastAPI):
    """Describes itself with each type called by its title: its class has a longer name where another room of Tagger has one so called."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _by_title(super().openapi())
        return self.openapi_schema


def _by_title(api: dict[str, Any]) -> dict[str, Any]:
    schemas, text = api["components"]["schemas"], json.dumps(api)
    for name, schema in schemas.items():
        text = text.replace(f'/schemas/{name}"', f'/schemas/{schema["title"]}"')
    renamed: dict[str, Any] = json.loads(text)
    types = {schema["title"]: schema for schema in renamed["components"]["schemas"].values()}
    return renamed | {"components": {"schemas": dict(sorted(types.items()))}}


def _application(routers: Iterable[APIRouter], **options: Any) -> FastAPI:
    app = _Application(
        title="Tagger",
        version=version("tagger"),
        description=ABOUT,
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        **options,
    )
    problems.install(app)
    for router in routers:
        app.include_router(router)
    return app
