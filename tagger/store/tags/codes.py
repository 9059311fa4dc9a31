"""The codes of all pictures' features, side by side: a thousand in each row, at places that follow from files' ids.

Whoever looks for what is alike reads all of them, 64 MB for a million, in 20 ms; as a million rows of their own that would
take a second, or a fifth of one with sqlite-vec (docs/similar.md). A code that is written touches one page. One that is
forgotten stays in its place until another takes it: who finds a picture by its code looks up its features in any case.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, LargeBinary, bindparam, cast, func, select
from sqlalchemy.dialects.sqlite import Insert, insert

from tagger.store.core.prepared import Prepared, driver
from tagger.store.core.schema import feature_code

SIZE = 64
"""Bytes of a code."""
_IN_A_ROW = 1024

_EMPTY = func.zeroblob(_IN_A_ROW * SIZE)


def _making() -> Insert:
    """Return the statement that makes a row where it is not there, or is damaged."""
    damaged = func.length(cast(feature_code.c.codes, LargeBinary)) != _IN_A_ROW * SIZE
    new = insert(feature_code).values(codes=_EMPTY)
    return new.on_conflict_do_update(
        index_elements=[feature_code.c.block], set_={"codes": _EMPTY}, where=damaged
    )


_MAKE = Prepared(_making(), ["block"])
_ONE = Prepared(
    select(cast(func.substr(feature_code.c.codes, bindparam("at"), SIZE), LargeBinary)).where(
        feature_code.c.block == bindparam("block")
    )
)
_BLOCKS = Prepared(
    select(feature_code.c.block, cast(feature_code.c.codes, LargeBinary)).order_by(feature_code.c.block)
)
_ROWS_AT_A_TIME = 8


def put(connection: Connection, codes: Iterable[tuple[int, bytes]]) -> None:
    """Store the codes of files, given by their ids."""
    for file_id, code in codes:
        block, place = divmod(file_id, _IN_A_ROW)
        _MAKE.rows(connection, block=block)
        with driver(connection).blobopen(feature_code.name, "codes", block) as blob:
            blob.seek(place * SIZE)
            blob.write(code)


def get(connection: Connection, file_id: int) -> bytes:
    """Return the code at the file's place; it is of zeros, or empty, where there never was one."""
    block, place = divmod(file_id, _IN_A_ROW)
    rows = _ONE.rows(connection, block=block, at=place * SIZE + 1)
    return rows[0][0] or b"" if rows else b""


def every(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """Yield the id at whose place some codes begin, and those codes one after the other; places without one hold zeros."""
    for page in _BLOCKS.pages(connection, _ROWS_AT_A_TIME):
        for block, codes in page:
            if len(codes) == _IN_A_ROW * SIZE:
                yield block * _IN_A_ROW, codes
