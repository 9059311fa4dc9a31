"""Runs one step again and again, in threads, until it raises Closed. The only place that starts threads of the pipeline.

A step is an ordinary method, called directly by tests; the thread around it knows nothing of the work.
An exception that a step lets out is no file's fault: it is logged and reported, and whoever waits for the
work ends the process.
"""

import logging
import time
from collections.abc import Callable
from threading import Thread

from tagger.errors import TaggerError
from tagger.supervision import Closed, Supervisor, advanced

log = logging.getLogger(__name__)

Crashed = Callable[[BaseException], None]
"""Is told what killed a stage."""


class Stage:
    """One step, run by some threads, each of them known to the supervisor by the stage's name and a number."""

    def __init__(
        self, name: str, step: Callable[[], None], supervisor: Supervisor, crashed: Crashed, threads: int = 1
    ) -> None:
        self._step, self._supervisor, self._crashed = step, supervisor, crashed
        # Daemon threads: one that hangs past the stop's deadline must not keep the process alive.
        self._threads = [
            Thread(target=self._loop, args=(f"{name}-{number}",), name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start its threads."""
        for thread in self._threads:
            thread.start()

    def join(self, deadline: float) -> bool:
        """Wait until all threads have ended or `time.monotonic()` passes the deadline; return whether all ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _loop(self, name: str) -> None:
        with self._supervisor.thread(name):
            try:
                while True:
                    self._step()
                    advanced()
            except Closed:
                return
            except TaggerError as error:  # whoever is told says it in its own words
                self._crashed(error)
            except BaseException as error:
                log.exception("a stage failed; Tagger stops rather than go on half-alive")
                self._crashed(error)
