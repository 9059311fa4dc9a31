"""The API put together: routes, what guards them, and what becomes of errors."""

from importlib.metadata import version
from threading import Event

from fastapi import FastAPI

from tagger.config import Web
from tagger.web import events, metrics, pictures, predict, problems, reading, rekognition, state
from tagger.web.guard import Guard
from tagger.web.house import House
from tagger.web.page import login, routes

ABOUT = "Tags of pictures: of those that are handed in, and of those in the watched folders. Times are UTC."


def create_app(web: Web, house: House) -> FastAPI:
    app = FastAPI(
        title="Tagger",
        version=version("tagger"),
        description=ABOUT,
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.ending = Event()
    problems.install(app)
    app.include_router(predict.router(house))
    app.include_router(rekognition.router(house))
    app.include_router(reading.router(house))
    app.include_router(pictures.router(house))
    app.include_router(state.router(house))
    app.include_router(events.router(house))
    app.include_router(metrics.router(house))
    app.include_router(routes.router(house))
    app.include_router(login.router(web.secret))
    app.mount("/static", routes.files())
    app.add_middleware(Guard, token=web.secret, most=web.max_bytes, rate=web.rate)
    return app
