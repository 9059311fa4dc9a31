"""How each head stands, what people say of pictures for it, and that it be learned: the same for programs and for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from tagger.errors import ModelError
from tagger.heads import files, report
from tagger.heads.head import Head, key_of
from tagger.heads.names import NONE, UNSURE, check_head, check_label
from tagger.heads.report import ToldReport
from tagger.records import Label, ModelIdentity
from tagger.store.core.database import Database
from tagger.store.tags import corrections, head_list, head_pictures, heads
from tagger.store.tags.head_list import HeadEntry, HeadLabel
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.lookup import picture_of
from tagger.web.problems import ProblemError

HeadState = Literal["in use", "not in use", "not learned", "learning", "for another model", "damaged"]


@dataclass(frozen=True, slots=True)
class HeadStanding:
    """How a head stands. `learned` is None where it is not, and `trouble` says why where its files cannot be read.

    `readers` are the models that read the pictures which it labels, or would, each with the names of its sources.
    """

    entry: HeadEntry
    readers: Mapping[ModelIdentity, Sequence[str]]
    learned: Head | None
    trouble: str
    state: HeadState

    @property
    def name(self) -> str:
        """What it is called."""
        return self.entry.name

    @property
    def labels(self) -> list[HeadLabel]:
        """Its labels, as people gave them."""
        return self.entry.taught

    @property
    def names_zh(self) -> dict[str, str]:
        """What its labels are called in Chinese, by their names; those that are."""
        return {one.name: one.name_zh for one in self.labels if one.name_zh}

    @property
    def examples(self) -> dict[str, int]:
        """How many contents people gave each of its labels, and none; those that have some."""
        return {one.name: one.examples for one in self.entry.labels if one.examples}

    @property
    def fits(self) -> bool:
        """Whether it learned of the features of any model that reads its pictures."""
        return self.learned is not None and any(map(self.learned.fit_for, self.readers))

    @property
    def report(self) -> ToldReport | None:
        """How well it does; None where that is not known."""
        return report.told(self.learned.report) if self.learned else None


def standings(context: ReadingContext) -> Sequence[HeadStanding]:
    """Return all heads that are named in the config, or were ever given an example. Files are read: one for each."""
    with context.database.read() as connection:
        known = {one.name: one for one in head_list.heads(connection)}
    every = {name: _nothing(name) for name in context.heads} | known
    return [_standing(context, context.database, every[name]) for name in sorted(every)]


def standing(context: ReadingContext, name: str) -> HeadStanding:
    """Return how one head stands. Raises ConfigError for what no head can be called, and ProblemError where there is no such head."""
    found = standing_of(context, context.database, name)
    if not found.entry.id and not found.learned and name not in context.heads:
        raise ProblemError(404, f"there is no head {name}; GET /heads lists those that there are")
    return found


def standing_of(context: ReadingContext, database: Database, name: str) -> HeadStanding:
    """Return how a head stands that nobody may have named yet; it has nothing then. Raises ConfigError as `standing` does."""
    check_head(name)
    with database.read() as connection:
        known = {one.name: one for one in head_list.heads(connection)}
    return _standing(context, database, known.get(name, _nothing(name)))


def say(
    database: Database, name: str, label: str, images: Sequence[int], any_: bool, takes_back: bool
) -> int:
    """Store that pictures, by id, have a head's label, or take that back; return how many have other tags now, or may have once it is learned.

    A head and a label that are new are made. Raises ConfigError where the head or the label cannot be called so, ProblemError
    where there is no such picture.
    """
    check_head(name)
    own = check_label(label)
    if own == UNSURE:
        raise ProblemError(
            400, f"{UNSURE} is what a head says by itself; say which label a picture has, or {NONE}"
        )
    paths = [picture_of(database, id_).path for id_ in dict.fromkeys(images)]
    _make_known(database, name, own, any_)
    key = [key_of(name, own)]
    correction = corrections.Correction(open=key) if takes_back else corrections.Correction(right=key)
    return corrections.apply(database, paths, correction, datetime.now(UTC))


def teach(context: TaggerContext, name: str) -> None:
    """Have a head learned. Raises ProblemError where too many wait already."""
    if not context.teaching.ask(name):
        what = "as many heads wait to be learned as may; ask again later"
        raise ProblemError(429, what, {"Retry-After": "60"})


def _make_known(database: Database, name: str, own: str, any_: bool) -> None:
    """Have the database know the head and its label, if it does not yet. A head that is known stays of its kind."""
    with database.read() as connection:
        entry = next((one for one in head_list.heads(connection) if one.name == name), None)
    if entry is None or own not in {one.name for one in entry.labels}:
        new = [] if own == NONE else [Label(key_of(name, own), own)]
        with database.write() as connection:
            heads.register(connection, name, entry.any if entry else any_, new)


def _nothing(name: str) -> HeadEntry:
    return HeadEntry(0, name, False, (), (), 0)


def _standing(context: ReadingContext, database: Database, entry: HeadEntry) -> HeadStanding:
    with database.read() as connection:
        readers = head_pictures.readers(connection, entry.sources)
    folder = files.beside(database.path)
    try:
        learned, trouble = files.read(folder, entry.name) if folder else None, ""
    except ModelError as error:
        learned, trouble = None, str(error)
    found = HeadStanding(entry, readers, learned, trouble, "not in use")
    return replace(found, state=_state(found, context.is_learning(entry.name)))


def _state(found: HeadStanding, is_learning: bool) -> HeadState:
    if is_learning:
        return "learning"
    if not found.learned:
        return "damaged" if found.trouble else "not learned"
    if found.readers and not found.fits:
        return "for another model"
    return "in use" if found.entry.sources else "not in use"
