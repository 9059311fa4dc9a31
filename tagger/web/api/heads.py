"""Heads, a user's own labels: how they stand, examples for them, and having them learned.

An example is a correction (`corrections`): what somebody says of a picture holds at once for its tags, and the head learns from it the
next time. Learning is another process's work, which is asked for here and told of by `GET /events`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tagger.errors import ModelError
from tagger.heads import files
from tagger.heads.head import Head
from tagger.heads.names import NONE, UNSURE
from tagger.pipeline.teaching import Teaching
from tagger.store.core.database import Database
from tagger.store.tags import head_list
from tagger.store.tags.head_list import HeadEntry, HeadLabel
from tagger.web.api.answers import Corrected
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.heads import say
from tagger.web.heads import teach as have_learned
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError
from tagger.web.small_body import SmallBody

MOST = 100
"""Pictures of one request."""

HeadState = Literal["not learned", "learned", "learning", "damaged"]


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

    report: dict[str, Any] = {}


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


@dataclass(frozen=True)
class Heads:
    """Tells how heads stand: by the database, by their files, and by who learns."""

    database: Database
    teaching: Teaching | None

    def listed(self) -> list[HeadAnswer]:
        """Return all heads, by their names."""
        return [HeadAnswer(**_told(entry, *self._learned(entry))) for entry in self._entries()]

    def report(self, name: str) -> HeadReport:
        """Return one head with what teaching it told. Raises ProblemError where there is none."""
        for entry in self._entries():
            if entry.name == name:
                state, learned, wrong = self._learned(entry)
                return HeadReport(
                    **_told(entry, state, learned, wrong), report=dict(learned.report) if learned else {}
                )
        raise ProblemError(404, f"there is no head {name[:60]!r}; GET /heads lists those that there are")

    def _entries(self) -> list[HeadEntry]:
        with self.database.read() as connection:
            return head_list.heads(connection)

    def _learned(self, entry: HeadEntry) -> tuple[HeadState, Head | None, str]:
        try:
            learned = files.read(files.beside(self.database.path) or Path(), entry.name)
        except ModelError as error:
            return "damaged", None, str(error)
        if self.teaching and self.teaching.is_at(entry.name):
            return "learning", learned, ""
        return ("learned" if learned else "not learned"), learned, ""


def router(context: ReadingContext) -> APIRouter:
    """Return the routes that read."""
    routes = APIRouter(responses=RESPONSES, route_class=SmallBody)
    told = Heads(context.database, context.teaching if isinstance(context, TaggerContext) else None)

    @routes.get("/heads")
    def listed() -> list[HeadAnswer]:
        """Return the heads that people gave examples of, whether they are learned or not."""
        return told.listed()

    @routes.get("/heads/{name}")
    def report(name: str) -> HeadReport:
        """Return one head with all that teaching it told."""
        return told.report(name)

    return routes


def teaching_router(context: TaggerContext) -> APIRouter:
    """Return the routes that teach, where a daemon tags."""
    told = Heads(context.database, context.teaching)

    def ask(name: str) -> HeadAsked:
        told.report(name)
        have_learned(context, name)
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
    return say(database, name, said.label, said.images, said.any, said.remove)


def _refused(*_: object) -> Any:
    raise ProblemError(403, READS_ONLY)


def _told(entry: HeadEntry, state: HeadState, learned: Head | None, wrong: str) -> dict[str, Any]:
    report: Mapping[str, Any] = learned.report if learned else {}
    accuracy = report.get("accuracy") or {}
    return {
        "name": entry.name,
        "any": entry.any,
        "state": state,
        "labels": list(_labels(entry, report)),
        "sources": list(entry.sources),
        "left": entry.left,
        "learned_at": learned.learned_at if learned else None,
        "accuracy": accuracy.get("value"),
        "accuracy_low": accuracy.get("low"),
        "accuracy_high": accuracy.get("high"),
        "wrong": wrong,
    }


def _labels(entry: HeadEntry, report: Mapping[str, Any]) -> Iterator[HeadLabelAnswer]:
    shares = report.get("per_label") or {}
    for one in entry.labels:
        if _is_taught(one):
            accuracy = (shares.get(one.name) or {}).get("value")
            yield HeadLabelAnswer(
                key=one.key, label=one.name, name_zh=one.name_zh, examples=one.examples, accuracy=accuracy
            )


def _is_taught(one: HeadLabel) -> bool:
    """Return whether it is a label that people give: nobody gives `unsure`, and `none` counts where somebody has."""
    return one.name != UNSURE and (one.name != NONE or one.examples > 0)
