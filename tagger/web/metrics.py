"""`GET /metrics`, for Prometheus: counted when asked for, from the database and from the road."""

from collections.abc import Iterator
from importlib.metadata import version

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tagger.pipeline.vitals import Vitals
from tagger.store import queries
from tagger.web.house import House


def router(house: House) -> APIRouter:
    routes, registry = APIRouter(), CollectorRegistry()
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
    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("tagger", "This program", value={"version": version("tagger")})
        yield self._files()
        if self._house.vitals:
            yield from _of_the_road(self._house.vitals())

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is can be told without counting."""
        return iter(())

    def _files(self) -> Metric:
        files = GaugeMetricFamily(
            "tagger_files", "Files in the database, by source and state", labels=("source", "state")
        )
        for source in queries.status(self._house.database).sources:
            for state, count in source.files.items():
                files.add_metric((source.name, str(state)), count)
        return files


def _of_the_road(vitals: Vitals) -> Iterator[Metric]:
    yield CounterMetricFamily("tagger_tagged_files", "Files tagged since the start", vitals.tagged)
    yield CounterMetricFamily("tagger_failed_files", "Files that failed since the start", vitals.failed)
    waiting = GaugeMetricFamily(
        "tagger_waiting_pictures", "Pictures that wait at a place of the road", labels=("place",)
    )
    for place, count in vitals.waiting.items():
        waiting.add_metric((place.replace(" ", "_"),), count)
    yield waiting
    watched = GaugeMetricFamily(
        "tagger_source_watched", "1 where a source's events tell all that happens there", labels=("source",)
    )
    for source, trouble in vitals.troubles.items():
        watched.add_metric((source,), 0 if trouble else 1)
    yield watched
