"""Pictures are uploaded as a form, as JSON with base64, or as they are. `curl --data-binary` calls anything a form of letters, so
what comes under that name, or under none, is looked at.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tagger.web.api import forms
from tagger.web.encoded import MOST, MOST_PARTS, decoded, refuse_many_parts
from tagger.web.problems import ProblemError

_FORMS = 'send a form with fields `image`, JSON such as {"image": "<base64>"}, or a picture as the body'
_OF_LETTERS = "application/x-www-form-urlencoded"
_FIELD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*=[\x20-\x7e\r\n]*")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]{64}")
"""No picture begins so, and none is shorter in it."""
_BEGINNING = 256
_FEW_SIGNS = 10_000
"""Encoded signs that any form may have. Base64 has one in 19 characters; where all are, each costs a hundred bytes to decode."""
_AS_FILES = "send pictures as files of the form (multipart/form-data)"


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that was sent along; `name` is what its sender calls it."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Uploads:
    """What a body has: pictures, and what it says beside them, each value of a field by its name."""

    pictures: Sequence[Upload]
    fields: Mapping[str, Sequence[Any]]


async def uploads(request: Request) -> Uploads:
    """Return what a request sends along. Raises ProblemError where there is no picture, or more than may be."""
    found = await _found(request)
    if not found.pictures and found.fields.keys() <= {"top_k", "min_score", "lang"}:
        raise ProblemError(400, f"there is no picture in it: {_FORMS}")
    if len(found.pictures) > MOST:
        raise _too_many(len(found.pictures))
    return found


async def _found(request: Request) -> Uploads:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _from_form(request)
    if kind == "application/json" or kind.endswith("+json"):
        return await run_in_threadpool(_from_json, await request.body())
    if kind.startswith("image/") or kind in ("", "application/octet-stream", _OF_LETTERS):
        return await run_in_threadpool(_from_anything, await request.body(), kind)
    raise ProblemError(415, f"Content-Type: {kind[:100]} is not understood: {_FORMS}")


def _from_anything(body: bytes, kind: str) -> Uploads:
    beginning = body[:_BEGINNING]
    if not kind.startswith("image/") and beginning.lstrip().startswith(b"{"):
        return _from_json(body)
    if kind == _OF_LETTERS and _FIELD.fullmatch(beginning):
        return _from_letters(body)
    return Uploads([Upload("image", _as_meant(body))] if body else [], {})


def _from_letters(body: bytes) -> Uploads:
    """Return what is in `image=…&top_k=3`, where a plus sign of base64 that was not encoded has become a space."""
    if body.count(b"%") > max(_FEW_SIGNS, len(body) // 12) or body.count(b"&") >= MOST_PARTS:
        raise ProblemError(413, f"the form has too many parts or signs like %2B; {_AS_FILES}")
    fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True)
    images = [one.replace(" ", "+") for one in fields.pop("image", []) if one]
    return _of_texts(images, fields)


async def _from_form(request: Request) -> Uploads:
    form = await forms.read(request, MOST + 1)
    try:
        files = [one for one in form.getlist("image") if isinstance(one, UploadFile)]
        sent = [(one.filename or "", await one.read()) for one in files]
    finally:
        await form.close()
    chosen = [(name or "image", data) for name, data in sent if name or data]
    if sent and not chosen:
        raise ProblemError(400, "there is no picture in it: the field image is empty; choose a picture")
    pictures = [Upload(name, await run_in_threadpool(_as_meant, data)) for name, data in chosen]
    return Uploads(pictures, {key: form.getlist(key) for key in form if key != "image"})


def _from_json(body: bytes) -> Uploads:
    refuse_many_parts(body)
    try:
        document = from_json(body)  # in a fifth of the time of json's, in which nobody else has a turn
    except (ValueError, RecursionError):
        raise ProblemError(400, f"the body is not JSON: {_FORMS}") from None
    fields = dict(document) if isinstance(document, dict) else {}
    given = fields.pop("image", None)
    images = given if isinstance(given, list) else [] if given is None else [given]
    return _of_texts(images, {key: [value] for key, value in fields.items()})


def _of_texts(images: Sequence[Any], fields: Mapping[str, Sequence[Any]]) -> Uploads:
    if len(images) > MOST:
        raise _too_many(len(images))
    where = [f"image.{number}" for number in range(len(images))] if len(images) > 1 else ["image"]
    return Uploads([Upload("image", _decoded(*one)) for one in zip(images, where, strict=False)], fields)


def _too_many(number: int) -> ProblemError:
    return ProblemError(413, f"{number} pictures at once; send {MOST} or fewer")


def _decoded(image: Any, where: str) -> bytes:
    """Return a picture's bytes, also of a data URL, as browsers make them. Raises ProblemError, which says where it is."""
    if not isinstance(image, str):
        raise ProblemError(400, f"{where}: must be text, in base64")
    try:
        return decoded(image.partition(",")[2] if _is_data_url(image[:_BEGINNING]) else image)
    except ProblemError as error:
        raise ProblemError(error.status_code, f"{where}: {error.detail}") from None


def _as_meant(data: bytes) -> bytes:
    """Return a picture's bytes where they were sent as base64 or a data URL, and otherwise what was sent."""
    beginning = data[:_BEGINNING].lstrip()
    if not (_is_data_url(beginning.decode("latin-1")) or _BASE64.match(beginning)):
        return data
    try:
        return _decoded(data.decode("ascii"), "image")
    except (ProblemError, UnicodeDecodeError):
        return data


def _is_data_url(beginning: str) -> bool:
    return beginning.lstrip()[:5].lower() == "data:"
