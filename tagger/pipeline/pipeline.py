"""The road from a stamp to its outcome, and the drain.

    supply ⇐ pulled by decode × N → [pictures] → infer × M → stored
                                  → [others] → sink × 1 → stored
      desk ⇐ pulled by answer × N → [pictures] → infer × M → answered

Only model-sized pictures wait in channels. Whoever inferred a batch stores it before it takes the next: a kill then
costs one batch, never also those that wait to be stored. The sink stores what needs no inference. Stages are
stopped in the order of the road, each after it has finished what it holds, so that the end of a run looks like any
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
from tagger.pipeline.overdue import Overdue
from tagger.pipeline.predict_queue import PredictQueue
from tagger.pipeline.stage import Crashed, Stage
from tagger.records import Changed, Content, Failed, Gone, Known, Outcome, Picture, Stamp, Tagged
from tagger.supervision import excused, turn

log = logging.getLogger(__name__)


class Supply(Protocol):
    def get(self) -> Stamp:
        """The most urgent file; waits for one. Raises Closed."""
        ...


@dataclass(frozen=True)
class Steps:
    """What is done to a file at each stage; the rooms provide it.

    `model_of` tells by which model a source is tagged, `is_known` whether it has tagged the content of that hash. `end` lets go
    of what the steps hold.
    """

    read: Callable[[Stamp], Content | Failed | Gone | Changed]
    model_of: Callable[[str], Hashable]
    is_known: Callable[[str, str], bool]
    decode: Callable[[Content], Picture | Failed]
    classify: Callable[[Sequence[Picture]], Sequence[Tagged | Failed]]
    sink: Callable[[Sequence[Outcome]], None]
    end: Callable[[], None] = lambda: None


class Pipeline:
    """`batch_size` pictures at most go to the engine together, which waits up to `max_wait` s for them.

    `decoders` threads decode, `inferrers` infer; as many again decode what people hand in at the `desk`, so that neither
    they nor files wait for the others' decoding.
    """

    def __init__(
        self,
        supply: Supply,
        steps: Steps,
        batch_size: int,
        max_wait: float,
        decoders: int,
        inferrers: int,
        overdue: Overdue,
        crashed: Crashed,
        desk: PredictQueue | None = None,
    ) -> None:
        self._supply, self._steps, self._batch_size, self._overdue = supply, steps, batch_size, overdue
        self._desk = desk or PredictQueue(0)
        self._in_flight = InFlight()
        # Two batches: while one's scores are sorted, decoding goes on for the next.
        self._pictures: Channel[Picture] = Channel(2 * batch_size * inferrers)
        self._batcher = Batcher(self._pictures, batch_size, max_wait)
        self._others: Channel[Outcome] = Channel(4 * batch_size)
        self._storing = Lock()
        self._decode = Stage("decode", self.decode_one, crashed, decoders)
        self._infer = Stage("infer", self.infer_batch, crashed, inferrers)
        self._sink = Stage("sink", self.sink_batch, crashed)
        self._answer = Stage("answer", self.answer_one, crashed, decoders if desk else 0)

    def start(self) -> None:
        for stage in self.stages:
            stage.start()

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._sink, self._infer, self._decode, self._answer

    @property
    def waiting(self) -> dict[str, int]:
        """How many pictures wait at each place of the road."""
        return {
            "handed in": self._desk.waiting,
            "decoded": len(self._pictures),
            "to be stored": len(self._others),
        }

    def drain(self, deadline: float) -> bool:
        """Waits until what is on the road has arrived; False where `time.monotonic()` passes the deadline.

        The supply must have been closed. People who wait are told that nobody answers any more.
        """
        self._desk.close()
        decoded = self._answer.join(deadline) and self._decode.join(deadline)
        self._steps.end()
        self._pictures.close()
        self._others.close()
        return self._infer.join(deadline) and self._sink.join(deadline) and decoded

    def decode_one(self) -> None:
        result = self._decoded(self._supply.get())
        if isinstance(result, Picture):
            self._pictures.put(result)
        elif result is not None:
            self._others.put(result)

    def answer_one(self) -> None:
        content = self._desk.get()
        with excused(), self._overdue.during("decoding", content.stamp.path):
            result = self._steps.decode(content)
        if isinstance(result, Picture):
            self._pictures.put(result)
        else:
            self._desk.answered([result])

    def infer_batch(self) -> None:
        batch = self._batcher.take()
        with self._overdue.during("inferring", "a batch"):
            reach("infer")
            outcomes = self._steps.classify(batch)
        log.debug("inferred %d", len(batch))
        self._store(outcomes)

    def sink_batch(self) -> None:
        self._store(self._others.take(4 * self._batch_size))

    def _store(self, outcomes: Sequence[Outcome]) -> None:
        outcomes = self._desk.answered(outcomes)
        if not outcomes:
            return
        with turn(self._storing):
            self._steps.sink(outcomes)
            reach("stored")
            if followers := [one for outcome in outcomes for one in self._in_flight.release(outcome)]:
                self._steps.sink(followers)

    def _decoded(self, stamp: Stamp) -> Picture | Outcome | None:
        """The file's picture, or what became of it instead; None where it waits for its twin."""
        reach("read", stamp.path)
        with excused():
            content = self._steps.read(stamp)
        if not isinstance(content, Content):
            return content
        if not self._in_flight.leads(content, self._steps.model_of(stamp.source)):
            return None
        if self._steps.is_known(stamp.source, content.sha256):
            return Known(stamp, content.sha256)
        with excused(), self._overdue.during("decoding", stamp.path):
            reach("decode", stamp.path)
            return self._steps.decode(content)
