"""Registers sources: a name in the config, a row in the database, and the root of its files' paths."""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from tagger.errors import DatabaseError
from tagger.store.core.database import Database
from tagger.store.core.schema import source

_NEW = insert(source)
_REGISTER = _NEW.on_conflict_do_update(index_elements=[source.c.name], set_={"root": _NEW.excluded.root})


def register(connection: Connection, database: str, roots: Mapping[str, str]) -> None:
    """Register sources, name → root. A source keeps its files where its folder has moved, and where it goes by another name.

    Raises DatabaseError for a name that stands for another folder, which is still there.
    """
    _refuse_other_folders(connection, database, roots)
    _rename(connection, roots)
    for name, root in roots.items():
        connection.execute(_REGISTER, {"name": name, "root": root})


def check(database: Database, roots: Mapping[str, str]) -> None:
    """Check sources, name → root. Raises DatabaseError where a name stands for another folder, which is still there."""
    with database.read() as connection:
        _refuse_other_folders(connection, database.name, roots)


def _refuse_other_folders(connection: Connection, database: str, roots: Mapping[str, str]) -> None:
    """Raises DatabaseError for one. Two folders of one name would pass for one that moved, and the first one's tags for the second's."""
    for row in connection.execute(select(source.c.name, source.c.root)):
        if row.root != roots.get(row.name, row.root) and Path(row.root).is_dir():
            raise DatabaseError(
                database,
                f"the source {row.name!r} in it is {row.root}, not {roots[row.name]}",
                "give the new folder another name in the config, or another --database",
            )


def _rename(connection: Connection, roots: Mapping[str, str]) -> None:
    """Rename sources whose folders go by another name: else all their files would be there twice."""
    known = {row.root: row.name for row in connection.execute(select(source.c.root, source.c.name))}
    for name, root in roots.items():
        if name not in known.values() and known.get(root, name) not in roots:
            rename = update(source).where(source.c.name == known[root])
            connection.execute(rename.values(name=name))
