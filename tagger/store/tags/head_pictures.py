"""Pictures of the library that are a head's examples, and the models that read those which it labels."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from tagger.records import ModelIdentity
from tagger.store.core.schema import file, label, model, source, verdict

_MOST = 24
"""Examples of a label that people look at."""


def examples(connection: Connection, key: str) -> list[int]:
    """Return pictures, by id, that people gave the label of this key: those that they gave last."""
    query = (
        select(func.min(file.c.id))
        .join(verdict, verdict.c.sha256 == file.c.sha256)
        .join(label, label.c.id == verdict.c.label_id)
        .where(label.c.key == key, verdict.c.is_right.is_(True))
        .group_by(file.c.sha256)
        .order_by(func.max(verdict.c.decided_at).desc(), file.c.sha256)
    )
    return list(connection.scalars(query.limit(_MOST)))


def of_contents(connection: Connection, contents: Sequence[str]) -> dict[str, int]:
    """Return a picture, by id, for each of these contents that lies in the library."""
    query = select(file.c.sha256, func.min(file.c.id)).where(file.c.sha256.in_(contents))
    return dict(map(tuple, connection.execute(query.group_by(file.c.sha256))))


def readers(connection: Connection, sources: Sequence[str]) -> Mapping[ModelIdentity, Sequence[str]]:
    """Return the models that read the pictures of these sources, or of all where none is named, each with its sources."""
    query = select(source.c.name, model.c.name, model.c.weights_sha256, model.c.preprocessing)
    query = query.join(model, model.c.id == source.c.model_id).order_by(source.c.name)
    found: dict[ModelIdentity, list[str]] = defaultdict(list)
    for name, *identity in connection.execute(query.where(source.c.name.in_(sources)) if sources else query):
        found[ModelIdentity(*identity)].append(name)
    return found
