"""`POST /` answers as Amazon Rekognition's DetectLabels does: its clients need another `endpoint_url`, and nothing else.

Categories are labels here, as Rekognition's parents are: who looks for a vehicle finds it, whatever kind it is. Rejected:
its threshold of 55 %, which is that of many separate answers; a thousand classes that share 100 % rarely get there.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal
from starlette.concurrency import run_in_threadpool

from tagger.heads.head import Head, HeadTag
from tagger.heads.names import NONE, UNSURE
from tagger.pipeline.predict_queue import BusyError
from tagger.records import Category, Failed, FailureKind, Reading, Tag, Taxonomy
from tagger.supervision import Closed
from tagger.web.context import TaggerContext
from tagger.web.encoded import decoded, refuse_many_parts
from tagger.web.problems import BUSY, READS_ONLY, STOPPING, TOLD, ProblemError

MOST = 100
"""Labels that the model is asked for, as many as `/predict` may be."""

_TARGET = "RekognitionService.DetectLabels"
_CODES = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    413: "ImageTooLargeException",
    421: "AccessDeniedException",
    429: "ThrottlingException",
    503: "ServiceUnavailable",
}
_OF_PICTURES = {FailureKind.TOO_LARGE: "ImageTooLargeException"}
"""Any other failure that would come again is of bytes that are no picture, or a damaged one."""


def is_asked(request: Request) -> bool:
    """Return whether it is one of Amazon's clients that asks, and so must be answered in Amazon's words."""
    return "x-amz-target" in request.headers


def refusal(status: int, detail: str) -> JSONResponse:
    """Return a problem in Amazon's words."""
    return _refused(
        _CODES.get(status, "InternalServerError" if status >= 500 else "InvalidParameterException"), detail
    )


def router(context: TaggerContext) -> APIRouter:
    """Return the route where a daemon tags."""
    labels = _Labels(context.taxonomy)

    async def answer(asked: "_Asked") -> JSONResponse:
        data = await run_in_threadpool(decoded, asked.image.bytes_)
        outcome = await asyncio.wrap_future(context.predict_queue.ask(data, MOST))
        if isinstance(outcome, Failed):
            raise _AmazonError(_failure(outcome), outcome.reason)
        found = labels.of(outcome.reading, context.labelling.said(outcome))
        wanted = asked.wanted(found, context.min_score * 100)
        version = f"{context.model.name}-{context.model.weights_sha256[:12]}"
        return _response(200, {"Labels": [one.said() for one in wanted], "LabelModelVersion": version})

    return _routes(answer)


def refusals() -> APIRouter:
    """Return the same route, which refuses whatever can be understood."""
    return _routes(_refuse)


async def _refuse(_: "_Asked") -> JSONResponse:
    raise ProblemError(503, READS_ONLY)


def _routes(answer: Callable[["_Asked"], Awaitable[JSONResponse]]) -> APIRouter:
    routes = APIRouter()

    @routes.post("/", include_in_schema=False)
    async def detect_labels(request: Request) -> JSONResponse:
        try:
            return await answer(await _asked(request))
        except _AmazonError as error:
            return _refused(error.code, error.message)
        except ProblemError as error:
            return refusal(error.status_code, error.detail)
        except BusyError:
            return refusal(429, BUSY)
        except Closed:
            return refusal(503, STOPPING)

    return routes


# What is asked


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, frozen=True)


class _Image(_Shape):
    bytes_: str = Field("", alias="Bytes")
    s3_object: dict[str, Any] | None = None


_Names = frozenset[Annotated[str, Field(max_length=256)]]


class _Filters(_Shape):
    label_inclusion_filters: _Names = frozenset()
    label_exclusion_filters: _Names = frozenset()
    label_category_inclusion_filters: _Names = frozenset()
    label_category_exclusion_filters: _Names = frozenset()


class _Settings(_Shape):
    general_labels: _Filters = _Filters()

    def wants(self, label: "_Label") -> bool:
        filters, groups = self.general_labels, set(label.groups)
        if label.name in filters.label_exclusion_filters or groups & filters.label_category_exclusion_filters:
            return False
        if not (filters.label_inclusion_filters or filters.label_category_inclusion_filters):
            return True
        included = groups & filters.label_category_inclusion_filters
        return label.name in filters.label_inclusion_filters or bool(included)


class _Asked(_Shape):
    image: _Image
    max_labels: int = Field(1000, ge=0, lt=2**63)
    min_confidence: float | None = Field(None, ge=0, le=100)
    features: list[Literal["GENERAL_LABELS"]] = Field([], max_length=10)
    settings: _Settings = _Settings()

    def wanted(self, labels: Iterable["_Label"], least: float) -> list["_Label"]:
        """Return those labels that are asked for; `least` is how sure the model must be where the client does not say."""
        wanted = (one for one in labels if self._is_sure(one, least) and self.settings.wants(one))
        return list(itertools.islice(wanted, self.max_labels))

    def _is_sure(self, label: "_Label", least: float) -> bool:
        if self.min_confidence is None:
            return label.is_of_a_head or label.confidence >= least
        return label.confidence >= self.min_confidence


async def _asked(request: Request) -> _Asked:
    """Return what is asked for. Raises _AmazonError where it is not labels of a picture that is sent along."""
    target = request.headers.get("x-amz-target", "")
    if target != _TARGET:
        hint = f"{target[:100] or 'without X-Amz-Target'}: only {_TARGET} is answered here; or POST the picture to /predict"
        raise _AmazonError("UnknownOperationException", hint)
    body = await request.body()
    refuse_many_parts(body)
    try:
        asked = _Asked.model_validate_json(body)
    except ValidationError as error:
        raise _AmazonError("InvalidParameterException", _wrong(error)) from None
    _check(asked.image)
    return asked


def _check(image: _Image) -> None:
    if image.s3_object is not None:
        hint = "there is no S3 here; send the picture itself, as Image.Bytes"
        raise _AmazonError("InvalidS3ObjectException", hint)
    if not image.bytes_:
        raise _AmazonError("InvalidParameterException", "there is no picture in it; send it as Image.Bytes")


def _wrong(error: ValidationError) -> str:
    """Return the first few of what is wrong, and how many more."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong[:TOLD]]
    more = [f"and {len(wrong) - TOLD:,} more"] if len(wrong) > TOLD else []
    return "; ".join(told + more)


# What is said


@dataclass(frozen=True, slots=True)
class _Label:
    """A label as Rekognition has it: `parents` are all that it is within; `groups` are those of them, or itself, that are within nothing.

    A head is the parent of its labels, which have passed a threshold of their own.
    """

    name: str
    confidence: float
    parents: tuple[str, ...]
    groups: tuple[str, ...]
    is_of_a_head: bool = False

    def said(self) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Confidence": self.confidence,
            "Instances": [],
            "Parents": [{"Name": name} for name in self.parents],
            "Aliases": [],
            "Categories": [{"Name": name} for name in self.groups],
        }


class _Labels:
    """Turns readings into Rekognition's labels."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._names = {one.key: one.name for one in taxonomy.categories}
        self._within, self._above = taxonomy.by_label(), _above(taxonomy)

    def of(self, reading: Reading, by_heads: Iterable[tuple[Head, HeadTag]]) -> list[_Label]:
        """Return the surest first; at equal scores a category before what is in it, and a head's label last.

        Names are unique in Rekognition: a class and a category that share one (`screen`) are said once.
        """
        found = [self._category(self._names[key], score) for key, score in reading.categories]
        found += [self._tag(one) for one in reading.tags]
        found += [_of_a_head(*one) for one in by_heads if one[1].label not in (NONE, UNSURE)]
        unique: dict[str, _Label] = {}
        for label in sorted(found, key=lambda one: -one.confidence):
            unique.setdefault(label.name, label)
        return list(unique.values())

    def _category(self, name: str, score: float) -> _Label:
        return self._label(name, score, self._above[name])

    def _tag(self, tag: Tag) -> _Label:
        within = [self._names[key] for key in self._within.get(tag.label.key, ())]
        return self._label(tag.label.name, tag.score, within)

    def _label(self, name: str, score: float, within: Sequence[str]) -> _Label:
        parents = tuple(one for one in within if one != name)
        groups = tuple(one for one in (name, *parents) if self._above.get(one) == [])
        return _Label(name, min(score * 100, 100.0), parents, groups)


def _of_a_head(head: Head, tag: HeadTag) -> _Label:
    return _Label(tag.label, min(tag.score * 100, 100.0), (head.name,), (head.name,), is_of_a_head=True)


def _above(taxonomy: Taxonomy) -> dict[str, list[str]]:
    """Return, by a category's name, those of all that it is within, the nearest first."""
    by_key = {one.key: one for one in taxonomy.categories}

    def climb(one: Category) -> Iterator[str]:
        for key in one.within:
            yield by_key[key].name
            yield from climb(by_key[key])

    return {one.name: list(dict.fromkeys(climb(one))) for one in taxonomy.categories}


# What is wrong


class _AmazonError(Exception):
    """A request is refused; `code` is one that Amazon's clients know."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _failure(outcome: Failed) -> str:
    if outcome.retryable:
        return "InternalServerError"
    return _OF_PICTURES.get(outcome.kind, "InvalidImageFormatException")


def _refused(code: str, message: str) -> JSONResponse:
    """Return an error as Amazon says it. A client's mistakes are all 400: its `retries` go by that, too."""
    status = {"InternalServerError": 500, "ServiceUnavailable": 503}.get(code, 400)
    return _response(status, {"__type": code, "message": message})


def _response(status: int, content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, status, media_type="application/x-amz-json-1.1")
