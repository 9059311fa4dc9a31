"""Parquet: NDJSON's objects in nested columns, written as they come."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from tagger.errors import ConfigError
from tagger.export.rows import record
from tagger.store.core import pathtext
from tagger.store.search.pictures import FoundPicture

_BATCH = 500
_ROW_GROUP = 10
"""Batches in a row group, 5,000 pictures: readers want few groups, and one must fit in memory."""


def require() -> None:
    """Do nothing where pyarrow is installed. Raises ConfigError where not, which is better known before the first picture."""
    _pyarrow()


def write(pictures: Iterable[FoundPicture], file: BinaryIO) -> None:
    """Write the pictures as they come. Raises ConfigError where pyarrow is not installed."""
    pa, pq = _pyarrow()
    schema = _schema(pa)
    batches = (pa.RecordBatch.from_pylist(rows, schema) for rows in _pages(map(_row, pictures), _BATCH))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _pages(batches, _ROW_GROUP):
            writer.write_table(pa.Table.from_batches(group))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        hint = "install Tagger's extra 'parquet', or take ndjson"
        raise ConfigError("--format parquet", "pyarrow is not installed", hint) from None
    return pyarrow, pyarrow.parquet


def _schema(pa: Any) -> Any:
    moment = pa.timestamp("ms", tz="UTC")
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("state", pa.string(), nullable=False),
            ("captured_at", moment),
            pa.field("seen_at", moment, nullable=False),
            ("tagged_at", moment),
            ("seq", pa.int64()),
            pa.field("tags", _scored(pa, "label"), nullable=False),
            pa.field("categories", _scored(pa, "category"), nullable=False),
            pa.field("heads", _scored(pa, "label", "head", "by", "state"), nullable=False),
        ]
    )


def _scored(pa: Any, kind: str, *others: str) -> Any:
    names, more = ([(name, pa.string()) for name in some] for some in ((kind, "name_zh", "key"), others))
    return pa.list_(pa.struct([*names, ("score", pa.float64()), *more]))


def _row(picture: FoundPicture) -> dict[str, Any]:
    """Return a picture as a row. Text must be UTF-8 here, so a path is spelled as it is in the database."""
    return record(picture) | {"path": pathtext.to_text(picture.path)}


def _pages(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while page := list(itertools.islice(rest, size)):
        yield page
