"""What the API answers from: a database that is read, and, where a daemon tags, its queue, its model and its counts besides.

Two types, since without a daemon there is nothing to predict with, and nothing may be written. Rejected: one type with half of its
fields None, which each route had to look at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tagger.config.views import ConditionSettings
from tagger.errors import DatabaseError
from tagger.pipeline.labelling import Labelling
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.stats import Stats
from tagger.pipeline.teaching import Teaching
from tagger.pipeline.worker_status import WorkerStatus
from tagger.records import ModelIdentity, Standing, Taxonomy
from tagger.store.core.database import Database
from tagger.web.searches import Searches
from tagger.web.thumbnails import Thumbnails


@dataclass(frozen=True, kw_only=True)
class ReadingContext:
    """Has what is needed to show pictures. `top_k` is how many tags each of them is given; `standing` says by which model, and why.

    `follow_links` has, by a source's folder, those below which links in it may lead. `heads` are those that the config names.
    """

    database: Database
    min_score: float
    top_k: int
    thumbnails: Thumbnails
    standing: Standing
    follow_links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    searches: Searches = field(default_factory=Searches)
    heads: Sequence[str] = ()

    def missing(self) -> list[str]:
        """Return what is missing to answer all that can be asked: nothing, where pictures are only shown."""
        return []

    def is_learning(self, name: str) -> bool:  # noqa: ARG002
        """Return whether a head is being learned, or waits to be: none is, where pictures are only shown."""
        return False


@dataclass(frozen=True, kw_only=True)
class TaggerContext(ReadingContext):
    """Has what a daemon that tags has besides. `unready` returns what it still lacks for pictures to be tagged."""

    predict_queue: PredictQueue
    model: ModelIdentity
    taxonomy: Taxonomy
    conditions: ConditionSettings
    stats: Stats
    worker_status: Callable[[], WorkerStatus]
    recent_events: RecentEvents
    labelling: Labelling
    teaching: Teaching
    unready: Callable[[], Sequence[str]]

    def missing(self) -> list[str]:
        """Return what is missing for pictures to be tagged and verdicts to be stored just now; nothing, as a rule."""
        missing = list(self.unready())
        if missing:
            return missing
        try:
            self.database.rehearse()
        except DatabaseError as error:
            missing.append(f"the database cannot be written: {error.what}; {error.hint}")
        return missing

    def is_learning(self, name: str) -> bool:
        """Return whether a head is being learned, or waits to be."""
        return self.teaching.is_at(name)
