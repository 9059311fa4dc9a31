"""The names that pictures can be searched by, as the database has them."""

from dataclasses import dataclass

from sqlalchemy import func, select

from tagger.store.core.database import Database
from tagger.store.core.schema import category, category_within, label, model, model_class


@dataclass(frozen=True, slots=True)
class Term:
    """A label or category. `name_zh` is empty where it has none."""

    key: str
    name: str
    name_zh: str


def labels(database: Database) -> list[Term]:
    """Return the labels that the model last put to use may give, by name."""
    in_use = select(model.c.id).order_by(model.c.used_at.desc()).limit(1).scalar_subquery()
    of_model = select(model_class.c.label_id).where(model_class.c.model_id == in_use)
    query = select(label.c.key, label.c.name, func.coalesce(label.c.name_zh, "")).where(
        label.c.id.in_(of_model)
    )
    with database.read() as connection:
        return [Term(*row) for row in connection.execute(query.order_by(label.c.name))]


def categories(database: Database) -> list[Term]:
    """Return all categories, by name."""
    query = select(category.c.key, category.c.name, func.coalesce(category.c.name_zh, ""))
    with database.read() as connection:
        return [Term(*row) for row in connection.execute(query.order_by(category.c.name))]


def wholes(database: Database) -> dict[str, list[str]]:
    """Return the keys of the categories that each category is within, by its key, in the order of their ids."""
    part, whole = category.alias("part"), category.alias("whole")
    query = select(part.c.key, whole.c.key).select_from(category_within)
    query = query.join(part, part.c.id == category_within.c.category_id)
    query = query.join(whole, whole.c.id == category_within.c.parent_id)
    query = query.order_by(category_within.c.category_id, category_within.c.parent_id)
    found: dict[str, list[str]] = {}
    with database.read() as connection:
        for key, parent in connection.execute(query):
            found.setdefault(key, []).append(parent)
    return found
