"""`tagger reload`: a running daemon reads its config anew."""

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import DatabaseError, TaggerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tagger.store.core.lock import Holder

PATIENCE = 60.0
"""Seconds that a daemon has to end what is in hand, and to begin anew."""

EVERY = 0.05


def reload(config: Config = None, database: Database = None) -> None:
    """Have the daemon read its config anew, and say what it made of it. Exits with 2 where the config is refused.

    Nothing that is seen or tagged is lost. A config that is wrong changes nothing.
    """
    address = load_settings(config, database).database
    daemon = _daemon(address)
    asked = daemon.answer.get("reload", 0)
    try:
        os.kill(daemon.pid, signal.SIGHUP)
    except PermissionError:
        hint = "ask as that user, or as root"
        raise TaggerError("tagger reload", f"{daemon.who} belongs to another user", hint) from None
    _say(_answer(address, daemon, asked))


def _daemon(address: str) -> "Holder":
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


def _answer(address: str, daemon: "Holder", asked: int) -> "Mapping[str, Any]":
    """What it says to this signal, or to a later one. Raises TaggerError where it says nothing."""
    from tagger.store.core.lock import holder

    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        now = holder(address)
        if now is None or now.pid != daemon.pid:
            raise TaggerError("tagger reload", f"{daemon.who} has ended", "its log says why")
        if now.answer.get("reload", 0) > asked:
            return now.answer
        time.sleep(EVERY)
    raise TaggerError(
        "tagger reload", f"{daemon.who} has not answered for {PATIENCE:.0f} s", "its log says why"
    )


def _say(answer: "Mapping[str, Any]") -> None:
    if refused := answer.get("refused"):
        say(f"tagger: the config is not taken, and the one before goes on: {refused}", err=True)
        raise typer.Exit(2)
    changed, restart = (list(map(str, answer.get(key, ()))) for key in ("changed", "restart"))
    say(f"config reloaded: {', '.join(changed) or 'nothing'} changed")
    if restart:
        say(f"needs a restart: {', '.join(restart)}")
