"""Which rows of the queue are those of files that lie at new paths now: what is gone from one path and new at another.

A folder that is renamed leaves its files' sizes and times as they were, ctime too, and no two files share all of these and
a name by chance. So such files are told without a look into them, one row for one file. A file that is renamed by itself, or
goes to another disk, has another ctime: it is told by its content, once that is read. What could be one of two is neither.

Rejected: inodes, which network file systems renumber; and content alone for what has been missing for long, for a black
frame of today is no frame of last month that has moved.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, exists, func, not_, select

from tagger.host import mounts
from tagger.host.beneath import Reach
from tagger.host.mounts import Volume
from tagger.records import Stamp
from tagger.store.core import pathtext
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file, source
from tagger.store.queue.stamps import Roots, Row, find
from tagger.supervision import waiting

MOST = 16
"""Rows alike that are looked for on disk; of more, none passes for one that moved."""

_AT_ONCE = 10_000
"""Rows of one size and the same times, whatever their names, among which one is looked for: a kernel's clock for files
goes on every 4 ms, a FAT's every two seconds, and what is copied meanwhile is alike."""


@dataclass(frozen=True, slots=True)
class Former:
    """A row whose file may have moved, and where it was: `inside` its source, as in the database, whose root was on a `volume`.

    The ids are those of the model and the taxonomy that the tags of its source are by.
    """

    id: int
    inside: str
    source: str
    root: str
    volume: Volume
    mtime_ns: int
    ctime_ns: int
    missing_since: str | None
    model_id: int | None
    taxonomy_id: int | None

    @classmethod
    def of(cls, id_: int, path: str, name: str, root: str, volume: str | None, *rest: Any) -> "Former":
        """Return it by what the database holds."""
        return cls(id_, path, name, pathtext.from_text(root), Volume.read(volume or ""), *rest)

    @property
    def path(self) -> str:
        """Return its absolute path."""
        return f"{self.root.rstrip('/')}/{pathtext.from_text(self.inside)}"

    def is_at(self, stamp: Stamp) -> bool:
        """Return whether it is the row of this stamp's own path."""
        return self.source == stamp.source and self.path == stamp.path


_GIVEN = func.json_each(bindparam("given")).table_valued("key", "value", name="given")
_TIMES = (file.c.mtime_ns, file.c.ctime_ns, file.c.missing_since)
_TAGS_BY = (source.c.model_id, source.c.taxonomy_id)
_ALIKE, _AT = file.alias("alike"), file.alias("at")


def _given(number: int) -> ColumnElement[int]:
    return func.json_extract(_GIVEN.c.value, f"$[{number}]", type_=Integer)


def _rows(most: int, *are_alike: ColumnElement[bool]) -> Select[Any]:
    """Return the SELECT of rows like each that is given, but for one more than `most` of them."""
    columns = (file.c.id, file.c.path, source.c.name, source.c.root, source.c.volume)
    some = select(_ALIKE.c.id).where(*are_alike).limit(most + 1).correlate(_GIVEN)
    query = select(_GIVEN.c.key, *columns, *_TIMES, *_TAGS_BY).select_from(_GIVEN)
    return query.join(file, file.c.id.in_(some)).join(source, source.c.id == file.c.source_id)


_IS_KNOWN = exists().where(_AT.c.source_id == _given(0), _AT.c.path == _given(1))
_NEW = Prepared(select(_GIVEN.c.key).where(not_(_IS_KNOWN)))
_UNCHANGED = Prepared(
    _rows(
        _AT_ONCE,
        _ALIKE.c.ctime_ns == _given(2),
        _ALIKE.c.mtime_ns == _given(1),
        _ALIKE.c.size == _given(0),
    )
)
_SAME_CONTENT = Prepared(_rows(MOST, _ALIKE.c.sha256 == _GIVEN.c.value))


def unchanged(connection: Connection, roots: Roots, stamps: Sequence[Stamp]) -> dict[Stamp, list[Former]]:
    """Return, for stamps at paths that have no row, the rows of files of the same name, size and times."""
    places = [roots.values(stamp) for stamp in stamps]
    new = [key for (key,) in _NEW.rows(connection, given=json.dumps(places))]
    seen = list({places[key][2:] for key in new})
    rows = _by_key(_UNCHANGED.rows(connection, given=json.dumps(seen)), _AT_ONCE)
    found: dict[Any, list[Former]] = defaultdict(list)
    for key, some in rows.items():
        for row in some:
            found[seen[key], _name(row[1])].append(Former.of(*row))
    alike = {stamps[key]: found.get((places[key][2:], _name(places[key][1])), []) for key in new}
    return {stamp: some for stamp, some in alike.items() if 0 < len(some) <= MOST}


def same_content(connection: Connection, contents: Mapping[Stamp, str]) -> dict[Stamp, list[Former]]:
    """Return, for stamps of new files whose content has this SHA-256, the other rows of that content that may be theirs."""
    stamps = list(contents)
    found = _by_key(_SAME_CONTENT.rows(connection, given=json.dumps(list(contents.values()))), MOST)
    formers = {stamps[key]: [Former.of(*row) for row in some] for key, some in found.items()}
    alike = {stamp: [old for old in some if not old.is_at(stamp)] for stamp, some in formers.items()}
    if not (of_old := [stamp for stamp, some in alike.items() if some]):
        return {}
    rows = find(connection, of_old)
    return {
        stamp: [old for old in alike[stamp] if _may_be(old, stamp, row, len(alike[stamp]) == 1)]
        for stamp, row in rows.items()
        if not row.tagged
    }


def one_to_one(found: Mapping[Stamp, Sequence[Former]], reaches: Mapping[str, Reach]) -> dict[Stamp, Former]:
    """Return for each stamp the only one of these rows whose file is gone from its place, where it is no other stamp's, too.

    Looks at the places, as far as each source's `reaches` by its name; in others no link is followed.
    """
    tells = cache(_tells)  # once for a folder, of which there may be thousands of files
    with waiting():  # as long as their file systems take to say so
        gone = {
            stamp: [old for old in some if _is_gone(old, stamp, reaches, tells)]
            for stamp, some in found.items()
        }
    wanted = Counter(old.id for some in gone.values() for old in some)
    return {stamp: some[0] for stamp, some in gone.items() if len(some) == 1 and wanted[some[0].id] == 1}


def _is_gone(
    old: Former,
    stamp: Stamp,
    reaches: Mapping[str, Reach],
    tells: Callable[[str, Volume, bool, str], bool],
) -> bool:
    """Return whether its file is not where it was, as far as that folder can be believed, or is another source's now."""
    if old.path == stamp.path:
        return True
    if old.source == stamp.source:
        is_believed = Path(old.root).is_dir()
    else:
        is_same_file = old.ctime_ns == stamp.ctime_ns
        is_believed = tells(old.root, old.volume, is_same_file, os.path.dirname(stamp.path))  # noqa: PTH120
    return is_believed and reaches.get(old.source, Reach(old.root)).is_missing(old.path)


def _tells(root: str, volume: Volume, is_same_file: bool, folder: str) -> bool:
    """Return whether the folder of another source tells what is gone from it, and came into a `folder` here.

    No server is asked, which may never answer, but the one that has just told of that folder. A disk that is away keeps what
    is on it; but where the same file is elsewhere, and not even the source's folder is there, it was that which was renamed.
    """
    table = mounts.table()
    mount = mounts.around(root, table)
    is_silent = mount and not mounts.announces_changes(mount.kind)
    if is_silent and mount != mounts.around(os.path.realpath(folder), table):
        return False
    return (is_same_file and not os.path.lexists(root)) or not mounts.doubt(root, volume)


def _name(path: str) -> str:
    """Return the last part of a path as it is in the database. Raises DatabaseError where it is none."""
    return pathtext.from_text(path).rpartition("/")[2]


def _by_key(rows: Iterable[tuple[Any, ...]], most: int) -> dict[int, list[Sequence[Any]]]:
    """Return the rows of each key, without their keys, but for keys with more than `most`."""
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for key, *row in rows:
        found[key].append(row)
    return {key: some for key, some in found.items() if len(some) <= most}


def _may_be(old: Former, stamp: Stamp, row: Row, is_only: bool) -> bool:
    """Return whether the `old` file may be this one, of the same content.

    It has its time; or it is the only one of this content, and was not missing before this one came.
    """
    was_there = old.missing_since is None or old.missing_since >= row.seen_at
    return old.mtime_ns == stamp.mtime_ns or (is_only and was_there)
