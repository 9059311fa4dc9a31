"""Stored features, by which pictures are compared: those of a picture, and all those of one model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, LargeBinary, String, bindparam, cast, exists, select

from tagger.errors import ConfigError
from tagger.records import Features, ModelIdentity
from tagger.store.core.database import Database
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import State, feature, file, in_state, model, reading
from tagger.store.queue.stamps import Roots
from tagger.store.search.pictures import FoundPicture, pictures
from tagger.store.tags import codes
from tagger.store.tags.vectors import unpacked

HOW_THEY_ARE_MADE = (
    "leave `features: false` out of the config, and let `tagger retag` make them for what is tagged already"
)


_VECTOR = cast(feature.c.vector, LargeBinary)  # whatever a damaged one is
_VECTORS = Prepared(
    select(feature.c.file_id, _VECTOR)
    .join(reading, reading.c.file_id == feature.c.file_id)
    .where(feature.c.file_id.in_(listed("ids")), reading.c.model_id.in_(listed("models")))
)
_SOME = Prepared(
    select(_VECTOR)
    .join(reading, reading.c.file_id == feature.c.file_id)
    .where(reading.c.model_id.in_(listed("models")))
    .limit(100)
)
_GONE = Prepared(select(file.c.id).where(in_state(State.GONE)))
_SAME_WEIGHTS = Prepared(
    select(model.c.id).where(
        model.c.name == bindparam("name"), model.c.weights_sha256 == bindparam("weights_sha256")
    )
)
_IDENTITY = (model.c.name, model.c.weights_sha256, model.c.preprocessing)
_WITH_FEATURES = Prepared(
    select(*_IDENTITY).where(
        exists(1).where(reading.c.model_id == model.c.id, reading.c.file_id == feature.c.file_id)
    )
)
_STORED = (
    select(reading.c.file_id, _VECTOR, reading.c.look, *_IDENTITY)
    .join(model, model.c.id == reading.c.model_id)
    .outerjoin(feature, feature.c.file_id == reading.c.file_id)
)
_BY_SEQ = Prepared(_STORED.where(reading.c.seq == bindparam("seq")))
_BY_PATH = Prepared(
    _STORED.join(file, file.c.id == reading.c.file_id).where(
        file.c.source_id == bindparam("source"), file.c.path == bindparam("path", type_=String)
    )
)


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """A picture's features, and the model that they are of. `file_id` is None for a picture that is not in the database."""

    file_id: int | None
    features: Features
    model: ModelIdentity


class StoredFeatures:
    """The features of one model, whatever crops it read, in one state of the database."""

    def __init__(self, connection: Connection, weights: ModelIdentity) -> None:
        self._connection = connection
        asked = {"name": weights.name, "weights_sha256": weights.weights_sha256}
        self._models = as_list([id_ for (id_,) in _SAME_WEIGHTS.rows(connection, **asked)])

    def codes(self) -> Iterator[tuple[int, bytes]]:
        """Yield codes as `codes.every` does: other models' are among them, and those of pictures that are gone."""
        return codes.every(self._connection)

    def gone(self) -> list[int]:
        """Return the files, by id, that are gone from their places."""
        return [id_ for (id_,) in _GONE.rows(self._connection)]

    def vectors(self, ids: Sequence[int]) -> list[tuple[int, bytes]]:
        """Return the vectors of those of these files that the model has read, in no order."""
        rows = _VECTORS.rows(self._connection, ids=as_list(ids), models=self._models)
        return [(id_, unpacked(stored)) for id_, stored in rows]

    def width(self) -> int:
        """Return how many numbers a vector has: most of them, for one that is damaged may have any."""
        rows = _SOME.rows(self._connection, models=self._models)
        sizes = Counter(len(unpacked(stored)) for (stored,) in rows)
        return max(sizes, key=lambda size: sizes[size]) // 2 if sizes else 0

    def pictures(self, ids: Sequence[int]) -> Iterator[FoundPicture]:
        """Yield the pictures of these ids, in this order."""
        return pictures(self._connection, ids)


@contextmanager
def of_model(database: Database, weights: ModelIdentity) -> Iterator[StoredFeatures]:
    """Give the features of the model with these weights, in one state of the database."""
    with database.read() as connection:
        yield StoredFeatures(connection, weights)


def models(database: Database) -> list[ModelIdentity]:
    """Return the models of which features are stored, each crop one of its own."""
    with database.read() as connection:
        return [ModelIdentity(*row) for row in _WITH_FEATURES.rows(connection)]


def weights(database: Database) -> list[ModelIdentity]:
    """Return the models of which features are stored, each once whatever its crops."""
    return list({(one.name, one.weights_sha256): one for one in models(database)}.values())


def by_seq(database: Database, seq: int) -> PictureFeatures:
    """Return what is stored of the picture that views show under `seq`. Raises ConfigError where that is nothing."""
    with database.read() as connection:
        rows = _BY_SEQ.rows(connection, seq=seq) if seq < 2**63 else []
        if not rows:
            hint = "tagger search --json shows the seq of each; a file whose name is a number is ./NUMBER"
            raise ConfigError(str(seq), "no picture has this seq", hint)
        if found := _features(connection, *rows[0]):
            return found
    raise ConfigError(str(seq), "no features are stored of this picture", HOW_THEY_ARE_MADE)


def by_path(database: Database, path: str) -> PictureFeatures | None:
    """Return what is stored of the file at an absolute path; None where that is nothing."""
    with database.read() as connection:
        for source, below in Roots(connection).places(path):
            for row in _BY_PATH.rows(connection, source=source, path=below):
                return _features(connection, *row)
    return None


def _features(
    connection: Connection, file_id: int, vector: bytes | None, look: int | None, *identity: str
) -> PictureFeatures | None:
    if vector is None or look is None:
        return None
    features = Features(unpacked(vector), codes.get(connection, file_id), look)
    return PictureFeatures(file_id, features, ModelIdentity(*identity))
