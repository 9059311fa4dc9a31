"""docs/reference/metrics.md: what `/metrics` answers where there is one source, and nothing has happened."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from tagger.pipeline.stats import Stats
from tagger.pipeline.worker_status import WorkerStatus
from tagger.store.core.database import Database
from tagger.store.core.schema import source
from tagger.web.api.metrics import DatabaseCollector, WorkerCollector, router
from tools.reference import words

ABOUT = """
`GET /metrics` answers these for Prometheus, if `web.enabled` is true. Counters and histograms count from the daemon's start.
`tagger web` leaves out what it cannot know. `process_…` and `python_…` are prometheus-client's own, of the process as a whole.
"""
_NAME = "inbox"
_PLACES = ("handed in", "decoded", "to be stored")


def page() -> str:
    rows = (_row(one) for one in _families() if one.name.startswith("tagger"))
    return "\n".join(
        ["# The metrics\n", words.MADE + ABOUT, words.table(("metric", "kind", "labels", "meaning"), rows)]
    )


def _families() -> Iterable[Metric]:
    with closing(Database.open("sqlite://", create=True)) as database:
        with database.write() as connection:
            connection.execute(insert(source).values(name=_NAME, root=f"/{_NAME}"))
        [route] = router(DatabaseCollector(database), _worker()).routes
        answer = route.endpoint()  # type: ignore[attr-defined]
    return list(text_string_to_metric_families(answer.body.decode()))


def _worker() -> WorkerCollector:
    status = WorkerStatus(troubles={_NAME: ""}, waiting=dict.fromkeys(_PLACES, 0))
    return WorkerCollector(lambda: status, Stats([_NAME]), missing=list)


def _row(family: Metric) -> tuple[str, ...]:
    name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
    return f"`{name}`", family.type, "; ".join(_labels(family)), words.prose(family.documentation)


def _labels(family: Metric) -> Iterator[str]:
    """Each with its values, where those do not come from the config."""
    names = dict.fromkeys(label for sample in family.samples for label in sample.labels)
    for name in names:
        values = dict.fromkeys(sample.labels[name] for sample in family.samples if name in sample.labels)
        known = name not in ("source", "version")
        yield f"`{name}`" + (f": {', '.join(map(words.code, values))}" if known else "")
