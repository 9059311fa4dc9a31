"""The last step of a file: what became of it is stored, then counted, told and let go."""

from collections.abc import Sequence

from tagger.ingest.inbox import Inbox
from tagger.pipeline.claims import Claims
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.report import Report
from tagger.pipeline.stats import Stats
from tagger.records import Changed, Failed, Origin, Outcome, Sighting
from tagger.store.tags.writer import Writer


class Sink:
    """One thread stores at a time: the pipeline sees to that."""

    def __init__(
        self,
        writer: Writer,
        stats: Stats,
        recent_events: RecentEvents,
        report: Report,
        inbox: Inbox,
        claims: Claims,
    ) -> None:
        self._writer, self._stats, self._recent_events = writer, stats, recent_events
        self._report, self._inbox, self._claims = report, inbox, claims

    def store(self, outcomes: Sequence[Outcome]) -> None:
        """Store what became of files, in one transaction. Those that changed meanwhile are seen anew."""
        with self._stats.commit.timed():
            self._writer.write(outcomes)
        waits = self._stats.record(outcomes)
        for outcome in outcomes:
            self._pass_on(outcome)
        self._claims.done(len(outcomes))
        self._report.stored(outcomes, waits, self._claims.in_flight)

    def _pass_on(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            path, source = outcome.stamp.path, outcome.stamp.source
            self._recent_events.post("failed", path=path, source=source, error=outcome.reason)
        elif isinstance(outcome, Changed):
            self._inbox.see(Sighting(outcome.stamp.path, outcome.stamp.source, Origin.WATCH))
