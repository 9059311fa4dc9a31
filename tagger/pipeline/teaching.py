"""Heads that are learned while a daemon works: each by `tagger teach` in a process of its own, one after the other.

So the daemon keeps its memory, and what learning does wrong ends nobody else. The child puts a head's files into place;
`labelling` sees them there. A head that was taught for another model than the one in use is learned anew from its examples.
"""

import logging
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Condition

from tagger.pipeline.recent_events import RecentEvents
from tagger.supervision import Closed, waiting
from tagger.wording.escape import cut, shown

log = logging.getLogger(__name__)

LOOK_EVERY = 10.0
"""Seconds between two looks for heads that are to be learned for the model in use."""
_MOST = 20
"""Heads that wait to be learned."""
_WITHIN = 3600.0
"""Seconds that learning may take: examples that the model has not seen yet are tagged first."""


class Teaching:
    """`step` is to be run in a thread. `ask` may be called by others."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        unfit: Callable[[], Iterable[str]],
        events: RecentEvents,
    ) -> None:
        """`command` learns the head whose name follows it; `unfit` returns heads that were taught for other models alone."""
        self._command, self._environment = tuple(command), dict(environment)
        self._unfit, self._events = unfit, events
        self._changed, self._closed = Condition(), False
        self._wanted: deque[str] = deque()
        self._tried: set[str] = set()
        self._learning: str | None = None
        self._child: subprocess.Popen[str] | None = None

    def ask(self, name: str) -> bool:
        """Have a head learned as soon as may be. Return whether it will be: not where too many wait already."""
        with self._changed:
            if name in self._wanted:
                return True
            if len(self._wanted) >= _MOST:
                return False
            self._wanted.append(name)
            self._changed.notify_all()
            return True

    def is_at(self, name: str) -> bool:
        """Return whether a head is being learned, or waits to be."""
        with self._changed:
            return name in self._wanted or name == self._learning

    def step(self) -> None:
        """Learn the head that has waited longest, or that is to be learned for this model. Raises Closed."""
        with self._changed, waiting():
            self._changed.wait_for(lambda: self._closed or self._wanted, LOOK_EVERY)
            if self._closed:
                raise Closed
            name = self._learning = self._wanted[0] if self._wanted else self._next_unfit()
        if name:
            with waiting():
                code, said = self._learn(name)
            with self._changed, suppress(ValueError):
                self._learning = None
                self._wanted.remove(name)
            self._tell(name, code, said)  # whoever is told and asks finds that it is no longer being learned

    def close(self) -> None:
        """End the wait, and the child process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._child:
            self._child.terminate()

    def _next_unfit(self) -> str | None:
        """Return a head that was not tried for this model yet; None where there is none."""
        name = next((name for name in self._unfit() if name not in self._tried), None)
        if name:
            self._tried.add(name)
            log.info("head %s was taught for another model; it is learned anew from its examples", name)
        return name

    def _learn(self, name: str) -> tuple[int, str]:
        """Return the child's exit code, and what it said."""
        with subprocess.Popen(  # noqa: S603 - our own program
            [*self._command, name],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as self._child:
            said = self._wait(self._child)
        return self._child.returncode, said

    def _wait(self, child: "subprocess.Popen[str]") -> str:
        """Return what the child said."""
        if self._closed:
            child.terminate()
        try:
            return child.communicate(timeout=_WITHIN)[0]
        except subprocess.TimeoutExpired:
            child.kill()
            return f"it took longer than {_WITHIN / 60:.0f} minutes"

    def _tell(self, name: str, code: int, said: str) -> None:
        if self._closed:
            raise Closed
        if code == 0:
            log.info("head %s was learned", name)
            self._events.post("head", head=name, learned="yes")
            return
        why = cut(shown(" ".join(said.split())), 500)
        log.warning("head %s was not learned: %s", name, why)
        self._events.post("head", head=name, learned="no", why=why)
