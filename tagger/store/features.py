"""Stored features, of one model: whose there are, which codes are nearest to one, and the vectors of those.

sqlite-vec compares codes inside SQLite, at 0.2 µs each. Where it is not installed, or Python was built without
extensions, all codes are handed out and whoever asks compares them. Rejected: its own tables (`vec0`), which
no SQLite without it could open, and which only a daemon with it could fill.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, func, select

from tagger.errors import ConfigError
from tagger.records import Features, ModelIdentity
from tagger.store.database import Database
from tagger.store.prepared import Prepared, driver
from tagger.store.schema import feature, feature_code, file, model, reading
from tagger.store.stamps import Roots

MISSING = "set `features: true` in the config, and let `tagger retag` make them for what is tagged already"
_PAGE = 10_000
_OF_MODELS = feature_code.c.model_id.in_(
    select(func.json_each(bindparam("models")).table_valued("value").c.value)
)
_WHOLE = func.length(feature_code.c.code) == bindparam("bytes")
_IDS = func.json_each(bindparam("ids")).table_valued("value")
_CODES = Prepared(select(feature_code.c.file_id, feature_code.c.code).where(_OF_MODELS, _WHOLE))
_NEAREST = Prepared(
    select(feature_code.c.file_id)
    .where(_OF_MODELS, _WHOLE)
    .order_by(func.vec_distance_hamming(func.vec_bit(feature_code.c.code), func.vec_bit(bindparam("code"))))
    .limit(bindparam("limit"))
)
_VECTORS = Prepared(
    select(feature.c.file_id, feature.c.vector).where(feature.c.file_id.in_(select(_IDS.c.value)))
)
_SAME_WEIGHTS = Prepared(
    select(model.c.id).where(
        model.c.name == bindparam("name"), model.c.weights_sha256 == bindparam("weights_sha256")
    )
)
_SEEN = (
    select(
        reading.c.file_id, feature.c.vector, feature_code.c.code, reading.c.look,
        model.c.name, model.c.weights_sha256, model.c.preprocessing,
    )
    .join(model, model.c.id == reading.c.model_id)
    .outerjoin(feature, feature.c.file_id == reading.c.file_id)
    .outerjoin(feature_code, feature_code.c.file_id == reading.c.file_id)
)  # fmt: skip
_BY_SEQ = Prepared(_SEEN.where(reading.c.seq == bindparam("seq")))
_BY_PATH = Prepared(
    _SEEN.join(file, file.c.id == reading.c.file_id).where(
        file.c.source_id == bindparam("source"), file.c.path == bindparam("path", type_=file.c.sha256.type)
    )
)
_WITH_FEATURES = Prepared(
    select(model.c.name, model.c.weights_sha256, model.c.preprocessing).where(
        exists(1).where(feature_code.c.model_id == model.c.id)
    )
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture's features, and whose they are. `file_id` is None for one that is not in the database."""

    file_id: int | None
    features: Features
    model: ModelIdentity


class Album:
    """The features of one model, whatever crops it read, in one state of the database."""

    def __init__(self, connection: Connection, weights: ModelIdentity) -> None:
        self._connection = connection
        asked = {"name": weights.name, "weights_sha256": weights.weights_sha256}
        self._models = json.dumps([id_ for (id_,) in _SAME_WEIGHTS.rows(connection, **asked)])
        self.compares = _loads_vec(driver(connection))
        """Whether SQLite itself can compare codes here."""

    def nearest(self, code: bytes, limit: int) -> list[int]:
        """The files whose codes differ in the fewest bits. Only where SQLite `compares`."""
        asked = {"models": self._models, "bytes": len(code), "code": code, "limit": limit}
        return [id_ for (id_,) in _NEAREST.rows(self._connection, **asked)]

    def codes(self, size: int) -> Iterator[tuple[Sequence[int], bytes]]:
        """Files, and their codes of `size` bytes one after the other, page by page."""
        for page in _CODES.pages(self._connection, _PAGE, models=self._models, bytes=size):
            ids, codes = zip(*page, strict=True)
            yield ids, b"".join(codes)

    def vectors(self, ids: Sequence[int]) -> list[tuple[int, bytes]]:
        """Those of these files, in no order; what is gone meanwhile is left out."""
        return _VECTORS.rows(self._connection, ids=json.dumps(list(ids)))


@contextmanager
def album(database: Database, weights: ModelIdentity) -> Iterator[Album]:
    """Of the model with these weights."""
    with database.read() as connection:
        yield Album(connection, weights)


def models(database: Database) -> list[ModelIdentity]:
    """Those that features are stored of."""
    with database.read() as connection:
        return [ModelIdentity(*row) for row in _WITH_FEATURES.rows(connection)]


def by_seq(database: Database, seq: int) -> Seen:
    """What is stored of the picture that views show under `seq`. Raises ConfigError."""
    with database.read() as connection:
        rows = _BY_SEQ.rows(connection, seq=seq) if seq < 2**63 else []
    if not rows:
        hint = "tagger search --json shows each one's seq; a file whose name is a number is ./NUMBER"
        raise ConfigError(f"seq {seq}", "no picture has this seq", hint)
    if seen := _seen(rows[0]):
        return seen
    raise ConfigError(f"seq {seq}", "no features are stored of this picture", MISSING)


def by_path(database: Database, path: str) -> Seen | None:
    """What is stored of the file at an absolute path; None where that is nothing."""
    with database.read() as connection:
        for source, below in Roots(connection).places(path):
            for row in _BY_PATH.rows(connection, source=source, path=below):
                return _seen(row)
    return None


def _seen(row: tuple[int, bytes | None, bytes | None, int | None, str, str, str]) -> Seen | None:
    file_id, vector, code, look, *identity = row
    if vector is None or code is None or len(code) % 8 or len(vector) % 2:
        return None
    return Seen(file_id, Features(vector, code, look or 0), ModelIdentity(*identity))


def _loads_vec(connection: sqlite3.Connection) -> bool:
    """Whether sqlite-vec is there, and this Python's SQLite takes it."""
    with suppress(ImportError, AttributeError, sqlite3.Error):
        import sqlite_vec

        connection.enable_load_extension(True)
        try:
            sqlite_vec.load(connection)
        finally:
            connection.enable_load_extension(False)
        return True
    return False
