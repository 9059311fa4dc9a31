"""What the API answers from, in one value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tagger.config.views import ConditionSettings
from tagger.errors import DatabaseError
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.stats import Stats
from tagger.pipeline.worker_status import WorkerStatus
from tagger.records import ModelIdentity, Standing, Taxonomy
from tagger.store.core.database import Database
from tagger.web.searches import Searches
from tagger.web.thumbnails import Thumbnails

_NO_CATEGORIES = Taxonomy("", ())


def _nothing_is_missing() -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class AppContext:
    """`desk`, `model`, `vitals` and `meters` are None where pictures are not tagged, only shown: then nothing is written, either.

    `unready` says what the daemon still lacks for pictures to be tagged.
    """

    database: Database
    min_score: float
    top_k: int = 0
    taxonomy: Taxonomy = _NO_CATEGORIES
    unready: Callable[[], Sequence[str]] = _nothing_is_missing
    desk: PredictQueue | None = None
    model: ModelIdentity | None = None
    bulletin: RecentEvents = field(default_factory=RecentEvents)
    vitals: Callable[[], WorkerStatus] | None = None
    thumbnails: Thumbnails | None = None
    meters: Stats | None = None
    standing: Standing | None = None
    conditions: ConditionSettings = field(default_factory=ConditionSettings)
    searches: Searches = field(default_factory=Searches)

    def missing(self) -> list[str]:
        """What is missing for pictures to be tagged and verdicts to be stored just now; nothing, as a rule."""
        missing = list(self.unready())
        if self.desk is not None and not missing:
            try:
                self.database.rehearse()
            except DatabaseError as error:
                missing.append(f"the database cannot be written: {error.what}; {error.hint}")
        return missing
