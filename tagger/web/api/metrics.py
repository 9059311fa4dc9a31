"""`GET /metrics` is for Prometheus: it counts when it is asked, from the database, the worker and its stats.

docs/reference/metrics.md has every one of them, which a test compares.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tagger.pipeline.stats import Histogram, Stats
from tagger.pipeline.worker_status import WorkerStatus
from tagger.store.core.database import Database
from tagger.store.queue import queries
from tagger.store.queue.queries import SourceStatus
from tagger.web.small_body import SmallBody


def router(*collectors: Collector) -> APIRouter:
    """Return the route; it answers what these collect, and what is known of any process."""
    routes, registry = APIRouter(route_class=SmallBody), CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    for collect in (ProcessCollector, PlatformCollector, GCCollector):
        collect(registry=registry)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics() -> Response:
        """Return the metrics, for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


class _Uncounted(Collector):
    def describe(self) -> Iterator[Metric]:
        """Return nothing: else all would be counted once when it is registered."""
        return iter(())


class DatabaseCollector(_Uncounted):
    """Collects what the database tells, whoever reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("tagger", "This program", value={"version": version("tagger")})
        status = queries.status(self._database)
        yield from _of_the_files(status.sources)
        yield _gauge("tagger_paused", "1 while people want no file to be taken", bool(status.paused_since))


class WorkerCollector(_Uncounted):
    """Collects what only the daemon that tags can tell."""

    def __init__(
        self, status: Callable[[], WorkerStatus], stats: Stats, missing: Callable[[], Sequence[str]]
    ) -> None:
        self._status, self._stats, self._missing = status, stats, missing

    def collect(self) -> Iterator[Metric]:
        yield from _of_the_worker(self._status())
        yield _gauge("tagger_ready", "1 where all that tagging needs is there", not self._missing())
        yield from _of_the_stats(self._stats)


def _of_the_files(sources: tuple[SourceStatus, ...]) -> Iterator[Metric]:
    files = GaugeMetricFamily(
        "tagger_files", "Files in the database, by source and state", labels=("source", "state")
    )
    backlog = GaugeMetricFamily(
        "tagger_backlog_files", "Files that are still to be tagged", labels=("source",)
    )
    for source in sources:
        for state, count in source.files.items():
            files.add_metric((source.name, str(state)), count)
        backlog.add_metric((source.name,), source.waiting)
    yield from (files, backlog)


def _of_the_worker(status: WorkerStatus) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "tagger_waiting_pictures", "Pictures that wait at a place of the pipeline", labels=("place",)
    )
    for place, count in status.waiting.items():
        waiting.add_metric((place.replace(" ", "_"),), count)
    yield waiting
    yield from _of_the_sources(status)
    yield _gauge(
        "tagger_oldest_unsettled_seconds",
        "For how long the path that is waited for the longest is changing; 0 where none is",
        status.unsettled_for,
    )


def _of_the_sources(status: WorkerStatus) -> Iterator[Metric]:
    up = GaugeMetricFamily("tagger_source_up", "1 where a source's folder is there", labels=("source",))
    watched = GaugeMetricFamily(
        "tagger_source_watched", "1 where a source's events tell all that happens there", labels=("source",)
    )
    for source, trouble in status.troubles.items():
        up.add_metric((source,), source not in status.away)
        watched.add_metric((source,), not trouble)
    yield from (up, watched)


def _of_the_stats(stats: Stats) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "tagger_outcomes", "What became of files since the start", labels=("source", "status")
    )
    for (source, status), count in stats.outcomes.items():
        outcomes.add_metric((source, status), count)
    yield outcomes
    for name, words, of in _HISTOGRAMS:
        counts, total = of(stats).read()
        bounds = (*map(repr, map(float, of(stats).bounds)), "+Inf")
        yield HistogramMetricFamily(
            name, words, buckets=list(zip(bounds, counts, strict=True)), sum_value=total
        )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value)


_HISTOGRAMS: tuple[tuple[str, str, Callable[[Stats], Histogram]], ...] = (
    (
        "tagger_arrival_to_row_seconds",
        "From a file's last change to its row, of files that came since the start",
        lambda stats: stats.arrival,
    ),
    ("tagger_decode_seconds", "One picture's decoding", lambda stats: stats.decode),
    ("tagger_inference_seconds", "One batch through the model", lambda stats: stats.inference),
    ("tagger_commit_seconds", "One batch into the database", lambda stats: stats.commit),
    ("tagger_batch_pictures", "Pictures that go through the model together", lambda stats: stats.batch),
)
