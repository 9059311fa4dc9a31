"""Pictures are shown by the number of a row, never by a path."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from enum import IntEnum
from typing import BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from tagger.store.search import pictures
from tagger.store.search.pictures import Original
from tagger.vision.thumbnail import MEDIA_TYPE
from tagger.web.context import ReadingContext
from tagger.web.lookup import no_image
from tagger.web.original import opened
from tagger.web.problems import RESPONSES, ProblemError
from tagger.web.small_body import SmallBody
from tagger.web.thumbnails import Wanted

_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}
_UNKNOWN = "application/octet-stream"
_CHUNK = 1 << 18
_BINARY = {"schema": {"type": "string", "format": "binary"}}


class Side(IntEnum):
    """A thumbnail has this many pixels at most in either direction."""

    SMALL = 320
    LARGE = 1600


def router(context: ReadingContext) -> APIRouter:
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    _add_thumbnail(routes, context)
    _add_file(routes, context)
    return routes


def _add_thumbnail(routes: APIRouter, context: ReadingContext) -> None:
    @routes.get(
        "/images/{id}/thumbnail",
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: _BINARY}}, 304: {"description": "as it was"}},
    )
    async def thumbnail(request: Request, id: int, size: Side = Side.SMALL) -> Response:  # noqa: A002
        """Return the picture upright and small, as a JPEG."""
        original = await run_in_threadpool(_original, context, id)
        if original.sha256 is None:
            raise ProblemError(404, f"image {id} was never decoded; /failures says why, if it failed")
        wanted = Wanted(original, int(size))
        headers = {"ETag": f'"{wanted.name}"', "Cache-Control": "private, max-age=86400"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        made = await asyncio.wrap_future(context.thumbnails.ask(wanted))
        return Response(made, 200, headers, MEDIA_TYPE)


def _add_file(routes: APIRouter, context: ReadingContext) -> None:
    @routes.get(
        "/images/{id}/file",
        response_class=Response,
        responses={
            200: {"content": dict.fromkeys(("image/*", _UNKNOWN), _BINARY)},
            304: {"description": "as it was"},
        },
    )
    def file(request: Request, id: int) -> Response:  # noqa: A002
        """Return the file as it is."""
        original = _original(context, id)
        return _sent(request, original, opened(original))


def _original(context: ReadingContext, id_: int) -> Original:
    """Return where a picture's file lies. Raises ProblemError where there is no picture of that number."""
    original = pictures.original(context.database, id_) if 0 < id_ < 2**63 else None
    if original is None:
        raise no_image(id_)
    return replace(original, roots=context.follow_links.get(original.root, ()))


class _Sent(StreamingResponse):
    """Closes the file even where the client leaves before its first byte: the generator would not have begun."""

    def __init__(self, file: BinaryIO, size: int, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(_chunks(file, size), 200, headers, media_type)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def _sent(request: Request, original: Original, file: BinaryIO) -> Response:
    """Return the file, or only that it has not changed, for whoever has it already."""
    facts = os.fstat(file.fileno())
    media_type = _MEDIA_TYPES.get(original.format or "", _UNKNOWN)
    headers = _headers(original, facts, media_type)
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        file.close()
        return Response(None, 304, headers)
    headers["Content-Length"] = str(facts.st_size)
    return _Sent(file, facts.st_size, headers, media_type)


def _headers(original: Original, facts: os.stat_result, media_type: str) -> dict[str, str]:
    name = quote(os.fsencode(original.path.rsplit("/", 1)[-1]))
    kind = "attachment" if media_type == _UNKNOWN else "inline"
    headers = {
        "ETag": f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"{kind}; filename*=UTF-8''{name}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    with suppress(ValueError, OverflowError, OSError):  # a file's time may be in a year that no calendar has
        headers["Last-Modified"] = formatdate(facts.st_mtime, usegmt=True)
    return headers


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield as many bytes as were promised: a file that grows meanwhile is not sent farther."""
    while size and (chunk := file.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk
