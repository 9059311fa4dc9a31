"""`tagger prune`: forget files that are gone."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime


def prune(
    missing_for: Annotated[
        str, typer.Option(help="Only files missing for so long (30m, 2h, 7d), or since before an ISO time.")
    ] = "0s",
    old_models: Annotated[
        bool, typer.Option("--old-models", help="Forget the tags of earlier models instead of missing files.")
    ] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Forget the files that are missing, with their tags. Nothing but the database is touched."""
    settings = load_settings(config, database)
    before = _moment(missing_for)
    from tagger.store import upkeep
    from tagger.store.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        if old_models:
            count = upkeep.prune_old_tags(store)
            typer.echo(f"{count:,} {'tag' if count == 1 else 'tags'} of earlier models forgotten")
        else:
            count = upkeep.prune(store, before)
            typer.echo(f"{count:,} missing {'file' if count == 1 else 'files'} forgotten")
        if room := store.compact():
            typer.echo(f"{room / 1e6:,.1f} MB given back")


def _moment(text: str) -> "datetime":
    from datetime import UTC, datetime

    from tagger.search.moment import moment

    try:
        return moment(text, datetime.now(UTC))
    except (KeyError, ValueError, OverflowError, OSError):
        hint = "say 30m, 2h or 7d, or an ISO time such as 2026-03-26T13:00"
        raise ConfigError("--missing-for", f"{text!r} is neither a duration nor a time", hint) from None
