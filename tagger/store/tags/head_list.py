"""The heads that the database knows: their labels, with how many examples each has, and whose pictures they label."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from tagger.heads.names import NONE, UNSURE
from tagger.store.core.heads import head, head_source
from tagger.store.core.schema import label, source, verdict


@dataclass(frozen=True, slots=True)
class HeadLabel:
    """A label of a head, and of how many contents people say that they have it. `key` is `head/name`."""

    key: str
    name: str
    name_zh: str
    examples: int


@dataclass(frozen=True, slots=True)
class HeadEntry:
    """Tells of a head. `sources` are those whose pictures it labels, and `left` is how many files it has still to look at, at most."""

    id: int
    name: str
    any: bool
    labels: Sequence[HeadLabel]
    sources: Sequence[str]
    left: int

    @property
    def taught(self) -> list[HeadLabel]:
        """Its labels as people gave them, without `none` and `unsure`."""
        return [one for one in self.labels if one.name not in (NONE, UNSURE)]


def heads(connection: Connection) -> list[HeadEntry]:
    """Return all heads, by their names: those that people gave examples of, whether they are learned or not."""
    labels = _labels(connection)
    sources: dict[int, list[str]] = defaultdict(list)
    left: dict[int, int] = defaultdict(int)
    query = select(head_source.c.head_id, source.c.name, head_source.c.below)
    query = query.join(source, source.c.id == head_source.c.source_id).where(head_source.c.sha256 != "")
    for id_, name, below in connection.execute(query.order_by(source.c.name)):
        sources[id_].append(name)
        left[id_] = max(left[id_], below)
    rows = connection.execute(select(head.c.id, head.c.name, head.c.any).order_by(head.c.name))
    return [
        HeadEntry(id_, name, bool(any_), labels[name], sources[id_], left[id_]) for id_, name, any_ in rows
    ]


def _labels(connection: Connection) -> dict[str, list[HeadLabel]]:
    said = select(verdict.c.label_id, func.count().label("count")).where(verdict.c.is_right.is_(True))
    counts = said.group_by(verdict.c.label_id).subquery()
    query = select(
        label.c.head, label.c.key, func.coalesce(label.c.name_zh, ""), func.coalesce(counts.c.count, 0)
    )
    query = query.outerjoin(counts, counts.c.label_id == label.c.id).where(label.c.head.is_not(None))
    found: dict[str, list[HeadLabel]] = defaultdict(list)
    for name, key, name_zh, count in connection.execute(query.order_by(label.c.id)):
        found[name].append(HeadLabel(key, key.partition("/")[2], name_zh, count))
    return found
