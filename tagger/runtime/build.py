"""Builds the parts of the way that every picture takes, as the settings want them: the same for folders and for single files."""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from typing import NoReturn

from tagger.config.environment import environment, library
from tagger.config.path_rules import PathRules
from tagger.config.settings import Settings
from tagger.config.sources import Crop, Source
from tagger.errors import TaggerError
from tagger.host import confinement, failpoints
from tagger.pipeline.crash_isolation import TOO_LATE, SubprocessRunner
from tagger.pipeline.labelling import Labelling
from tagger.pipeline.pipeline import Pipeline, Sizes, Steps, Supply
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.stats import Stats
from tagger.pipeline.teaching import Teaching
from tagger.records import Outcome
from tagger.store.core.database import Database
from tagger.store.tags.writer import Writer
from tagger.supervision import Supervisor, Work
from tagger.vision import cores
from tagger.vision.budget import PixelBudget
from tagger.vision.child_decoder import ChildDecoder
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder, read
from tagger.vision.engines import Batching
from tagger.wording.escape import shown

log = logging.getLogger(__name__)

STOP_WITHIN = 9.0
"""Seconds that a stop may take: a second less than users were promised."""

CHECK_EVERY = 1.0
"""Seconds between two checks of what no thread would notice by itself."""

LOAD_WITHIN = 60
"""Seconds that loading a model may take, its graph written anew included."""


def writer(
    settings: Settings,
    database: Database,
    classifier: Classifier,
    sources: Sequence[Source],
    rules: Mapping[str, PathRules],
    now: Callable[[], datetime],
) -> Writer:
    """Return what stores what this model says of the sources' pictures."""
    _warn_of_groups(rules, {*settings.heads}.union(*map(settings.heads_of, sources)))
    return Writer(
        database,
        classifier.identity,
        classifier.labels,
        classifier.taxonomy,
        classifier.description,
        now,
        identities=classifier.identities({source.name: source.crop for source in sources}),
        places=rules,
        thresholds=settings.thresholds,
        limits=_limits(settings),
        reaches={source.name: source.reach for source in sources},
        keep_old=settings.keep_old_models,
    )


def steps(
    settings: Settings,
    classifier: Classifier,
    sources: Sequence[Source],
    writer: Writer,
    sink: Callable[[Sequence[Outcome]], None],
) -> Steps:
    """Return what is done to files of sources: each is opened as far as its source reaches, and known content is not inferred."""
    children, decoder = _decoder(settings, classifier, {source.name: source.crop for source in sources})
    roots = {source.name: source.reach for source in sources}
    reader = partial(read, max_bytes=settings.decode.max_bytes, roots=roots)
    model_of = writer.registered.model_of
    return Steps(
        reader,
        model_of,
        writer.knows,
        decoder.decode,
        classifier.classify,
        sink,
        children.close,
        writer.is_outdated,
    )


def steps_alone(
    settings: Settings,
    classifier: Classifier,
    crops: Mapping[str, Crop],
    sink: Callable[[Sequence[Outcome]], None],
) -> Steps:
    """Return what is done to files of no source, wherever they lie, and without a database."""
    children, decoder = _decoder(settings, classifier, crops)
    reader = partial(read, max_bytes=settings.decode.max_bytes)
    return Steps(reader, _one_model, _unknown, decoder.decode, classifier.classify, sink, children.close)


def pipeline(
    settings: Settings,
    supply: Supply,
    steps: Steps,
    batching: Batching,
    stats: Stats,
    supervisor: Supervisor,
    crashed: Callable[[BaseException], None],
    predict_queue: PredictQueue | None = None,
) -> Pipeline:
    """Return the pipeline, with as many threads and as large batches as the settings allow and the engine likes."""
    sizes = _sizes(settings, batching)
    return Pipeline(supply, steps, sizes, stats, supervisor, crashed, predict_queue)


def labelling(
    settings: Settings,
    writer: Writer,
    classifier: Classifier,
    sources: Sequence[Source],
    events: RecentEvents,
) -> Labelling:
    """Return what has heads label the pictures of the sources that the settings name them for, and those that are handed in.

    Those that are learned already label from the first picture on.
    """
    wanted = {"": settings.heads} | {source.name: settings.heads_of(source) for source in sources}
    own = classifier.identities({source.name: source.crop for source in sources})
    identities = {name: own.get(name, classifier.identity) for name in wanted}
    labelling = Labelling(writer, wanted, identities, events)
    labelling.take_up()
    return labelling


def teaching(settings: Settings, labelling: Labelling, events: RecentEvents) -> Teaching:
    """Return what learns heads with these settings, each in a process of its own that leaves the processor to others."""
    command = "import os; os.nice(10); from tagger.cli import main; main()"
    known = confinement.without_settings(os.environ) | environment(settings) | library(settings)
    program = (sys.executable, "-P", "-c", command, "teach", "--config", os.devnull)
    return Teaching(program, known, labelling.unfit, events)


def runner(settings: Settings) -> SubprocessRunner:
    """Return what runs `tagger tag` with these settings and no right but to read files.

    It ends by itself past the deadline; if it cannot, the kernel ends it.
    """
    seconds = int(settings.decode.deadline) + LOAD_WITHIN
    command = (
        f"import signal; signal.alarm({seconds}); from tagger.host import confinement as c;"
        "c.give_up_capabilities([c.READ_FILES]); from tagger.cli import main; main()"
    )
    failing = {key: value for key, value in os.environ.items() if key == failpoints.VARIABLE}
    known = confinement.without_settings(os.environ) | failing | environment(settings)
    return SubprocessRunner((sys.executable, "-P", "-c", command, "tag", "--config", os.devnull), known)


def _decoder(
    settings: Settings, classifier: Classifier, crops: Mapping[str, Crop]
) -> tuple[ChildDecoder, Decoder]:
    limits = settings.decode
    children = ChildDecoder(limits)
    decoder = Decoder(
        classifier.preprocessing,
        limits.max_pixels,
        PixelBudget(),
        limits.mode,
        max_frames=limits.max_frames,
        max_memory=limits.max_memory,
        crops=crops,
        children=children,
    )
    return children, decoder


def _one_model(source: str) -> None:
    """Return the same model for all sources."""


def _unknown(source: str, sha256: str) -> bool:  # noqa: ARG001
    return False


def _sizes(settings: Settings, batching: Batching) -> Sizes:
    threads, most, batch = settings.decode.threads, settings.limits.cores, settings.batch
    wanted = cores.available() if threads == "auto" else threads
    wait = batching.max_wait_ms if batch.max_wait_ms == "auto" else batch.max_wait_ms
    return Sizes(
        batch_size=batching.max_size if batch.max_size == "auto" else batch.max_size,
        max_wait=wait / 1000,
        decoders=wanted if most == "auto" else min(wanted, most),
        inferrers=min(batching.at_once, cores.allowed(most)),
        deadline=int(settings.decode.deadline / CHECK_EVERY),
    )


def _warn_of_groups(rules: Mapping[str, PathRules], heads: AbstractSet[str]) -> None:
    for source, rule in rules.items():
        for head in sorted(rule.groups & heads):
            log.warning(
                "source %r: the group (?P<%s>…) of path_pattern is called as a head is, so that %s:… asks for the group; give "
                "the group another name to have both",
                source,
                head,
                head,
            )
        for word in sorted(rule.shadows):
            log.warning(
                "source %r: the group (?P<%s>…) of path_pattern takes the place of a word of searches, so that %s:night and "
                "the other conditions are not found; give the group another name to have both",
                source,
                word,
                word,
            )


def _limits(settings: Settings) -> dict[str, float]:
    """Return what views compare with, by section and key."""
    sections = {
        "health": settings.health,
        "conditions": settings.conditions,
        "sessions": settings.sessions,
        "search": settings.search,
    }
    return {
        f"{section}.{name}": value
        for section, values in sections.items()
        for name, value in values.model_dump().items()
    }


def raise_error(reason: BaseException) -> NoReturn:
    if isinstance(reason, TaggerError):
        raise reason
    raise TaggerError("stopped by an error", str(reason), "the log above says where") from reason


def end_at_once(overdue: Work) -> NoReturn:
    """End the process: a thread that hangs in a library can neither be stopped nor, perhaps, outlived: exit handlers may wait for it."""
    log.error(
        "%s %s takes longer than decode.deadline allows; Tagger ends, and its next start tries it alone",
        overdue.what,
        shown(overdue.path),
    )
    logging.shutdown()
    os._exit(TOO_LATE)
