"""Questions about pictures that find copies among them: which there are, which have the same content, what is known of each."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise

from sqlalchemy import func, select

from tagger.store.core.database import Database
from tagger.store.core.listed import as_list, listed
from tagger.store.core.schema import State, file, reading, source


@dataclass(frozen=True, slots=True)
class Copy:
    """What is known of a picture: `width` and `height` are pixels, `size` is bytes, `captured_at` is UTC."""

    id: int
    path: str
    source: str
    seq: int
    width: int
    height: int
    size: int
    captured_at: datetime
    sha256: str


_THERE = (
    select(file.c.id).where(file.c.captured_at.is_not(None), file.c.state != State.GONE).order_by(file.c.id)
)
_BY_CONTENT = (
    select(file.c.sha256, file.c.id)
    .where(file.c.sha256.in_(select(file.c.sha256).group_by(file.c.sha256).having(func.count() > 1)))
    .order_by(file.c.sha256)
)
_FACTS = (
    select(
        file.c.id, source.c.root, file.c.path, source.c.name, reading.c.seq, file.c.width, file.c.height, file.c.size,
        file.c.captured_at, file.c.sha256,
    )
    .join(source, source.c.id == file.c.source_id)
    .join(reading, reading.c.file_id == file.c.id)
    .where(file.c.id.in_(listed("ids")))
)  # fmt: skip


def there(database: Database) -> "array[int]":
    """Return the ids of tagged files that are not gone, in order."""
    with database.read() as connection:
        return array("q", connection.execute(_THERE).scalars())


def same_content(database: Database) -> Iterator[tuple[int, int]]:
    """Yield pairs of files, by their ids, whose bytes are the same; of three, two pairs."""
    with database.read() as connection:
        rows: Iterable[tuple[str, int]] = (
            (row.sha256, row.id)
            for row in connection.execute(_BY_CONTENT.execution_options(yield_per=10_000))
        )
        for _, same in groupby(rows, key=lambda row: row[0]):
            yield from pairwise(id_ for _, id_ in same)


def facts(database: Database, ids: Sequence[int]) -> list[Copy]:
    """Return what is known of these files, in no order; one that is gone meanwhile is left out."""
    with database.read() as connection:
        rows = connection.execute(_FACTS, {"ids": as_list(ids)})
        return [Copy(id_, f"{root.rstrip('/')}/{path}", *rest) for id_, root, path, *rest in rows]
