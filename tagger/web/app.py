"""The API put together: what anybody may ask, what needs the token, and what becomes of errors."""

from collections.abc import Iterable
from importlib.metadata import version
from threading import Event
from typing import Any

from fastapi import APIRouter, FastAPI

from tagger.config.web import WebSettings
from tagger.web import problems
from tagger.web.admission import Admission
from tagger.web.api import events, files, images, metrics, predict, state
from tagger.web.compat import rekognition
from tagger.web.context import AppContext
from tagger.web.guard import Guard
from tagger.web.page import login, routes

ABOUT = "Tags of pictures: of those that are handed in, and of those in the watched folders. Times are UTC."


def create_app(web: WebSettings, house: AppContext) -> FastAPI:
    """All of it. Whatever is not among the `public` routers is answered to those alone who say the token."""
    admission = Admission(web.secret)
    public = (state.alive(), login.router(admission))
    private = (
        predict.router(house),
        rekognition.router(house),
        images.router(house),
        files.router(house),
        state.router(house, admission.guesses),
        events.router(house),
        metrics.router(house),
        routes.router(house),
        login.leaving(),
    )
    outside = _application(public, openapi_url=None)
    outside.mount("/static", routes.files())
    app = _application((*private, *public))  # the public ones for its description alone
    app.state.ending = Event()
    app.add_middleware(Guard, public=outside, web=web, admission=admission)
    return app


def _application(routers: Iterable[APIRouter], **options: Any) -> FastAPI:
    app = FastAPI(
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
