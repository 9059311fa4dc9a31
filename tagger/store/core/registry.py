"""Models, labels and categories as the database knows them, and the words that people have for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection, Table, delete, insert, or_, select, update
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.errors import ConfigError
from tagger.records import Category, Label, ModelIdentity, Taxonomy
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import (
    category,
    category_label,
    category_within,
    label,
    limit,
    model,
    model_class,
    taxonomy,
    word,
)

_IDENTITY = (model.c.name, model.c.weights_sha256, model.c.preprocessing)


def _naming() -> Insert:
    add = upsert(category)
    names = {"name": add.excluded.name, "name_zh": add.excluded.name_zh}
    return add.on_conflict_do_update(index_elements=[category.c.key], set_=names)


_ADD_LABEL = Prepared(insert(label), ["key", "name", "name_zh"])
_ADD_CATEGORY = Prepared(_naming(), ["key", "name", "name_zh"])
_ADD_CLASS = Prepared(insert(model_class))
_ADD_WORD = Prepared(insert(word))
_ADD_LIMIT = Prepared(insert(limit))
_ADD_MEMBER = Prepared(insert(category_label))
_ADD_WITHIN = Prepared(insert(category_within))
_IS_NAME, _IS_SYNONYM = 0, 1


@dataclass(frozen=True, slots=True)
class Registered:
    """The ids of what is registered.

    `labels` and `categories` are by their keys, all that the database knows; `models` by the names of sources whose
    pictures the model reads in a way of their own.
    """

    model: int
    taxonomy: int
    labels: dict[str, int]
    categories: dict[str, int]
    models: dict[str, int] = field(default_factory=dict)

    def model_of(self, source: str) -> int:
        """Return the id of the model as it reads a source's pictures."""
        return self.models.get(source, self.model)


def register(
    connection: Connection,
    identity: ModelIdentity,
    description: str,
    labels: Sequence[Label],
    categories: Taxonomy,
    now: datetime,
    identities: Mapping[str, ModelIdentity] = MappingProxyType({}),
) -> Registered:
    """Register what a model needs in order to store readings, and make it the one in use. `labels` are in class order.

    `identities` are the model's for sources whose pictures it reads in another way, by their names. Raises ConfigError where a head's
    label has the key of one of the model's.
    """
    _refuse_keys_of_heads(connection, labels)
    others = {one: register_model(connection, one, description, now) for one in {*identities.values()}}
    registered = Registered(
        register_model(connection, identity, description, now),
        _register_taxonomy(connection, categories),
        register_labels(connection, labels),
        _register_categories(connection, categories.categories),
        {source: others[one] for source, one in identities.items()},
    )
    for model_id in {registered.model, *others.values()}:
        _register_classes(connection, labels, model_id, registered)
    _register_members(connection, categories, registered)
    _register_words(connection, labels, categories.categories, registered)
    return registered


def _refuse_keys_of_heads(connection: Connection, labels: Iterable[Label]) -> None:
    """Raise ConfigError where labels that a weights file's name tells apart are a head's: the keys of both are `name/label`."""
    keys = [one.key for one in labels if "/" in one.key]
    query = select(label.c.head, label.c.key).where(label.c.head.is_not(None))
    taken = next((row for row in connection.execute(query) if row.key in keys), None)
    if taken:
        what = f"the database has labels of a head {taken.head}, and the model has the same: {taken.key}"
        hint = f"rename the weights file and {taken.head}.json beside it, and name it in the config as it is called then"
        raise ConfigError("model.weights", what, hint)


def register_model(
    connection: Connection, identity: ModelIdentity, description: str, used_at: datetime
) -> int:
    """Make a model the one in use, and return its id."""
    values = {column.name: getattr(identity, column.name) for column in _IDENTITY}
    use = upsert(model).values(**values, description=description, used_at=used_at)
    use = use.on_conflict_do_update(
        index_elements=_IDENTITY,
        set_={"description": use.excluded.description, "used_at": use.excluded.used_at},
    )
    return int(connection.execute(use.returning(model.c.id)).scalar_one())


def _register_taxonomy(connection: Connection, categories: Taxonomy) -> int:
    add = upsert(taxonomy).values(sha256=categories.sha256)
    same = add.on_conflict_do_update(index_elements=[taxonomy.c.sha256], set_={"sha256": add.excluded.sha256})
    return int(connection.execute(same.returning(taxonomy.c.id)).scalar_one())


def register_labels(connection: Connection, labels: Sequence[Label]) -> dict[str, int]:
    """Add labels that are new. A label keeps the name that it was first given: people have it in their queries."""
    known = {row.key: row.name_zh for row in connection.execute(select(label.c.key, label.c.name_zh))}
    new = [labelled for labelled in dict.fromkeys(labels) if labelled.key not in known]
    if new:
        taken = {row.name for row in connection.execute(select(label.c.name))}
        _ADD_LABEL.each(connection, _with_free_names(new, taken))
    for labelled in labels:
        if labelled.name_zh and known.get(labelled.key, labelled.name_zh) != labelled.name_zh:
            named = update(label).where(label.c.key == labelled.key)
            connection.execute(named.values(name_zh=labelled.name_zh))
    return _ids(connection, label)


def _register_categories(connection: Connection, categories: Sequence[Category]) -> dict[str, int]:
    """Store the categories of now, with what they lie within.

    A category that is no more keeps its row, for what is not tagged anew yet, and loses its name and its place.
    """
    connection.execute(
        update(category).values(name=category.c.key + " (no more)")
    )  # so that names may change hands
    rows = [{"key": one.key, "name": one.name, "name_zh": one.name_zh} for one in categories]
    _ADD_CATEGORY.each(connection, rows)
    ids = _ids(connection, category)
    connection.execute(delete(category_within))
    within = [(ids[one.key], ids[parent]) for one in categories for parent in one.within]
    _ADD_WITHIN.each(connection, [{"category_id": child, "parent_id": parent} for child, parent in within])
    return ids


def _register_classes(
    connection: Connection, labels: Sequence[Label], model_id: int, registered: Registered
) -> None:
    classes = [
        {"model_id": model_id, "class_index": index, "label_id": registered.labels[labelled.key]}
        for index, labelled in enumerate(labels)
    ]
    connection.execute(delete(model_class).where(model_class.c.model_id == model_id))
    _ADD_CLASS.each(connection, classes)


def _register_members(connection: Connection, categories: Taxonomy, registered: Registered) -> None:
    connection.execute(delete(category_label))
    members = [
        {"label_id": registered.labels[label_key], "category_id": registered.categories[key]}
        for key, label_keys in categories.members.items()
        for label_key in label_keys
        if label_key in registered.labels
    ]
    _ADD_MEMBER.each(connection, members)


def set_thresholds(connection: Connection, thresholds: Mapping[str, float]) -> None:
    """Store thresholds by the names, in any language, of labels and categories; what is not named has none."""
    for table in (label, category):
        connection.execute(update(table).where(table.c.min_score != 0).values(min_score=0))
    for name, score in thresholds.items():
        rows = connection.execute(select(word).where(word.c.text == name.casefold())).all()
        for row in rows:
            if row.rank == min(other.rank for other in rows):
                _set_threshold(connection, row.label_id, row.category_id, score)


def set_limits(connection: Connection, limits: Mapping[str, float]) -> None:
    """Store the numbers of the config that views compare with, in place of those before."""
    connection.execute(delete(limit))
    _ADD_LIMIT.each(connection, [{"name": name, "value": value} for name, value in limits.items()])


def thresholds(connection: Connection) -> dict[str, float]:
    """Return the thresholds in use, by the names of labels and categories as views show them."""
    tables = (select(one.c.name, one.c.min_score).where(one.c.min_score > 0) for one in (label, category))
    return {name: score for query in tables for name, score in connection.execute(query)}


def _set_threshold(
    connection: Connection, label_id: int | None, category_id: int | None, score: float
) -> None:
    for table, id_ in ((label, label_id), (category, category_id)):
        connection.execute(update(table).where(table.c.id == id_).values(min_score=score))


def _register_words(
    connection: Connection, labels: Sequence[Label], categories: Sequence[Category], registered: Registered
) -> None:
    """Store what labels and categories are called.

    Words of labels that this model does not have stay: other models' tags may have them.
    """
    ours = [registered.labels[labelled.key] for labelled in labels]
    theirs = or_(word.c.category_id.is_not(None), word.c.label_id.in_(ours))
    names = {row.id: row.name for row in connection.execute(select(label.c.id, label.c.name))}
    wanted: list[tuple[str, int | None, int | None, int]] = []
    for labelled, id_ in zip(labels, ours, strict=True):
        called = Label(labelled.key, names[id_], labelled.name_zh, labelled.synonyms)
        wanted += [(text, id_, None, rank) for text, rank in _words(called)]
    for one in categories:
        wanted += [(text, None, registered.categories[one.key], rank) for text, rank in _words(one)]
    there = connection.execute(select(*word.c).where(theirs)).all()
    if set(wanted) != set(
        map(tuple, there)
    ):  # thousands of rows, and at all starts but the first they are there
        connection.execute(delete(word).where(theirs))
        _ADD_WORD.each(connection, [dict(zip(word.c.keys(), row, strict=True)) for row in wanted])


def _words(named: Label | Category) -> Iterator[tuple[str, int]]:
    """Yield what it is called, in folded case, each once, with its rank."""
    ranks = {text.casefold(): _IS_SYNONYM for text in named.names}
    ranks |= {text.casefold(): _IS_NAME for text in (named.name, named.name_zh) if text}
    yield from ranks.items()


def _ids(connection: Connection, table: Table) -> dict[str, int]:
    return {row.key: row.id for row in connection.execute(select(table.c.key, table.c.id))}


def _with_free_names(labels: Iterable[Label], taken: set[str]) -> list[dict[str, str | None]]:
    """Return rows of labels whose names are unique: one that is taken gets its head's name, or its key, in brackets."""
    rows = []
    for new in labels:
        head = new.key.partition("/")[0]
        tries = (new.name, f"{new.name} ({head})", f"{new.name} ({new.key})")
        name = next(name for name in tries if name not in taken)
        taken.add(name)
        rows.append({"key": new.key, "name": name, "name_zh": new.name_zh or None})
    return rows
