"""`GET /events` tells what happens, as it happens (server-sent events).

Tagged pictures are read from the database, so that whoever was away goes on from the last `seq` it saw, and nothing is
missed. Rejected: to be told by the pipeline, which knows nothing of what an earlier run stored, nor of another process.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tagger.pipeline.recent_events import Notice, RecentEvents
from tagger.search.parse import parse
from tagger.store.core import file_moves, pathtext
from tagger.store.core.budget import TooLongError
from tagger.store.core.database import Database
from tagger.store.core.file_moves import FileMove
from tagger.store.search import found
from tagger.store.search.found import Hit
from tagger.supervision import Closed
from tagger.web.api.answers import Language
from tagger.web.api.described import described
from tagger.web.context import ReadingContext
from tagger.web.problems import RESPONSES, ProblemError
from tagger.web.small_body import SmallBody

EVERY = 0.5
"""Seconds between two looks."""

QUIET = 30
"""Looks without anything new, 15 s of them, after which a comment is sent, so that nobody in between closes the connection."""

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""The second one has nginx hand on what it is told at once; it would else wait until there is a page of it."""

MOST = 100
"""Listeners at a time: each looks for itself."""


def router(context: ReadingContext, recent_events: RecentEvents) -> APIRouter:
    routes, places = APIRouter(responses=RESPONSES, route_class=SmallBody), _Places()

    @routes.get(
        "/events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def events(
        request: Request,
        q: Annotated[str, Query(max_length=4000, description="as for `tagger search`")] = "",
        lang: Language = "en",
        last_event_id: Annotated[
            int | None, Header(ge=0, lt=2**63, description="a `seq`, to go on after")
        ] = None,
    ) -> StreamingResponse:
        """Stream pictures as they are tagged, files that fail or move, and sources that come and go."""
        places.take()
        try:
            hear = partial(Listener, recent_events, context.min_score, q, lang, last_event_id)
            listener = await context.searches.listen(request, context.database, hear)
        except BaseException:
            places.leave()
            raise
        return _Stream(_news(request, context, listener), places)

    return routes


class Listener:
    """Reads what is new since it last looked. Raises QueryError where the query cannot be understood."""

    def __init__(
        self,
        recent_events: RecentEvents,
        least: float,
        query: str,
        lang: Language,
        after: int | None,
        database: Database,
    ) -> None:
        """Asks `database` these first questions alone."""
        self._recent_events, self._least, self._text, self._lang = recent_events, least, query, lang
        self._query = parse(query, datetime.now(UTC))
        self._heard = recent_events.last
        with database.read() as connection:
            self._moved = file_moves.newest(connection)
        self.seq = found.newest(database) if after is None else after
        found.check(database, self._query, query)

    def news(self, database: Database) -> list[str]:
        """Return what is new, as events; nothing where there is nothing."""
        notices = self._recent_events.since(self._heard)
        self._heard = notices[-1].number if notices else self._heard
        tagged = [self._tagged(hit) for hit in self._arrived(database)]
        moved = [_event("moved", _told_move(move)) for move in self._moves(database)]
        return tagged + moved + [_event(notice.kind, _told(notice)) for notice in notices]

    def _moves(self, database: Database) -> list[FileMove]:
        with database.read() as connection:
            moves = file_moves.since(connection, self._moved)
        self._moved = moves[-1].id if moves else self._moved
        return moves

    def _arrived(self, database: Database) -> list[Hit]:
        if found.newest(database) <= self.seq:
            return []
        hits, self.seq = found.arrived(database, self._query, self._text, self._least, self.seq)
        return hits

    def _tagged(self, hit: Hit) -> str:
        return _event("tagged", described(hit.picture, self._lang).model_dump_json(), hit.picture.seq)


class _Places:
    """Counts those that are taken. It is for the one thread of all requests, in which none comes between a look and the taking."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self) -> None:
        """Raises ProblemError where none is left, before anything is asked of the database.

        Rejected: to let who comes then wait for one, which looks like a stream on which nothing happens.
        """
        if self._taken >= MOST:
            raise ProblemError(429, f"{MOST} listen already; ask again later", {"Retry-After": "10"})
        self._taken += 1

    def leave(self) -> None:
        self._taken -= 1


class _Stream(StreamingResponse):
    """A stream that leaves its place in the end."""

    def __init__(self, news: AsyncIterator[str], places: _Places) -> None:
        super().__init__(news, media_type="text/event-stream", headers=_HEADERS)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.leave()


async def _news(request: Request, context: ReadingContext, listener: Listener) -> AsyncIterator[str]:
    quiet = 0
    yield "retry: 2000\n\n"
    while not request.app.state.ending.is_set():
        try:
            news = await context.searches.listen(request, context.database, listener.news)
        except (TooLongError, Closed):
            return  # the client may come back, and goes on where it was
        for one in news:
            yield one
        quiet = 0 if news else quiet + 1
        if quiet % QUIET == 1:
            yield f": nothing new\nid: {listener.seq}\n\n"  # an event of nothing, but where to go on from
        if not news:
            await anyio.sleep(EVERY)


def _told(notice: Notice) -> str:
    return json.dumps({name: pathtext.to_text(text) for name, text in notice.about.items()})


def _told_move(move: FileMove) -> str:
    paths = {"path": pathtext.to_text(move.path), "old_path": pathtext.to_text(move.old_path)}
    return json.dumps({"id": move.file_id, "source": move.source} | paths)


def _event(kind: str, data: str, id_: int | None = None) -> str:
    """Return an event as it is sent. A line break in `data` would end it; JSON has none."""
    number = "" if id_ is None else f"id: {id_}\n"
    return f"{number}event: {kind}\ndata: {data}\n\n"
