"""Models and labels as the database knows them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.records import Label, ModelIdentity
from tagger.store.prepared import Prepared
from tagger.store.schema import label, model, model_class

_IDENTITY = (model.c.name, model.c.weights_sha256, model.c.preprocessing)

MODEL_ID = (
    select(model.c.id).where(*(column == bindparam(column.name) for column in _IDENTITY)).scalar_subquery()
)
"""The row of the model that `columns_of` names, as part of a query."""

_ADD_LABEL = Prepared(insert(label), ["key", "name"])
_ADD_CLASS = Prepared(insert(model_class))


def columns_of(identity: ModelIdentity) -> dict[str, str]:
    return {column.name: getattr(identity, column.name) for column in _IDENTITY}


def register_model(
    connection: Connection, identity: ModelIdentity, description: str, used_at: datetime
) -> int:
    """The model's id; it is now the one in use."""
    use = upsert(model).values(**columns_of(identity), description=description, used_at=used_at)
    use = use.on_conflict_do_update(
        index_elements=_IDENTITY,
        set_={"description": use.excluded.description, "used_at": use.excluded.used_at},
    )
    return int(connection.execute(use.returning(model.c.id)).scalar_one())


def register_labels(connection: Connection, labels: Sequence[Label], model_id: int) -> dict[str, int]:
    """The labels' ids by key; `labels` are the model's, in class order."""
    known = {row.key for row in connection.execute(select(label.c.key))}
    new = [labelled for labelled in dict.fromkeys(labels) if labelled.key not in known]
    if new:
        taken = {row.name for row in connection.execute(select(label.c.name))}
        _ADD_LABEL.each(connection, _with_free_names(new, taken))
    ids = {row.key: row.id for row in connection.execute(select(label.c.key, label.c.id))}
    classes = [
        {"model_id": model_id, "class_index": index, "label_id": ids[labelled.key]}
        for index, labelled in enumerate(labels)
    ]
    connection.execute(delete(model_class).where(model_class.c.model_id == model_id))
    _ADD_CLASS.each(connection, classes)
    return ids


def _with_free_names(labels: Iterable[Label], taken: set[str]) -> list[dict[str, str]]:
    """Names are unique for people: one that is taken gets its head's name, or its key, in brackets."""
    rows = []
    for new in labels:
        head = new.key.partition("/")[0]
        tries = (new.name, f"{new.name} ({head})", f"{new.name} ({new.key})")
        name = next(name for name in tries if name not in taken)
        taken.add(name)
        rows.append({"key": new.key, "name": name})
    return rows
