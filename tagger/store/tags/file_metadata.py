"""A file's metadata: what its path and the clocks tell, as it lies in the tables."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from tagger.config.path_rules import PathRules, Told
from tagger.store.core.columns import instant_text
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file, file_attribute

COLUMNS = ("captured_at", "captured_from", "misdated", "camera", "app_id")

_ADD = Prepared(insert(file_attribute))
_DELETE = Prepared(delete(file_attribute).where(file_attribute.c.file_id == bindparam("this_file")))
_UPDATE = Prepared(update(file).where(file.c.id == bindparam("this_file")), COLUMNS)


def taken(at: str | None, by: str | None) -> Told | None:
    """Return when a picture was taken by its own word, of the columns `taken_at` and `taken_from`.

    Earlier releases stored only the first, and read it from EXIF.
    """
    return Told(datetime.fromisoformat(at), by or "exif") if at else None


def metadata_of(
    rules: PathRules, path: str, taken: Told | None, mtime_ns: int, now: datetime
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return a file's COLUMNS with their values, and its attributes, as the source's `rules` read them.

    `path` is as the database has it.
    """
    located = rules.read(path)
    captured = rules.captured(located, taken, mtime_ns, now)
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
    """Store a file's attributes in place of those it had; `had_some` is false where it certainly had none."""
    if had_some:
        _DELETE.rows(connection, this_file=file_id)
    if attributes:
        rows = [{"file_id": file_id, "name": name, "value": value} for name, value in attributes.items()]
        _ADD.each(connection, rows)


def update_file(
    connection: Connection, file_id: int, columns: Mapping[str, Any], attributes: Mapping[str, str]
) -> None:
    """Store what `metadata_of` told of a file, in place of what it was before."""
    _UPDATE.rows(connection, this_file=file_id, **columns)
    set_attributes(connection, file_id, attributes)
