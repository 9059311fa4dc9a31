"""`tagger service` runs the daemon as a service of systemd's."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.output import say

if TYPE_CHECKING:
    from tagger.service.install import Step
    from tagger.service.layout import Layout

app = typer.Typer(help="Run Tagger as a service of systemd's.", no_args_is_help=True)

User = Annotated[bool, typer.Option("--user", help="A service of your own, not the machine's.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders to watch, for a config that is not there yet.", show_default=False),
]


@app.command()
def install(folders: Folders = None, user: User = False, dry_run: DryRun = False) -> None:
    """Install and start it. Once more after a change of folders in the config: the unit lets it see those alone."""
    from tagger.service import install as service

    layout = _layout(user)
    if not dry_run:
        service.require_root(layout)
    _take(service.install(layout, [folder.absolute() for folder in folders or ()]), dry_run)
    if not dry_run:
        say(f"Tagger runs. Its config: {layout.config}; what it does: tagger service status")


@app.command()
def uninstall(user: User = False, dry_run: DryRun = False) -> None:
    """Stop it and take it away. The config and the tags stay."""
    from tagger.service import install as service

    layout = _layout(user)
    if not dry_run:
        service.require_root(layout)
    _take(service.uninstall(layout), dry_run)
    for what, path in (("config", layout.config), ("tags", layout.data), ("cache", layout.cache)):
        if path.exists():
            say(f"kept: {what}: {path}")


@app.command()
def status(user: User = False) -> None:
    """Show what it does, and where its files are: the machine's, or yours where that has none. Exits with 1 if it does not run."""
    layout, found = _standing(user)
    if found["LoadState"] == "not-found":
        say("not installed; tagger service install does it")
        raise typer.Exit(1)
    since = found["ActiveEnterTimestamp"] or "never"
    say(f"state     {found['ActiveState']} ({found['SubState']}, {found['Result']}), last started {since}")
    say(f"says      {found['StatusText'] or 'nothing yet'}")
    say(f"restarts  {found['NRestarts']}")
    say(f"unit      {layout.unit}\nconfig    {layout.config}\ndata      {layout.data}")
    say(f"log       journalctl {'' if layout.is_system else '--user '}-u tagger")
    if found["ActiveState"] != "active":
        raise typer.Exit(1)


def _layout(user: bool) -> "Layout":
    from tagger.service.layout import SYSTEM, users

    return users() if user else SYSTEM


def _standing(user: bool) -> "tuple[Layout, Mapping[str, str]]":
    from tagger.service import install as service

    layout = _layout(user)
    found = service.status(layout)
    if user or found["LoadState"] != "not-found":
        return layout, found
    with suppress(service.ServiceError):  # who has no session has no services either
        return _layout(True), service.status(_layout(True))
    return layout, found


def _take(steps: Iterable["Step"], dry_run: bool) -> None:
    """Take the steps, or say what they would be. All are known, and what is wrong with the config is said, before the first."""
    for step in list(steps):
        say(f"would {step.words}" if dry_run else step.words)
        if not dry_run:
            step.take()
