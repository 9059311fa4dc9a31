"""The checks of the service tell whether systemd runs Tagger, and whether the web has its address."""

import errno
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from tagger.config.settings import Settings
from tagger.config.web import WebSettings
from tagger.doctor.finding import Finding
from tagger.errors import ConfigError, DatabaseError
from tagger.service import install
from tagger.service.layout import SYSTEM, UNIT, Layout, users
from tagger.store.core import control
from tagger.store.core.database import Database
from tagger.store.core.lock import holder
from tagger.wording.escape import shown

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to ask in their place
_SAYS = {"version", "model", "why", "other"}
"""Tagger says these at /version; release 0.1.0 said the first alone."""
_PATIENCE = 2


def service(settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - all checks are called alike
    """Yield how each installed service does, the machine's and the user's."""
    installed = [layout for layout in (SYSTEM, users()) if os.path.lexists(layout.unit)]
    if not installed and install.runs_systemd():
        yield Finding("note", "not installed as a service", "tagger service install does it")
    elif not installed:
        yield Finding(
            "note", "this system does not run systemd", "have what starts programs here start tagger run"
        )
    for layout in installed:
        yield _state(layout)


def _state(layout: Layout) -> Finding:
    user = "" if layout.is_system else "--user "
    try:
        found = install.status(layout)
    except install.ServiceError as error:
        what = f"{layout.unit} is installed, but {error.what}"
        return Finding("warning", what, error.hint or f"systemctl {user}status {UNIT} may say more")
    state, journal = found["ActiveState"], f"journalctl {user}-u {UNIT} says why"
    if state == "active":
        return Finding("ok", f"{UNIT} runs: {found['StatusText'] or 'it has said nothing yet'}")
    if state in ("activating", "reloading", "deactivating"):
        return Finding("note", f"{UNIT} is {state}: {found['StatusText']}", journal)
    if state == "failed":
        return Finding("problem", f"{UNIT} has failed: {found['Result']}", journal)
    return Finding("warning", f"{UNIT} is installed and does not run", f"systemctl {user}start {UNIT}")


def web(settings: Settings) -> Iterator[Finding]:
    """Yield whether the web is on, here and in the daemon that runs, and whether it has or could have its address."""
    running = _running(settings)
    if settings.web.enabled:
        yield from _on(settings.web, running)
    elif running:
        hint = "it was started with other settings: name its config with --config, or set its variables"
        yield Finding("note", f"off in this config; but the daemon that runs answers at {running}", hint)
    else:
        yield Finding("ok", "off")


def _on(web: WebSettings, running: str | None) -> Iterator[Finding]:
    if running == "":
        yield Finding("note", "on in this config; but off in the daemon that runs", "tagger reload")
    try:
        secret = web.secret
    except ConfigError as error:
        yield Finding("problem", f"{error.where}: {error.what}", error.hint)
        return
    if not web.is_local:
        hint = "put a server with TLS before it (docs/api.md) where others than you share the network"
        yield Finding(
            "note", f"{web.host} can be reached from elsewhere: the token goes there in the clear", hint
        )
    yield _address(web, secret)
    yield from _guesses(running, secret) if running else ()


def _running(settings: Settings) -> str | None:
    """Return the address at which the daemon that works on the database answers: empty where it has none, None where none runs."""
    try:
        if not (daemon := holder(settings.database)):
            return None
        with closing(Database.open(settings.database, create=False)) as database:
            told = control.answer(database, daemon.who)
    except DatabaseError:
        return None
    return told.web if told else None


def _address(web: WebSettings, secret: str) -> Finding:
    if web.socket is not None:
        return Finding("ok", f"on at the file {web.socket}")
    where = f"{web.host}:{web.port}"
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    try:
        socket.create_server((web.host, web.port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _neighbour(web, secret)
        hint = (
            "set web.host and web.port to what this account may listen on; ports from 1024 on need no rights"
        )
        return Finding("problem", f"nobody can listen on {where}: {error.strerror}", hint)
    return Finding("ok", "a free port is taken" if web.port == 0 else f"{where} is free")


def _neighbour(web: WebSettings, secret: str) -> Finding:
    """Return who has the address."""
    where, taken = f"{web.host}:{web.port}", "stop who has it, or set web.port to another"
    try:
        said = _asked(f"{_url(web)}/version", secret)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            return Finding("problem", f"{where} is taken by another program", taken)
        hint = "if it is Tagger, restart it: it was started with another token; else set web.port to another"
        return Finding("problem", f"{where} is taken by who does not know this token", hint)
    except (OSError, ValueError):
        return Finding("problem", f"{where} is taken by another program", taken)
    if not isinstance(said, dict) or "version" not in said or set(said) - _SAYS:
        return Finding("problem", f"{where} is taken by another program", taken)
    return Finding("ok", f"{where}: Tagger {said['version']} answers")


def _guesses(running: str, secret: str) -> Iterator[Finding]:
    """Yield who says wrong tokens to the daemon that answers there; nothing where it does not say."""
    try:
        said = _asked(f"{running}/stats", secret)["wrong_tokens"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    hint = "give the token to it if it is yours; else close the port to it, or choose a longer token"
    for address, count in said:
        yield Finding("warning", f"{count} wrong tokens came from {shown(address)} of late", hint)


def _url(web: WebSettings) -> str:
    host = _EVERYWHERE.get(web.host, web.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{web.port}"


def _asked(address: str, secret: str) -> Any:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 (made here, or by the daemon)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=_PATIENCE) as answer:
        return json.loads(answer.read(10_000))
