"""What a path and the clocks tell, as it lies in the tables."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from tagger.config.path_rules import PathRules
from tagger.store.core.columns import instant_text
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file, file_attribute

COLUMNS = ("captured_at", "captured_from", "misdated", "camera", "app_id")

_ADD = Prepared(insert(file_attribute))
_FORGET = Prepared(delete(file_attribute).where(file_attribute.c.file_id == bindparam("this_file")))
_PUT = Prepared(update(file).where(file.c.id == bindparam("this_file")), COLUMNS)


def place_of(
    place: PathRules, path: str, taken_at: datetime | None, mtime_ns: int, now: datetime
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """A file's columns, and its attributes. `path` is as the database has it."""
    located = place.read(path)
    captured = place.captured(located, taken_at, mtime_ns, now)
    values = (
        instant_text(captured.at),
        captured.by,
        captured.misdated or None,
        located.camera,
        located.app_id,
    )
    return dict(zip(COLUMNS, values, strict=True)), located.attributes


def set_attributes(
    connection: Connection, file_id: int, attributes: Mapping[str, str], had_some: bool = True
) -> None:
    if had_some:
        _FORGET.rows(connection, this_file=file_id)
    if attributes:
        rows = [{"file_id": file_id, "name": name, "value": value} for name, value in attributes.items()]
        _ADD.each(connection, rows)


def put(
    connection: Connection, file_id: int, columns: Mapping[str, Any], attributes: Mapping[str, str]
) -> None:
    _PUT.rows(connection, this_file=file_id, **columns)
    set_attributes(connection, file_id, attributes)
