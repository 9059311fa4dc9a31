"""Heads in the database: their labels, and what they say of pictures, as rows of `tag`.

`store.core.heads` has the tables, and why they are so.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.errors import ConfigError
from tagger.heads.head import Fit, Head, HeadTag, key_of, numbers
from tagger.heads.names import FLAGGED, NONE, UNSURE
from tagger.records import Label
from tagger.store.core.heads import RANKS, head
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.registry import register_labels
from tagger.store.core.schema import label, tag, word
from tagger.store.tags.verdicts import HUMAN, VerdictIndex

log = logging.getLogger(__name__)

_MOST = RANKS - 1
"""Of a head's tags of one picture."""
_EVERY = 2**62
_SAID = Prepared(
    select(tag).where(
        tag.c.file_id.in_(listed("files")),
        tag.c.rank >= RANKS,
    )
)

_ADD = Prepared(insert(tag))
_FORGET = Prepared(
    delete(tag).where(
        tag.c.file_id == bindparam("this_file"),
        tag.c.model_id == bindparam("model"),
        tag.c.rank.between(bindparam("first"), bindparam("last")),
    )
)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """A picture whose features are stored, as the database knows it; times are text."""

    file_id: int
    sha256: str
    captured_at: str
    seen_at: str
    model_id: int


@dataclass(frozen=True, slots=True, eq=False)
class KnownHead:
    """A head that the database knows: its id, and those of its labels, by their names; of `none` and `unsure`, too."""

    id: int
    head: Head
    labels: Mapping[str, int]

    def rows(
        self, fit: Fit, pictures: Sequence[PictureRow], vectors: Sequence[bytes], verdicts: VerdictIndex
    ) -> Iterator[dict[str, object]]:
        """Yield rows of `tag`: what it says of pictures by their lit vectors (`heads.light`), and what people say.

        Features of another model say nothing, and their picture gets no row.
        """
        read = {at: one for at, vector in enumerate(vectors) if (one := fit.reads(vector))}
        said = self.head.tags(fit, numbers([*read.values()])) if read else []
        for at, tags in zip(read, said, strict=True):
            given = verdicts.on_heads.get(pictures[at].sha256, {})
            yield from self._rows(pictures[at], self._judged(tags, given))

    def _judged(
        self, tags: Sequence[HeadTag], given: Mapping[int, bool]
    ) -> list[tuple[int, float, str | None]]:
        """Return labels' ids, scores, and who says so: what people say is right comes first, and alone where one label is given."""
        said = [(self.labels[one.label], one.score, None) for one in tags]
        if given:
            return self._corrected(said, given)
        return list(said)

    def _corrected(
        self, said: Sequence[tuple[int, float, None]], given: Mapping[int, bool]
    ) -> list[tuple[int, float, str | None]]:
        right = [(id_, 1.0, HUMAN) for id_ in self.labels.values() if given.get(id_)]
        if right and not self.head.any:
            return [*right[:1]]
        rest = [one for one in said if one[0] not in given and not (right and one[0] in self._no_labels)]
        return [*right, *rest] or [(self.labels[NONE], 1.0, HUMAN)]

    @property
    def _no_labels(self) -> tuple[int, int]:
        return self.labels[NONE], self.labels[UNSURE]

    def _rows(
        self, picture: PictureRow, said: Iterable[tuple[int, float, str | None]]
    ) -> Iterator[dict[str, object]]:
        for rank, (label_id, score, by) in zip(range(1, RANKS), said, strict=False):
            yield {
                "label_id": label_id,
                "captured_at": picture.captured_at,
                "file_id": picture.file_id,
                "model_id": picture.model_id,
                "rank": self.id * RANKS + rank,
                "score": score,
                "seen_at": picture.seen_at,
                "by": by,
            }


@dataclass(frozen=True, slots=True, eq=False)
class HeadsInUse:
    """The heads that label pictures, by sources' names, each with what it learned of the features of that source's pictures.

    `models` are the ids of the models that those features are of, by sources' names.
    """

    by_source: Mapping[str, Sequence[tuple[KnownHead, Fit]]] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)

    def of(self, source: str) -> Sequence[tuple[KnownHead, Fit]]:
        """Return those of a source; most have none."""
        return self.by_source.get(source, ())

    def label(
        self,
        connection: Connection,
        source: str,
        pictures: Sequence[PictureRow],
        vectors: Sequence[bytes],
        verdicts: VerdictIndex,
    ) -> None:
        """Store what the heads of a source say of its pictures, of which nothing that heads said may be stored."""
        for known, fit in self.of(source):
            add(connection, known.rows(fit, pictures, vectors, verdicts))


def register(
    connection: Connection,
    name: str,
    any_: bool,
    labels: Iterable[Label],
    flagged: Collection[str] | None = None,
) -> int:
    """Make a head and its labels known, `none` and `unsure` too, and return its id.

    `labels` have keys `head/label`. What was known stays known: verdicts are on it. `flagged` are the names of those that must not
    be missed; None leaves that as it is. Raises ConfigError where a model's own label has the key of one.
    """
    own = [Label(key_of(name, one), f"{one} ({name})") for one in (NONE, UNSURE)]
    every = {one.key: one for one in (*labels, *own)}
    _refuse_keys_of_a_model(connection, name, every)
    add = upsert(head).values(name=name, any=any_)
    same = add.on_conflict_do_update(index_elements=[head.c.name], set_={"any": add.excluded.any})
    id_ = int(connection.execute(same.returning(head.c.id)).scalar_one())
    ids = register_labels(connection, list(every.values()))
    roles: dict[str, str | None] = {key_of(name, one): one for one in (NONE, UNSURE)}
    if flagged is not None:
        roles |= {one.key: FLAGGED if one.name in flagged else None for one in labels}
    for key, one in every.items():
        role = {"role": roles[key]} if key in roles else {}
        connection.execute(update(label).where(label.c.id == ids[key]).values(head=name, **role))
        _set_words(connection, ids[key], one, is_named=one not in own)
    return id_


def _refuse_keys_of_a_model(connection: Connection, name: str, keys: Collection[str]) -> None:
    taken = connection.scalar(select(label.c.key).where(label.c.key.in_(keys), label.c.head.is_(None)))
    if taken:
        what = f"{taken} is a label of a model already, whose weights file was called {name}, too"
        raise ConfigError(f"head {name}", what, "call the head something else")


def known(connection: Connection, learned: Head) -> KnownHead:
    """Return a head as the database knows it, which it does from now on."""
    labels = [learned.label(name) for name in learned.labels]
    id_ = register(connection, learned.name, learned.any, labels, learned.recalls)
    return KnownHead(id_, learned, label_ids(connection, learned.name))


def all_known(connection: Connection, learned: Iterable[Head]) -> dict[str, KnownHead]:
    """Return heads as the database knows them, by their names, without those whose labels a model has: the log tells of them."""
    found = {}
    for one in learned:
        try:
            found[one.name] = known(connection, one)
        except ConfigError as error:
            log.warning("%s", error)
    return found


def stored(connection: Connection, learned: Head) -> KnownHead | None:
    """Return a head as the database knows it; None where it does not know all of its labels yet, for the daemon has still to."""
    ids = label_ids(connection, learned.name)
    id_ = connection.scalar(select(head.c.id).where(head.c.name == learned.name))
    return KnownHead(id_, learned, ids) if id_ and ids.keys() >= {*learned.labels, NONE, UNSURE} else None


def label_ids(connection: Connection, name: str) -> dict[str, int]:
    """Return the ids of a head's labels, `none` and `unsure` included, by their names within the head."""
    rows = connection.execute(select(label.c.key, label.c.id).where(label.c.head == name))
    return {key.partition("/")[2]: id_ for key, id_ in rows}


def add(connection: Connection, rows: Iterable[dict[str, object]]) -> None:
    """Store rows that `KnownHead.rows` gave. Those of the same head and pictures must have been forgotten."""
    _ADD.each(connection, rows)


def said(connection: Connection, files: Sequence[int]) -> list[dict[str, object]]:
    """Return the rows of `tag` that heads said of these files, by their ids."""
    names = [column.name for column in tag.c]
    return [dict(zip(names, row, strict=True)) for row in _SAID.rows(connection, files=as_list(files))]


def forget_all(connection: Connection, picture: PictureRow) -> None:
    """Delete what any head said of a picture."""
    these = {"this_file": picture.file_id, "model": picture.model_id}
    _FORGET.rows(connection, **these, first=RANKS, last=_EVERY)


def forget(connection: Connection, id_: int, pictures: Iterable[PictureRow]) -> None:
    """Delete what the head of this id said of these pictures."""
    ranks = {"first": id_ * RANKS, "last": id_ * RANKS + _MOST}
    _FORGET.each(connection, [{"this_file": one.file_id, "model": one.model_id, **ranks} for one in pictures])


def _set_words(connection: Connection, label_id: int, one: Label, is_named: bool) -> None:
    """Store what a label is called. `none` and `unsure` are no words of their own: every head has them."""
    named = {text.casefold(): 0 for text in (one.name, one.name_zh) if text and is_named}
    words = {one.key.casefold(): 1} | named
    connection.execute(delete(word).where(word.c.label_id == label_id))
    connection.execute(
        insert(word), [{"text": text, "label_id": label_id, "rank": rank} for text, rank in words.items()]
    )
