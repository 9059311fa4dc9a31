"""`tagger web` serves the page and the API, for reading alone."""

import signal
from contextlib import closing
from typing import TYPE_CHECKING

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, load_settings

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.store.core.database import Database as Store
    from tagger.web.context import ReadingContext
    from tagger.web.thumbnails import Thumbnails


def web(config: Config = None, database: Database = None) -> None:
    """Show what is in the database, until SIGTERM or Ctrl-C: nothing is tagged, and nothing is written.

    `tagger run` does the same, and more, where the config says `web: {enabled: true}`.
    """
    settings = load_settings(config, database)
    log_to_stderr(settings.log_level, settings.log_format)
    from tagger.config.folders import cache_home
    from tagger.errors import TaggerError
    from tagger.runtime.signals import Signals
    from tagger.store.core.database import Database as Store
    from tagger.web.app import create_app
    from tagger.web.server import Server
    from tagger.web.thumbnails import Thumbnails

    signals = Signals()
    signals.listen((signal.SIGTERM, signal.SIGINT))
    with closing(signals), closing(Store.open(settings.database, create=False)) as store:
        thumbnails = Thumbnails(cache_home() / "thumbnails", settings.decode)
        server = Server(settings.web, create_app(settings.web, _context(settings, store, thumbnails)))
        server.start()
        with closing(thumbnails):
            while server.runs and not signals.wait(1):
                pass
        if not server.runs:
            raise TaggerError("tagger web", "does not answer", "the log above says why")
        server.close(within=3)


def _context(settings: "Settings", store: "Store", thumbnails: "Thumbnails") -> "ReadingContext":
    from tagger.config.folders import data_home
    from tagger.config.sources import links_by_folder
    from tagger.runtime.model_choice import standing
    from tagger.web.context import ReadingContext

    return ReadingContext(
        database=store,
        min_score=settings.search.min_score,
        top_k=settings.model.top_k,
        thumbnails=thumbnails,
        follow_links=links_by_folder(settings.sources),
        standing=standing(settings, store, data_home()),
        heads=settings.every_head(),
    )
