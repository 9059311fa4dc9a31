"""`tagger retry` has failed files tried once more."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import ConfigError
from tagger.wording.escape import shown
from tagger.wording.plural import counted


def retry(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Failed files, or folders of them.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every file that failed.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Try failed and quarantined files again: at once where `tagger run` is running, else at its next start."""
    if bool(paths) == everything:
        hint = "name them, or --all; tagger status --failed lists them"
        raise ConfigError("tagger retry", "which files?", hint)
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store
    from tagger.store.queue import retry

    with closing(Store.open(settings.database, create=False)) as store:
        if everything:
            _say(retry.retry_all(store))
            return
        found = {path: retry.retry(store, os.path.abspath(path)) for path in paths or ()}
    _say(sum(found.values()))
    _refuse([path for path, count in found.items() if not count])


def _say(count: int) -> None:
    say(f"{counted(count, 'file')} {'is' if count == 1 else 'are'} tried again")


def _refuse(strangers: list[Path]) -> None:
    """Exit with 1 where a path is no failed file."""
    for path in strangers:
        say(f"tagger: {shown(str(path))}: no failed file there; tagger status --failed lists them", err=True)
    if strangers:
        raise typer.Exit(1)
