"""`tagger db`: is the database whole, a copy of it, and its room given back."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import DatabaseError

if TYPE_CHECKING:
    from tagger.store.core.database import Database as Store

app = typer.Typer(help="Take care of the database: check it, copy it, make it small.", no_args_is_help=True)


@app.command()
def check(config: Config = None, database: Database = None) -> None:
    """Read everything, also while a daemon works, and say what is wrong. Exits with 4 if anything is."""
    with closing(_open(config, database)) as store:
        for warning in store.warnings():
            say(f"tagger: {warning}", err=True)
        faults = list(store.faults())
    if faults:
        what = "is damaged: " + "; ".join(faults[:10])
        raise DatabaseError(store.name, what, "restore a copy, or move it away: tagger scan builds a new one")
    say(f"{store.name}: whole")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file that is there.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Copy the database as it is at this moment, also while a daemon works: a single file, whole or not there."""
    with closing(_open(config, database)) as store:
        _refuse(file, store.name, replace)
        store.back_up(file)
    say(f"{file}: {file.stat().st_size / 1e6:,.1f} MB")


@app.command()
def vacuum(config: Config = None, database: Database = None) -> None:
    """Give the room of what was forgotten back to the disk. No daemon may work meanwhile."""
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store
    from tagger.store.core.lock import lock

    with (
        closing(Store.open(settings.database, create=False)) as store,
        lock(settings.database, "db vacuum"),
    ):
        room = store.compact(least=0)
    say(f"{room / 1e6:,.1f} MB given back" if room else "there is no room to give back")


def _open(config: Path | None, database: str | None) -> "Store":
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store

    return Store.open(settings.database, create=False)


def _refuse(file: Path, database: str, replace: bool) -> None:
    """Raises DatabaseError where the copy would lie in the way of something."""
    if file.is_dir():
        raise DatabaseError(str(file), "is a folder", f"name a file: {file / 'tags.db'}")
    if file.exists() and file.samefile(database):
        raise DatabaseError(str(file), "is the database itself", "name another file")
    if file.exists() and not replace:
        raise DatabaseError(str(file), "is there already", "name another file, or say --replace")
