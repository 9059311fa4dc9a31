"""The way from a stamp to its outcome, and the drain.

           claims ⇐ pulled by decode × N → [pictures] → infer × M → stored
                                         → [others] → sink × 1 → stored
    predict queue ⇐ pulled by answer × N → [pictures] → infer × M → answered

Only model-sized pictures wait in channels. Whoever inferred a batch stores it before it takes the next: a kill then
costs one batch, never also those that wait to be stored. The sink stores what needs no inference. Stages are
stopped in the order of the way, each after it has finished what it holds, so that the end of a run looks like any
other moment of it.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from tagger.host.failpoints import reach
from tagger.pipeline.batcher import Batcher
from tagger.pipeline.channel import Channel
from tagger.pipeline.in_flight import InFlight
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.stage import Crashed, Stage
from tagger.pipeline.stats import Stats
from tagger.records import Changed, Content, Failed, Gone, Known, Outcome, Picture, Reply, Stamp, Tagged
from tagger.supervision import Supervisor, turn, waiting

log = logging.getLogger(__name__)


class Supply(Protocol):
    """Where files come from: claims on the queue, or a list of files."""

    def get(self) -> Stamp:
        """Return the most urgent file; wait for one. Raises Closed."""
        ...


def _keep_nothing() -> None:
    """End steps that hold nothing."""


def _never(_: str) -> bool:
    """Return that facts are of this release, where none are kept."""
    return False


@dataclass(frozen=True)
class Steps:
    """What is done to a file at each stage; the rooms provide it.

    `model_of` tells by which model a source is tagged, `is_known` whether it has tagged the content of that hash, `is_outdated`
    whether the store's facts of that content are of an earlier release. `end` lets go of what the steps hold.
    """

    read: Callable[[Stamp], Content | Failed | Gone | Changed]
    model_of: Callable[[str], Hashable]
    is_known: Callable[[str, str], bool]
    decode: Callable[[Content], Picture | Failed]
    classify: Callable[[Sequence[Picture]], Sequence[Tagged | Failed]]
    sink: Callable[[Sequence[Outcome]], None]
    end: Callable[[], None] = _keep_nothing
    is_outdated: Callable[[str], bool] = _never


@dataclass(frozen=True)
class Sizes:
    """`batch_size` pictures at most go to the engine together, which waits up to `max_wait` s for them.

    `decoders` threads decode, `inferrers` infer. `deadline` is how many seconds a picture may be decoded, a batch inferred.
    """

    batch_size: int
    max_wait: float
    decoders: int
    inferrers: int
    deadline: int


class Pipeline:
    """As many threads as decode files decode what people hand in, so that neither they nor files wait for the others' decoding."""

    def __init__(
        self,
        supply: Supply,
        steps: Steps,
        sizes: Sizes,
        stats: Stats,
        supervisor: Supervisor,
        crashed: Crashed,
        predict_queue: PredictQueue | None = None,
    ) -> None:
        self._supply, self._steps, self._sizes = supply, steps, sizes
        self._stats, self._supervisor = stats, supervisor
        self._predict_queue = predict_queue or PredictQueue(0)
        self._in_flight = InFlight()
        # Two batches: while one's scores are sorted, decoding goes on for the next.
        self._pictures: Channel[Picture] = Channel(2 * sizes.batch_size * sizes.inferrers)
        self._batcher = Batcher(self._pictures, sizes.batch_size, sizes.max_wait)
        self._others: Channel[Outcome] = Channel(4 * sizes.batch_size)
        self._storing = Lock()
        answerers = sizes.decoders if predict_queue else 0
        self._decode = Stage("decode", self.decode_one, supervisor, crashed, sizes.decoders)
        self._infer = Stage("infer", self.infer_batch, supervisor, crashed, sizes.inferrers)
        self._sink = Stage("sink", self.sink_batch, supervisor, crashed)
        self._answer = Stage("answer", self.answer_one, supervisor, crashed, answerers)

    def start(self) -> None:
        """Start all stages, the last one of the way first."""
        for stage in (self._sink, self._infer, self._decode, self._answer):
            stage.start()

    @property
    def waiting(self) -> dict[str, int]:
        """Return how many pictures wait at each place of the way."""
        return {
            "handed in": self._predict_queue.waiting,
            "decoded": len(self._pictures),
            "to be stored": len(self._others),
        }

    def drain(self, deadline: float) -> bool:
        """Wait until what is on its way has arrived; return False where `time.monotonic()` passes the deadline.

        The supply must have been closed. People who wait are told that nobody answers any more.
        """
        self._predict_queue.close()
        decoded = self._answer.join(deadline) and self._decode.join(deadline)
        self._steps.end()
        self._pictures.close()
        self._others.close()
        return self._infer.join(deadline) and self._sink.join(deadline) and decoded

    def decode_one(self) -> None:
        """Read and decode one file. Raises Closed."""
        result = self._decoded(self._supply.get())
        if isinstance(result, Picture):
            self._pictures.put(result)
        elif result is not None:
            self._others.put(result)

    def answer_one(self) -> None:
        """Decode one picture that was handed in. Raises Closed."""
        result = self._decode_content(self._predict_queue.get())
        if isinstance(result, Picture):
            self._pictures.put(result)
        else:
            self._deliver([result])

    def infer_batch(self) -> None:
        """Infer a batch, and store or answer what comes of it. Raises Closed."""
        batch = self._batcher.take()
        self._stats.batch.observe(len(batch))
        with self._supervisor.working("inferring", "a batch", self._sizes.deadline):
            reach("infer")
            with self._stats.inference.timed():
                outcomes = self._steps.classify(batch)
        log.debug("inferred %d", len(batch))
        self._deliver(outcomes)

    def sink_batch(self) -> None:
        """Store what needed no inference. Raises Closed."""
        self._store(self._others.take(4 * self._sizes.batch_size))

    def _deliver(self, outcomes: Sequence[Tagged | Failed]) -> None:
        """Answer those who wait for a picture, and store what is of files."""
        files: list[Outcome] = []
        for outcome in outcomes:
            if isinstance(outcome.target, Reply):
                self._predict_queue.answer(outcome.target, outcome)
            else:
                files.append(outcome)
        self._store(files)

    def _store(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        with turn(self._storing):
            self._steps.sink(outcomes)
            reach("stored")
            if followers := [one for outcome in outcomes for one in self._in_flight.release(outcome)]:
                self._steps.sink(followers)

    def _decoded(self, stamp: Stamp) -> Picture | Outcome | None:
        """Return the file's picture, or what became of it instead; None where it waits for its twin."""
        reach("read", stamp.path)
        with waiting():
            content = self._steps.read(stamp)
        if not isinstance(content, Content):
            return content
        if not self._in_flight.leads(stamp, content, self._steps.model_of(stamp.source)):
            return None
        if not self._steps.is_known(stamp.source, content.sha256):
            return self._decode_content(content)
        again = self._decode_content(content) if self._steps.is_outdated(content.sha256) else None
        return Known(stamp, content.sha256, again.facts if isinstance(again, Picture) else None)

    def _decode_content(self, content: Content) -> Picture | Failed:
        path = content.target.path
        with waiting(), self._supervisor.working("decoding", path, self._sizes.deadline):
            if isinstance(content.target, Stamp):
                reach("decode", path)
            with self._stats.decode.timed():
                return self._steps.decode(content)
