"""`GET /metrics`, for Prometheus: counted when asked for, from the database, the road and its meters.

docs/reference/metrics.md has every one of them, which a test compares.
"""

from collections.abc import Callable, Iterator
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
from tagger.store.queue import queries
from tagger.store.queue.queries import SourceStatus
from tagger.web.context import AppContext
from tagger.web.small_body import SmallBody


def router(house: AppContext) -> APIRouter:
    routes, registry = APIRouter(route_class=SmallBody), CollectorRegistry()
    registry.register(_Collector(house))
    for collect in (ProcessCollector, PlatformCollector, GCCollector):
        collect(registry=registry)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics() -> Response:
        """For Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


class _Collector(Collector):
    def __init__(self, house: AppContext) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        house = self._house
        yield InfoMetricFamily("tagger", "This program", value={"version": version("tagger")})
        stands = queries.status(house.database)
        yield from _of_the_database(stands.sources)
        yield _gauge("tagger_paused", "1 while people want no file to be taken", bool(stands.paused_since))
        if house.vitals:
            yield from _of_the_road(house.vitals())
            yield _gauge("tagger_ready", "1 where all that tagging needs is there", not house.missing())
        if house.meters:
            yield from _of_the_meters(house.meters)

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is can be told without counting."""
        return iter(())


def _of_the_database(sources: tuple[SourceStatus, ...]) -> Iterator[Metric]:
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


def _of_the_road(vitals: WorkerStatus) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "tagger_waiting_pictures", "Pictures that wait at a place of the road", labels=("place",)
    )
    for place, count in vitals.waiting.items():
        waiting.add_metric((place.replace(" ", "_"),), count)
    yield waiting
    yield from _of_the_sources(vitals)
    yield _gauge(
        "tagger_oldest_unsettled_seconds",
        "For how long the path that is waited for the longest is changing; 0 where none is",
        vitals.unsettled_for,
    )


def _of_the_sources(vitals: WorkerStatus) -> Iterator[Metric]:
    up = GaugeMetricFamily("tagger_source_up", "1 where a source's folder is there", labels=("source",))
    watched = GaugeMetricFamily(
        "tagger_source_watched", "1 where a source's events tell all that happens there", labels=("source",)
    )
    for source, trouble in vitals.troubles.items():
        up.add_metric((source,), source not in vitals.away)
        watched.add_metric((source,), not trouble)
    yield from (up, watched)


def _of_the_meters(meters: Stats) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "tagger_outcomes", "What became of files since the start", labels=("source", "status")
    )
    for (source, status), count in meters.outcomes.items():
        outcomes.add_metric((source, status), count)
    yield outcomes
    for name, words, of in _HISTOGRAMS:
        counts, total = of(meters).read()
        bounds = (*map(repr, map(float, of(meters).bounds)), "+Inf")
        yield HistogramMetricFamily(
            name, words, buckets=list(zip(bounds, counts, strict=True)), sum_value=total
        )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value)


_HISTOGRAMS: tuple[tuple[str, str, Callable[[Stats], Histogram]], ...] = (
    (
        "tagger_arrival_to_row_seconds",
        "From a file's last change to its row, of files that came since the start",
        lambda meters: meters.arrival,
    ),
    ("tagger_decode_seconds", "One picture's decoding", lambda meters: meters.decode),
    ("tagger_inference_seconds", "One batch through the model", lambda meters: meters.inference),
    ("tagger_commit_seconds", "One batch into the database", lambda meters: meters.commit),
    ("tagger_batch_pictures", "Pictures that go through the model together", lambda meters: meters.batch),
)
