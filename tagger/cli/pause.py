"""`tagger pause` and `tagger resume`: let the machine to others for a while."""

from contextlib import closing

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say


def pause(config: Config = None, database: Database = None) -> None:
    """Take no more files, until `tagger resume`. What arrives meanwhile is noted, and tagged then."""
    from datetime import UTC, datetime

    settings = load_settings(config, database)
    from tagger.store.core import control
    from tagger.store.core.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        since = control.pause(store, datetime.now(UTC))
    say(f"paused since {since.isoformat(timespec='seconds')}; continue with: tagger resume")


def resume(config: Config = None, database: Database = None) -> None:
    """Go on after `tagger pause`."""
    settings = load_settings(config, database)
    from tagger.store.core import control
    from tagger.store.core.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        was_paused = control.resume(store)
    say("files are taken again" if was_paused else "it was not paused")
