"""Heads, a user's own labels: how they stand, examples for them, and having them learned.

An example is a correction (`corrections`): what somebody says of a picture holds at once for its tags, and the head learns from it the
next time. Learning is another process's work, which is asked for here and told of by `GET /events`.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tagger.heads.names import NONE
from tagger.heads.report import ToldReport
from tagger.store.core.database import Database
from tagger.web import heads
from tagger.web.api.answers import Corrected
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.heads import HeadStanding, HeadState
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError
from tagger.web.small_body import SmallBody

MOST = 100
"""Pictures of one request."""


class HeadLabelAnswer(BaseModel):
    """A label of a head: `examples` are pictures that people say have it, and `accuracy` is the part of them that was told right."""

    model_config = ConfigDict(title="HeadLabel")

    key: str
    label: str
    name_zh: str
    examples: int
    accuracy: float | None = None


class HeadAnswer(BaseModel):
    """Tells of a head. `accuracy` is the part of its examples that were told right by what was learned of the others.

    `left` is how many files it has still to look at, at most; `wrong` says what is wrong with its files.
    """

    model_config = ConfigDict(title="Head")

    name: str
    any: bool
    state: HeadState
    labels: list[HeadLabelAnswer]
    sources: list[str]
    left: int
    learned_at: datetime | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    wrong: str = ""


class HeadReport(HeadAnswer):
    """A head with all that teaching it told: the confusion table, examples that look wrong, and what would make it better."""

    model_config = ConfigDict(title="HeadReport")

    report: ToldReport | None = None


class GivenExamples(BaseModel):
    """Pictures, by their ids, that have a label, or `none` of the head's; with `remove`, nothing is said of it any more.

    `any` holds for a head that is new: whether a picture may have several of its labels.
    """

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=200)]
    images: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(min_length=1, max_length=MOST)]
    remove: bool = False
    any: bool = False


class HeadAsked(BaseModel):
    """A head that will be learned: GET /events tells when it was."""

    head: str


def router(context: ReadingContext) -> APIRouter:
    """Return the routes that read."""
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)

    @routes.get("/heads")
    def listed() -> list[HeadAnswer]:
        """Return the heads that the config names or people gave examples of, whether they are learned or not."""
        return [HeadAnswer(**_told(one)) for one in heads.standings(context)]

    @routes.get("/heads/{name}")
    def report(name: str) -> HeadReport:
        """Return one head with all that teaching it told."""
        found = heads.standing(context, name)
        return HeadReport(**_told(found), report=found.report)

    return routes


def teaching_router(context: TaggerContext) -> APIRouter:
    """Return the routes that teach, where a daemon tags."""

    def ask(name: str) -> HeadAsked:
        heads.standing(context, name)
        heads.teach(context, name)
        return HeadAsked(head=name)

    return _routes(partial(_give, context.database), ask)


def refusals() -> APIRouter:
    """Return the same routes, which refuse."""
    return _routes(_refused, _refused)


def _routes(give: Callable[[str, GivenExamples], int], ask: Callable[[str], HeadAsked]) -> APIRouter:
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    writing = CapacityLimiter(1)

    @routes.post("/heads/{name}/examples")
    async def examples(name: str, given: GivenExamples) -> Corrected:
        """Say that pictures have a label of a head. A head and a label that are new are made."""
        return Corrected(images=await to_thread.run_sync(give, name, given, limiter=writing))

    @routes.post("/heads/{name}/teach", status_code=202)
    def teach(name: str) -> HeadAsked:
        """Have a head learned anew from all its examples, in a process of its own."""
        return ask(name)

    return routes


def _give(database: Database, name: str, said: GivenExamples) -> int:
    return heads.say(database, name, said.label, said.images, said.any, said.remove)


def _refused(*_: object) -> Any:
    raise ProblemError(403, READS_ONLY)


def _told(found: HeadStanding) -> dict[str, Any]:
    right = found.report.accuracy if found.report else None
    return {
        "name": found.name,
        "any": found.entry.any,
        "state": found.state,
        "labels": list(_labels(found)),
        "sources": list(found.entry.sources),
        "left": found.entry.left,
        "learned_at": found.learned.learned_at if found.learned else None,
        "accuracy": right and right.value,
        "accuracy_low": right and right.low,
        "accuracy_high": right and right.high,
        "wrong": found.trouble,
    }


def _labels(found: HeadStanding) -> Iterator[HeadLabelAnswer]:
    """Yield the labels that people give; `none` is one of them where somebody has given it."""
    shares = found.report.per_label if found.report else {}
    for one in found.entry.labels:
        if one in found.labels or (one.name == NONE and one.examples):
            accuracy = shares[one.name].value if one.name in shares else None
            yield HeadLabelAnswer(
                key=one.key, label=one.name, name_zh=one.name_zh, examples=one.examples, accuracy=accuracy
            )
