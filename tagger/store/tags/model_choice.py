"""Which model a database was begun with, where the config leaves it open.

It is in the database because it holds for its tags: with another model they would all be made anew.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.records import ModelIdentity
from tagger.store.core.schema import model, model_choice

_ONLY = 1


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model of a database: its name as the config has it, and why it was chosen, as a sentence; `decided_at` is UTC."""

    name: str
    why: str
    decided_at: datetime


def recorded(connection: Connection) -> ModelChoice | None:
    """Return the model that was decided on; None where none was yet."""
    columns = (model_choice.c.name, model_choice.c.why, model_choice.c.decided_at)
    row = connection.execute(select(*columns)).first()
    return ModelChoice(*row) if row else None


def record(connection: Connection, choice: ModelChoice) -> None:
    """Record the model that was decided on, in place of an earlier one."""
    values = {"name": choice.name, "why": choice.why, "decided_at": choice.decided_at}
    add = upsert(model_choice).values(id=_ONLY, **values)
    connection.execute(add.on_conflict_do_update(index_elements=[model_choice.c.id], set_=values))


def last_used(connection: Connection) -> ModelIdentity | None:
    """Return the model that was last put to use; None in a database without tags."""
    columns = (model.c.name, model.c.weights_sha256, model.c.preprocessing)
    row = connection.execute(select(*columns).order_by(model.c.used_at.desc()).limit(1)).first()
    return ModelIdentity(*row) if row else None
