"""Lists that are handed to a statement as one parameter: its text, and so its plan, is the same however long they are."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, bindparam, func, select


def listed(name: str) -> Select[Any]:
    """Return the SELECT of what the parameter of that name lists, as `as_list` writes it."""
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def as_list(values: Iterable[str | int]) -> str:
    """Return numbers or texts as `listed` takes them: a JSON array."""
    return json.dumps(list(values))
