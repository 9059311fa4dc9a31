"""Runs one step again and again, in threads, until it raises Closed. The only place that starts threads.

A step is an ordinary method, called directly by tests; the thread around it knows nothing of the work.
An exception that a step lets out is no file's fault: it is logged and reported, and whoever waits for the
work ends the process.
"""

import logging
import time
from collections.abc import Callable
from threading import Thread

from tagger.errors import TaggerError
from tagger.pipeline.channel import Closed
from tagger.supervision import Pulse, advanced

log = logging.getLogger(__name__)

Crashed = Callable[[BaseException], None]
"""Told what killed a stage."""


class Stage:
    def __init__(self, name: str, step: Callable[[], None], crashed: Crashed, threads: int = 1) -> None:
        self._step = step
        self._crashed = crashed
        self.pulses = [Pulse(f"{name}-{number}") for number in range(threads)]
        # Daemon threads: one that hangs past the stop's deadline must not keep the process alive.
        self._threads = [
            Thread(target=self._loop, args=(pulse,), name=pulse.name, daemon=True) for pulse in self.pulses
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self, deadline: float) -> bool:
        """Waits until all threads have ended or `time.monotonic()` passes the deadline; True if all ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _loop(self, pulse: Pulse) -> None:
        pulse.begin()
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
        finally:
            pulse.end()
