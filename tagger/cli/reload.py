"""`tagger reload`: a running daemon reads its config anew."""

import os
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import DatabaseError, TaggerError

if TYPE_CHECKING:
    from tagger.store.core.control import DaemonAnswer
    from tagger.store.core.database import Database as Store
    from tagger.store.core.lock import Holder

PATIENCE = 60.0
"""Seconds that a daemon has to end what is in hand, and to begin anew."""

EVERY = 0.05


def reload(config: Config = None, database: Database = None) -> None:
    """Have the daemon read its config anew, and say what it made of it. Exits with 2 where the config is refused.

    Nothing that is seen or tagged is lost. A config that is wrong changes nothing.
    """
    address = load_settings(config, database).database
    from tagger.store.core import control
    from tagger.store.core.database import Database as Store

    daemon = _daemon(address)
    with closing(Store.open(address, create=False)) as store:
        if refused := _cannot_answer(store):
            _refuse(refused)
        before = control.answer(store, daemon.who)
        _signal(daemon)
        _say(_answer(store, address, daemon, before.reloads if before else 0))


def _daemon(address: str) -> "Holder":
    """Return the daemon that works on the database. Raises DatabaseError where none does."""
    from tagger.store.core.lock import holder

    found = holder(address)
    if found is None:
        hint = "tagger run starts one, with the config as it is; or name its database with --database"
        raise DatabaseError(address, "no daemon works on it", hint)
    if not found.who.startswith("tagger run "):
        raise DatabaseError(
            address, f"in use by {found.who}, which reads no config anew", "wait until it ends"
        )
    return found


def _cannot_answer(store: "Store") -> str:
    """Return why the daemon could not answer, as it would itself; empty where the database can be written."""
    try:
        store.rehearse()
    except DatabaseError:
        return str(DatabaseError(store.name, "cannot be written now", "reload again once it can be"))
    return ""


def _signal(daemon: "Holder") -> None:
    """Have the daemon read its config. Raises TaggerError where it belongs to another user."""
    try:
        os.kill(daemon.pid, signal.SIGHUP)
    except PermissionError:
        hint = "ask as that user, or as root"
        raise TaggerError("tagger reload", f"{daemon.who} belongs to another user", hint) from None


def _answer(store: "Store", address: str, daemon: "Holder", reloads: int) -> "DaemonAnswer":
    """Return what it says to a signal after so many `reloads`. Raises TaggerError where it says nothing."""
    from tagger.store.core import control
    from tagger.store.core.lock import holder

    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        now = holder(address)
        if now is None or now.pid != daemon.pid:
            raise TaggerError("tagger reload", f"{daemon.who} has ended", "its log says why")
        told = control.answer(store, daemon.who)
        if told and told.reloads > reloads:
            return told
        time.sleep(EVERY)
    raise TaggerError(
        "tagger reload", f"{daemon.who} has not answered for {PATIENCE:.0f} s", "its log says why"
    )


def _say(answer: "DaemonAnswer") -> None:
    if answer.refused:
        _refuse(answer.refused)
    say(f"config reloaded: {', '.join(answer.changed) or 'nothing'} changed")
    if answer.restart:
        say(f"needs a restart: {', '.join(answer.restart)}")


def _refuse(why: str) -> NoReturn:
    say(f"tagger: the config is not taken, and the one before goes on: {why}", err=True)
    raise typer.Exit(2)
