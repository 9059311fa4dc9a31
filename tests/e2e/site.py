"""A daemon with the web on, and a client of it."""

import io
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from PIL import Image

from tagger.config.tagging import DecodeSettings
from tagger.config.web import WebSettings
from tagger.records import Standing
from tagger.store.core.database import Database
from tagger.web.app import create_app
from tagger.web.context import ReadingContext
from tagger.web.searches import Searches
from tagger.web.server import Server
from tagger.web.thumbnails import Thumbnails
from tests.e2e.command import PATIENCE, Daemon, running

TOKEN = "0123456789abcdef-token"  # noqa: S105 (of this test alone)


def picture(colour: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


class Site:
    """A daemon with the web on, and a client of it."""

    def __init__(self, daemon: Daemon, address: str) -> None:
        self.daemon, self.address = daemon, address
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=address, timeout=30, limits=limits)

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, **options).raise_for_status().json()

    def predict(self, query: str = "", **body: Any) -> Any:
        return self.client.post(f"/predict{query}", **body).raise_for_status().json()["results"]


def serve(home: Path, also: Mapping[str, str] = MappingProxyType({}), **web: str) -> Any:
    options = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__PORT": "0", **also} | {
        f"TAGGER_WEB__{key.upper()}": value for key, value in web.items()
    }
    return running(home, home / "inbox", "--database", home / "tags.db", first="web:", **options)


@contextmanager
def reading(database: Database, folder: Path, searches: Searches | None = None) -> Iterator[ReadingContext]:
    """What `tagger web` answers from; thumbnails are kept in `folder`."""
    with closing(Thumbnails(folder / "thumbnails", DecodeSettings())) as thumbnails:
        yield ReadingContext(
            database=database,
            min_score=0.3,
            top_k=5,
            thumbnails=thumbnails,
            standing=Standing("", "", ""),
            searches=searches or Searches(),
        )


@contextmanager
def site_of(daemon: Daemon) -> Iterator[Site]:
    """A client of what that daemon serves."""
    site = Site(daemon, daemon.first.split("web: ")[1].strip())
    with closing(site.client):
        yield site


@contextmanager
def served(folder: Path, **web: Any) -> Iterator[str]:
    """The address of a server that only reads, for a database without pictures."""
    with (
        closing(Database.open(str(folder / "tags.db"), create=True)) as database,
        reading(database, folder) as context,
    ):
        settings = WebSettings(port=0, **web)
        server = Server(settings, create_app(settings, context))
        server.start()
        try:
            yield server.address
        finally:
            server.close(10)


@contextmanager
def client(address: str, at: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """Who asks from another address of this machine."""
    transport = httpx.HTTPTransport(local_address=at)
    with httpx.Client(base_url=address, transport=transport, timeout=PATIENCE) as one:
        yield one
