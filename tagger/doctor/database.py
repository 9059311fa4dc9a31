"""The check of the database tells whether it can be used here, whether it is whole, and who has it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tagger.config.settings import Settings
from tagger.doctor import account
from tagger.doctor.finding import Finding
from tagger.errors import DatabaseError
from tagger.host import mounts
from tagger.store.core import warnings
from tagger.store.core.database import Database
from tagger.store.core.location import locate
from tagger.store.core.lock import holder


def database(settings: Settings) -> Iterator[Finding]:
    """Yield what is found of the database. All of it is read: a gigabyte takes some ten seconds."""
    yield _sqlite()
    try:
        path = locate(settings.database)
    except DatabaseError as error:
        yield _as_finding(error)
        return
    if path is None:
        yield Finding("note", "the database is in memory, and is gone with the process")
        return
    yield from _disk(path)
    yield from _file(path) if os.path.lexists(path) else _absent(path)


def _disk(path: Path) -> Iterator[Finding]:
    kind = mounts.file_system(account.standing(path))
    if not mounts.announces_changes(kind):
        what = f"{path} lies on {kind}, where several programs cannot share it safely"
        yield Finding("problem", what, "keep it on a disk of this machine: `database:` in the config")


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if warnings.loses_resets(sqlite3.sqlite_version_info):
        hint = "let only Tagger write to the database, or upgrade SQLite to 3.51.3"
        what = f"SQLite {version}: two programs that write at the same instant can, rarely, damage a database"
        return Finding("note", what, hint)
    return Finding("ok", f"SQLite {version}")


def _absent(path: Path) -> Iterator[Finding]:
    folder = account.standing(path.parent)
    if account.may(folder, os.W_OK | os.X_OK):
        yield Finding("note", f"{path} is not there yet; the first start makes it")
    else:
        hint = f"chown {account.name()} {folder}, or name another place: `database:` in the config"
        yield Finding("problem", f"{path} cannot be made: {account.name()} may not write to {folder}", hint)


def _file(path: Path) -> Iterator[Finding]:
    try:
        with closing(Database.open(str(path), create=False)) as store:
            faults = list(store.faults(quick=True))
    except DatabaseError as error:
        yield _as_finding(error)
        return
    if faults:
        hint = "restore a copy, or move it away: tagger scan builds a new one"
        yield Finding("problem", f"{path} is damaged: {'; '.join(faults[:3])}", hint)
        return
    user = _user(path)
    in_use = f", in use by {user}" if user else ""
    yield Finding("ok", f"{path} is whole, {path.stat().st_size / 1e6:,.1f} MB{in_use}")
    if not (account.may(path, os.W_OK) and account.may(path.parent, os.W_OK | os.X_OK)):
        yield _read_only(path, bool(user))


def _user(path: Path) -> str:
    """Return who has the database in use; empty where nobody has."""
    try:
        found = holder(str(path))
    except DatabaseError:
        return "another account"
    return found.who if found else ""


def _read_only(path: Path, in_use: bool) -> Finding:
    what = f"{account.name()} may read {path}, not write to it"
    if in_use:
        return Finding("note", f"{what}, as others can")
    return Finding(
        "problem", what, f"run Tagger as who owns it, or chown {account.name()} {path} and its folder"
    )


def _as_finding(error: DatabaseError) -> Finding:
    return Finding("problem", f"{error.where}: {error.what}", error.hint)
