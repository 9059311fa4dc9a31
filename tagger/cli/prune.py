"""`tagger prune`: forget files that are gone."""

from contextlib import closing
from typing import Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.since import parse_since


def prune(
    missing_for: Annotated[
        str, typer.Option(help="Only files missing for so long (30m, 2h, 7d), or since before an ISO time.")
    ] = "0s",
    config: Config = None,
    database: Database = None,
) -> None:
    """Forget the files that are missing, with their tags. Nothing but the database is touched."""
    settings = load_settings(config, database)
    before = parse_since(missing_for, option="--missing-for")
    from tagger.store import upkeep
    from tagger.store.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        count = upkeep.prune(store, before)
    typer.echo(f"{count:,} missing {'file' if count == 1 else 'files'} forgotten")
