"""Examples of heads: which contents have which of a head's labels, where those pictures lie, and their features.

An example is a verdict: what people say of a content, by whatever way. So examples outlive a picture's move, a model and the
head itself, and one that is given on the page is the same as one that is given in a folder.
"""

import random
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, LargeBinary, bindparam, cast, delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.heads.light import LIGHT, with_light
from tagger.heads.names import NONE, UNSURE
from tagger.records import Label, ModelIdentity
from tagger.store.core import pathtext
from tagger.store.core.columns import instant_text
from tagger.store.core.heads import example, example_vector, head
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import feature, file, label, model, reading, source, verdict
from tagger.store.tags import heads
from tagger.store.tags.vectors import packed, unpacked

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a model was last in use that nothing was tagged by: it is not the one in use."""
_PAGE = 500
_SPARE = 4
"""So many times the pictures that are wanted are looked for: some have no features, or another model's."""


_LIGHT = [file.c[name] for name in LIGHT]
_IS_IT = (
    model.c.name == bindparam("name"),
    model.c.weights_sha256 == bindparam("weights_sha256"),
    model.c.preprocessing == bindparam("preprocessing"),
)
_SAID = Prepared(
    select(verdict.c.sha256, label.c.key, example.c.path)
    .join(label, label.c.id == verdict.c.label_id)
    .outerjoin(example, example.c.sha256 == verdict.c.sha256)
    .where(label.c.head == bindparam("head"), verdict.c.is_right.is_(True))
    .order_by(verdict.c.sha256, label.c.key)
)
_LABELS = Prepared(
    select(label.c.key, label.c.name_zh).where(label.c.head == bindparam("head")).order_by(label.c.id)
)
_PLACES = Prepared(
    select(file.c.sha256, source.c.root, file.c.path, source.c.name, file.c.camera, file.c.captured_at, file.c.captured_from)
    .join(source, source.c.id == file.c.source_id)
    .where(file.c.sha256.in_(listed("contents")))
    .order_by(file.c.id)
)  # fmt: skip
_STORED = Prepared(
    select(file.c.sha256, cast(feature.c.vector, LargeBinary), *_LIGHT)
    .join(reading, reading.c.file_id == file.c.id)
    .join(model, model.c.id == reading.c.model_id)
    .join(feature, feature.c.file_id == file.c.id)
    .where(file.c.sha256.in_(listed("contents")), *_IS_IT)
)
_KEPT = Prepared(
    select(example_vector.c.sha256, cast(example_vector.c.vector, LargeBinary))
    .join(model, model.c.id == example_vector.c.model_id)
    .where(example_vector.c.sha256.in_(listed("contents")), *_IS_IT)
)
_IDS = Prepared(
    select(file.c.id)
    .join(source, source.c.id == file.c.source_id)
    .where(source.c.name.in_(listed("sources")))
)
_BY_ID = Prepared(
    select(file.c.id, file.c.sha256, source.c.root, file.c.path, cast(feature.c.vector, LargeBinary), *_LIGHT)
    .join(source, source.c.id == file.c.source_id)
    .join(reading, reading.c.file_id == file.c.id)
    .join(model, model.c.id == reading.c.model_id)
    .join(feature, feature.c.file_id == file.c.id)
    .where(
        file.c.id.in_(listed("ids")),
        source.c.name.in_(listed("sources")),
        file.c.missing_since.is_(None),
        *_IS_IT,
    )
)
_BOUNDS = Prepared(
    select(select(func.min(file.c.id)).scalar_subquery(), select(func.max(file.c.id)).scalar_subquery())
)
_COUNT = Prepared(
    select(func.count())
    .select_from(reading)
    .join(model, model.c.id == reading.c.model_id)
    .join(file, file.c.id == reading.c.file_id)
    .join(source, source.c.id == file.c.source_id)
    .where(source.c.name.in_(listed("sources")), *_IS_IT)
)
_CONTENTS = Prepared(
    select(file.c.sha256, source.c.root, file.c.path)
    .join(source, source.c.id == file.c.source_id)
    .where(file.c.id.in_(listed("ids")), file.c.sha256.is_not(None))
    .order_by(file.c.id)
)


def _replacing(table: Any, *keys: str) -> Prepared:
    add = upsert(table)
    new = {column.name: add.excluded[column.name] for column in table.c if column.name not in keys}
    return Prepared(
        add.on_conflict_do_update(index_elements=keys, set_=new), [column.name for column in table.c]
    )


_SAY = _replacing(verdict, "sha256", "label_id")
_PLACE = _replacing(example, "sha256")
_KEEP = _replacing(example_vector, "sha256", "model_id")
_TAKE_BACK = Prepared(
    delete(verdict).where(verdict.c.sha256.in_(listed("contents")), verdict.c.label_id.in_(listed("labels")))
)
_FORGET_PLACES = Prepared(delete(example).where(example.c.sha256.not_in(select(verdict.c.sha256))))
_FORGET_VECTORS = Prepared(
    delete(example_vector).where(example_vector.c.sha256.not_in(select(verdict.c.sha256)))
)


@dataclass(frozen=True, slots=True)
class KnownExample:
    """A content that has these of a head's labels, or none of them; `path` is where it lay when it was given in a folder."""

    sha256: str
    labels: tuple[str, ...]
    path: str | None


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of the library with its lit vector (`heads.light`)."""

    id: int
    sha256: str
    path: str
    vector: bytes


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """Where a content lies in the library, and with what it was taken: source, camera and day, or None where nothing tells a day."""

    path: str
    group: str | None


def is_any(connection: Connection, name: str) -> bool | None:
    """Return whether a picture may have several of a head's labels; None where nothing was ever said for that head."""
    found = connection.scalar(select(head.c.any).where(head.c.name == name))
    return None if found is None else bool(found)


def labels(connection: Connection, name: str) -> list[Label]:
    """Return a head's labels in the order in which they were first given, without `none` and `unsure`."""
    named = ((key.partition("/")[2], key, zh) for key, zh in _LABELS.rows(connection, head=name))
    return [Label(key, own, zh or "") for own, key, zh in named if own not in (NONE, UNSURE)]


def give(
    connection: Connection,
    name: str,
    any_: bool,
    named: Iterable[Label],
    given: Mapping[str, Sequence[tuple[str, str]]],
    now: datetime,
) -> None:
    """Store examples: contents with the paths where they lie, by labels' names, or by `none`.

    What was said of a content before gives way, unless the head gives `any` of its labels: then it has both.
    """
    heads.register(connection, name, any_, named)
    ids = heads.label_ids(connection, name)
    for own, pictures in given.items():
        contents = [sha256 for sha256, _ in pictures]
        others = [id_ for other, id_ in ids.items() if not any_ or NONE in (own, other)]
        _TAKE_BACK.rows(connection, contents=as_list(contents), labels=as_list(others))
    decided_at = instant_text(now)
    for own, pictures in given.items():
        _SAY.each(
            connection,
            (
                {"sha256": sha256, "label_id": ids[own], "is_right": True, "decided_at": decided_at}
                for sha256, _ in pictures
            ),
        )
        _PLACE.each(
            connection, ({"sha256": sha256, "path": pathtext.to_text(path)} for sha256, path in pictures)
        )


def forget(connection: Connection, name: str) -> int:
    """Forget all that people said of a head's labels, and return of how many contents."""
    of_the_head = verdict.c.label_id.in_(select(label.c.id).where(label.c.head == name))
    count = connection.scalar(select(func.count(verdict.c.sha256.distinct())).where(of_the_head))
    connection.execute(delete(verdict).where(of_the_head))
    _FORGET_PLACES.rows(connection)
    _FORGET_VECTORS.rows(connection)
    return count or 0


def of(connection: Connection, name: str) -> list[KnownExample]:
    """Return a head's examples, in the order of their hashes."""
    found: dict[str, list[str]] = defaultdict(list)
    paths: dict[str, str | None] = {}
    for sha256, key, path in _SAID.rows(connection, head=name):
        found[sha256].append(key.partition("/")[2])
        paths[sha256] = pathtext.from_text(path) if path else None
    return [
        KnownExample(sha256, tuple(one for one in its if one != NONE), paths[sha256])
        for sha256, its in found.items()
        if UNSURE not in its
    ]


def places(connection: Connection, contents: Iterable[str]) -> dict[str, list[KnownPlace]]:
    """Return where contents lie in the library, as far as they do."""
    found: dict[str, list[KnownPlace]] = defaultdict(list)
    rows = _PLACES.rows(connection, contents=as_list(contents))
    for sha256, root, path, name, camera, captured_at, by in rows:
        is_dated = captured_at and by not in ("mtime", "unknown")
        group = f"{name}\0{camera or ''}\0{captured_at[:10]}" if is_dated else None
        found[sha256].append(KnownPlace(_whole(root, path), group))
    return found


def contents(connection: Connection, ids: Iterable[int]) -> list[tuple[str, str]]:
    """Return the hashes and paths of files by their ids."""
    rows = _CONTENTS.rows(connection, ids=as_list(ids))
    return [(sha256, _whole(root, path)) for sha256, root, path in rows]


def vectors(connection: Connection, identity: ModelIdentity, contents: Sequence[str]) -> dict[str, bytes]:
    """Return lit vectors of contents as far as they are stored, as this model reads them, by the contents' hashes."""
    asked = {"contents": as_list(contents), **_as_values(identity)}
    kept = ((sha256, unpacked(stored)) for sha256, stored in _KEPT.rows(connection, **asked))
    rows = _STORED.rows(connection, **asked)
    of_files = ((sha256, with_light(unpacked(stored), light)) for sha256, stored, *light in rows)
    return {sha256: vector for sha256, vector in (*kept, *of_files) if vector}


def keep(
    connection: Connection, identity: ModelIdentity, description: str, found: Mapping[str, bytes]
) -> None:
    """Store lit vectors of contents, by their hashes, that no file in the library has."""
    values = {**_as_values(identity), "description": description, "used_at": _NEVER}
    connection.execute(upsert(model).values(**values).on_conflict_do_nothing())
    query = select(model.c.id).where(
        *(model.c[name] == value for name, value in _as_values(identity).items())
    )
    id_ = connection.execute(query).scalar_one()
    rows = ({"sha256": sha256, "model_id": id_, "vector": packed(vector)} for sha256, vector in found.items())
    _KEEP.each(connection, rows)


def some(
    connection: Connection, identity: ModelIdentity, sources: Sequence[str], most: int, seed: int = 0
) -> Iterator[StoredPicture]:
    """Yield pictures of these sources that have features, as this model reads them: `most` at most, at random.

    The same seed gives the same pictures as long as the library stays the same.
    """
    asked = {"sources": as_list(sources), **_as_values(identity)}
    left = most
    for page in _drawn(connection, asked["sources"], most, random.Random(seed)):  # noqa: S311
        rows = _BY_ID.rows(connection, ids=as_list(page), **asked)
        found = [
            StoredPicture(id_, sha256, _whole(root, path), vector)
            for id_, sha256, root, path, stored, *light in rows
            if (vector := with_light(unpacked(stored), light))
        ]
        yield from found[:left]
        left -= min(left, len(found))
        if not left:
            return


def _drawn(connection: Connection, sources: str, most: int, chance: random.Random) -> Iterator[Sequence[int]]:
    """Yield ids at random, a page at a time, none twice: of whatever file, then of these sources' alone.

    Nearly every number between the first id and the last is a file's, so a million files need not be listed; only where these
    sources have few of them are they, and then they are not many.
    """
    first, last = _BOUNDS.rows(connection)[0]
    every = range(first, last + 1) if last else range(0)
    drawn = chance.sample(every, min(len(every), _SPARE * most))
    yield from _pages(drawn)
    if len(drawn) < len(every):
        seen = set(drawn)
        rows = _IDS.pages(connection, _PAGE, sources=sources)
        rest = array("q", (id_ for page in rows for (id_,) in page if id_ not in seen))
        yield from _pages(chance.sample(rest, min(len(rest), _SPARE * most)))


def _pages(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[at : at + _PAGE] for at in range(0, len(ids), _PAGE))


def count(connection: Connection, identities: Iterable[ModelIdentity], sources: Sequence[str]) -> int:
    """Return how many of these sources' pictures were read by these models."""
    named = as_list(sources)
    return sum(_COUNT.rows(connection, sources=named, **_as_values(one))[0][0] for one in identities)


def _whole(root: str, path: str) -> str:
    return f"{pathtext.from_text(root).rstrip('/')}/{pathtext.from_text(path)}"


def _as_values(identity: ModelIdentity) -> dict[str, str]:
    return {
        "name": identity.name,
        "weights_sha256": identity.weights_sha256,
        "preprocessing": identity.preprocessing,
    }
