"""A problem says what is wrong with a request, as RFC 9457 has it: `application/problem+json`, with a sentence on what to do."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tagger.errors import ErrorKind, TaggerError
from tagger.pipeline.predict_queue import BusyError
from tagger.store.core.budget import TooLongError
from tagger.supervision import Closed
from tagger.wording.escape import shown

log = logging.getLogger(__name__)

READS_ONLY = "tagger web only reads; ask the daemon, tagger run, with web.enabled"
BUSY = "as many pictures wait as may; ask again in a second"
STOPPING = "Tagger is stopping; ask again once it is back"
NO_CHARSET = "Content-Type: its charset cannot be read; leave it out, and send UTF-8"
"""Python has encodings that nothing can be read in; Starlette tries any that a client names."""
MEDIA_TYPE = "application/problem+json"
MOST = 2_000
"""Characters of a detail."""
TOLD = 5
"""Wrong values that are told of, each in so many characters."""
_OF_EACH = 200
_STATUSES = {ErrorKind.INVALID: 400, ErrorKind.MISSING: 404, ErrorKind.REFUSED: 422, ErrorKind.FAILED: 503}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What is wrong, and what to do",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                    "required": ["type", "title", "status", "detail"],
                }
            }
        },
    }
}


class ProblemError(HTTPException):
    """A request is refused; `detail` is a sentence for whoever wrote the client. As an HTTPException, FastAPI lets it out of the body's reading."""


def response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a problem. Of what is quoted in `detail` it has no more than is read, and nothing that UTF-8 cannot say."""
    title = HTTPStatus(status).phrase
    detail = detail.encode(errors="backslashreplace").decode()
    if len(detail) > MOST:
        detail = f"{detail[:MOST]}…"
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make a problem of every error of a request."""
    app.exception_handler(ProblemError)(_of_ours)
    app.exception_handler(HTTPException)(_of_http)
    app.exception_handler(RequestValidationError)(_of_values)
    app.exception_handler(TaggerError)(_of_tagger)
    app.exception_handler(BusyError)(lambda *_: _busy())
    app.exception_handler(Closed)(lambda *_: _closed())
    app.exception_handler(ClientDisconnect)(lambda *_: _gone())
    app.exception_handler(Exception)(_of_nobody)


def _busy() -> JSONResponse:
    return response(429, BUSY, {"Retry-After": "1"})


def _closed() -> JSONResponse:
    return response(503, STOPPING, {"Retry-After": "10"})


def _gone() -> JSONResponse:
    """Return what nobody hears: the client left in the middle of what it sent."""
    return response(400, "the request ended before all of it was sent; send it again")


def _of_ours(_: Request, error: ProblemError) -> JSONResponse:
    return response(error.status_code, error.detail, error.headers)


def _of_http(request: Request, error: HTTPException) -> JSONResponse:
    hints = {404: f"there is nothing at {shown(request.scope['path'])}; /openapi.json lists what there is"}
    return response(error.status_code, hints.get(error.status_code, str(error.detail)), error.headers)


def _of_values(_: Request, error: RequestValidationError) -> JSONResponse:
    """Return 422 for a value that is not allowed; 400 for one that nothing could be."""
    wrong = error.errors()
    told = [_wrong(one)[:_OF_EACH] for one in wrong[:TOLD]]
    more = [f"and {len(wrong) - TOLD:,} more"] if len(wrong) > TOLD else []
    status = 400 if any(_is_nothing(one.get("input")) for one in wrong[:TOLD]) else 422
    return response(status, "; ".join(told + more))


def _wrong(one: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0])
    return f"{where}: {one['msg']}"


def _is_nothing(value: object) -> bool:
    """Return whether it is no text, or no number that a database could hold."""
    try:
        str(value).encode()
        return isinstance(value, str | int | float) and not abs(float(value)) < 2**63
    except UnicodeEncodeError:
        return True
    except (ValueError, OverflowError):
        return isinstance(value, int)


def _of_tagger(_: Request, error: TaggerError) -> JSONResponse:
    """Return a client's status where what it asks cannot be understood or done, and 503 where it is we who cannot, as without a database."""
    is_too_long = isinstance(error, TooLongError)
    words = f"{error.where} {error.what}; {error.hint}" if is_too_long else str(error)
    return response(_STATUSES[error.kind], words)


def _of_nobody(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, shown(request.scope["path"]), exc_info=error)
    return response(500, "Tagger made a mistake; its log says which")
