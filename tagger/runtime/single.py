"""What the model and heads say of single files: in the daemon's own way, but to whoever asks, and not into a database."""

import logging
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.config.sources import Crop
from tagger.errors import ModelError
from tagger.heads import files as head_files
from tagger.heads.head import Fit, Head
from tagger.host import garbage
from tagger.ingest.filters import Filters
from tagger.pipeline.channel import Channel
from tagger.pipeline.stats import Stats
from tagger.records import ModelIdentity, Outcome, Stamp, Taxonomy
from tagger.runtime import build, model_choice
from tagger.store.core.location import locate
from tagger.supervision import Closed, Supervisor
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES
from tagger.vision.load import load_classifier
from tagger.vision.memory import give_back_what_is_freed

log = logging.getLogger(__name__)

Arrivals = SimpleQueue[BaseException | Sequence[Outcome]]
HeadsBySource = Mapping[str, Sequence[tuple[Head, Fit]]]


def tags_of(
    settings: Settings, files: Sequence[Path], crop: Crop | None = None
) -> tuple[Taxonomy, HeadsBySource, Generator[tuple[Path, Outcome], None, None]]:
    """Return what the model says of each file, in the order given, the categories it speaks of, and the heads that label files.

    A file is cropped as its source's are, or as `crop` says, and has that source's heads; files of no source have those under the
    empty name. To be closed by whoever does not want them all. Raises TaggerError.
    """
    give_back_what_is_freed()
    settings = model_choice.for_reading(settings, data_home())
    classifier = load_classifier(settings, data_home(), cache_home())
    heads = _heads(settings, classifier, _crops(settings, classifier, crop))
    return classifier.taxonomy, heads, tagged(settings, classifier, files, crop)


def look(settings: Settings, file: Path) -> tuple[ModelIdentity, Outcome]:
    """Return which model looks at a file, and what it says of it, features included. Raises TaggerError."""
    wanted = model_choice.for_reading(settings, data_home()).model_copy(update={"features": True})
    classifier = load_classifier(wanted, data_home(), cache_home())
    [(_, outcome)] = tagged(settings, classifier, [file])
    return classifier.identity, outcome


def tagged(
    settings: Settings, classifier: Classifier, files: Sequence[Path], crop: Crop | None = None
) -> Generator[tuple[Path, Outcome], None, None]:
    crops = _crops(settings, classifier, crop)
    filters = Filters(settings.sources, SUFFIXES)
    stamps = [_stamp(file, filters) for file in files]
    supply: Channel[Stamp] = Channel(len(stamps))
    for stamp in stamps:
        supply.put(stamp)
    supply.close()
    arrivals: Arrivals = SimpleQueue()
    steps = build.steps_alone(settings, classifier, crops, arrivals.put)
    supervisor, batching = Supervisor(), classifier.engine.batching
    pipeline = build.pipeline(settings, supply, steps, batching, Stats(), supervisor, arrivals.put)
    garbage.look_for_new()
    pipeline.start()
    try:
        yield from zip(files, _in_order(stamps, arrivals, supervisor), strict=True)
    finally:  # whoever asked may have gone: what waits is not begun, and no thread is left in an engine
        with suppress(Closed):
            supply.take(len(stamps))
        pipeline.drain(time.monotonic() + build.STOP_WITHIN)


def _crops(settings: Settings, classifier: Classifier, crop: Crop | None) -> dict[str, Crop]:
    its = {source.name: crop or source.crop for source in settings.sources}
    return {"": crop or classifier.preprocessing.frame} | its


def _heads(settings: Settings, classifier: Classifier, crops: Mapping[str, Crop]) -> HeadsBySource:
    """Return the heads that the config names, of which each has learned of the model as it sees a source's pictures."""
    learned = {name: one for name in settings.every_head() if (one := _learned(settings, name))}
    wanted = {"": settings.heads} | {source.name: settings.heads_of(source) for source in settings.sources}
    identities = dict.fromkeys(wanted, classifier.identity) | classifier.identities(crops)
    return {
        source: [
            (learned[name], fit)
            for name in names
            if name in learned and (fit := learned[name].fit_for(identities[source]))
        ]
        for source, names in wanted.items()
    }


def _learned(settings: Settings, name: str) -> Head | None:
    """Return the head of that name; None where it is not learned, or damaged: the log says which, and what to do."""
    folder = head_files.beside(locate(settings.database))
    try:
        return head_files.read(folder, name) if folder else None
    except ModelError as error:
        log.warning("%s", error)
        return None


def _stamp(file: Path, filters: Filters) -> Stamp:
    """Return the file as it is now; one that is not there gets an empty stamp, and `read` finds it gone."""
    owner = filters.owner(os.path.abspath(file))
    source = owner.name if owner else ""
    path = Path(os.path.realpath(file))  # which, unlike Path.resolve, takes a loop of links for what it is
    try:
        return Stamp.of(str(path), source, path.stat())
    except OSError:
        return Stamp(str(path), source, 0, 0, 0)


def _in_order(stamps: Sequence[Stamp], arrivals: Arrivals, supervisor: Supervisor) -> Iterator[Outcome]:
    arrived: dict[Stamp, Outcome] = {}
    for stamp in stamps:
        while stamp not in arrived:
            arrived |= {outcome.stamp: outcome for outcome in _arrivals(arrivals, supervisor)}
        yield arrived[stamp]


def _arrivals(arrivals: Arrivals, supervisor: Supervisor) -> Sequence[Outcome]:
    try:
        outcomes = arrivals.get(timeout=build.CHECK_EVERY)
    except Empty:
        if overdue := supervisor.check().overdue:
            build.end_at_once(overdue)
        return ()
    if isinstance(outcomes, BaseException):
        build.raise_error(outcomes)
    return outcomes
