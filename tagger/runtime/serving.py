"""The page and the API of a daemon that tags: started before it works, ended after it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tagger.config.folders import cache_home
from tagger.config.settings import Settings
from tagger.config.sources import links_by_folder
from tagger.pipeline.predict_queue import PredictQueue
from tagger.records import Standing
from tagger.runtime.worker import Worker
from tagger.store.core.database import Database

if TYPE_CHECKING:  # the web is imported only where it is wanted
    from tagger.web.context import TaggerContext
    from tagger.web.thumbnails import Thumbnails

SERVED_WITHIN = 3.0
"""Seconds that whoever is being served over the web has when Tagger stops."""


@contextmanager
def serving(
    settings: Settings, worker: Worker, predict_queue: PredictQueue | None, standing: Standing
) -> Iterator[str]:
    """Yield the address of the web; empty where it is not wanted. It ends last, so that those who wait are told that nobody answers."""
    if predict_queue is None:
        yield ""
        return
    from tagger.web import token
    from tagger.web.app import create_app
    from tagger.web.server import Server
    from tagger.web.thumbnails import Thumbnails

    token.ensure(settings.web)
    with closing(Database.open(settings.database, create=False)) as database:
        thumbnails = Thumbnails(cache_home() / "thumbnails", settings.decode)
        context = _context(settings, database, worker, predict_queue, standing, thumbnails)
        server = Server(settings.web, create_app(settings.web, context))
        server.start()
        try:
            yield server.address
        finally:
            thumbnails.close()
            server.close(SERVED_WITHIN)


def _context(
    settings: Settings,
    database: Database,
    worker: Worker,
    predict_queue: PredictQueue,
    standing: Standing,
    thumbnails: "Thumbnails",
) -> "TaggerContext":
    from tagger.web.context import TaggerContext

    classifier = worker.classifier
    return TaggerContext(
        database=database,
        min_score=settings.search.min_score,
        top_k=classifier.top_k,
        thumbnails=thumbnails,
        follow_links=links_by_folder(settings.sources),
        standing=standing,
        predict_queue=predict_queue,
        model=classifier.identity,
        taxonomy=classifier.taxonomy,
        conditions=settings.conditions,
        stats=worker.stats,
        worker_status=worker.status,
        recent_events=worker.recent_events,
        labelling=worker.labelling,
        teaching=worker.teaching,
        unready=worker.unready,
        heads=settings.every_head(),
    )
