"""The road that every file takes, built as the settings want it: the same for a folder and for a file on its own."""

import gc
import logging
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NoReturn

from tagger.config.settings import Crop, Settings
from tagger.errors import TaggerError
from tagger.pipeline.crash_isolation import TOO_LATE
from tagger.pipeline.overdue import Overdue
from tagger.pipeline.pipeline import Pipeline, Steps, Supply
from tagger.pipeline.predict_queue import PredictQueue
from tagger.records import Outcome
from tagger.vision import cores
from tagger.vision.apart import Apart
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder, read
from tagger.vision.engines import Batching

log = logging.getLogger(__name__)

STOP_WITHIN = 9.0
"""Seconds that a stop may take: a second less than users were promised."""

LOOK_EVERY = 1.0
"""Seconds between two looks at what no thread would notice by itself."""


def steps(
    settings: Settings,
    classifier: Classifier,
    crops: Mapping[str, Crop],
    model_of: Callable[[str], Hashable],
    is_known: Callable[[str, str], bool],
    sink: Callable[[Sequence[Outcome]], None],
    roots: Mapping[str, str] = MappingProxyType({}),
) -> Steps:
    """`roots` are the folders of sources, by name, beneath which no link is followed."""
    limits = settings.decode
    apart = Apart(limits)
    decoder = Decoder(
        classifier.preprocessing,
        limits.max_pixels,
        PixelBudget(),
        limits.mode,
        max_frames=limits.max_frames,
        max_memory=limits.max_memory,
        crops=crops,
        apart=apart,
    )
    reader = partial(read, max_bytes=limits.max_bytes, roots=roots)
    return Steps(reader, model_of, is_known, decoder.decode, classifier.classify, sink, apart.close)


def pipeline(
    settings: Settings,
    supply: Supply,
    steps: Steps,
    batching: Batching,
    overdue: Overdue,
    crashed: Callable[[BaseException], None],
    desk: PredictQueue | None = None,
) -> Pipeline:
    threads, max_size, max_wait_ms = (
        settings.decode.threads,
        settings.batch.max_size,
        settings.batch.max_wait_ms,
    )
    most = settings.limits.cores
    wanted = cores.available() if threads == "auto" else threads
    decoders = wanted if most == "auto" else min(wanted, most)
    inferrers = min(batching.at_once, cores.allowed(most))
    largest = batching.max_size if max_size == "auto" else max_size
    wait = batching.max_wait_ms if max_wait_ms == "auto" else max_wait_ms
    return Pipeline(supply, steps, largest, wait / 1000, decoders, inferrers, overdue, crashed, desk)


def spare_what_is_there() -> None:
    """The garbage collector is on from here, but leaves alone what is there already: it is code and the model, and
    to go through it takes a tenth of a second each time, during which nothing else runs.
    """
    gc.freeze()
    gc.enable()


def raise_error(reason: BaseException) -> NoReturn:
    if isinstance(reason, TaggerError):
        raise reason
    raise TaggerError("stopped by an error", str(reason), "the log above says where") from reason


def end_at_once(late: str) -> NoReturn:
    """A thread that hangs in a library can neither be stopped nor, perhaps, outlived: exit handlers may wait for it."""
    log.error(
        "%s takes longer than decode.deadline allows; Tagger ends, and its next start tries it alone", late
    )
    logging.shutdown()
    os._exit(TOO_LATE)
