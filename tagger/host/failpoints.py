"""Failpoints: named places on a file's way where a test may let the process die, hang or stop, as the world does.

They are off, and all but free, unless a variable sets some:

    TAGGER_FAILPOINTS="store=kill:3 decode=hang@poison.png"

`kill` is kill -9 by oneself, `hang` waits for ever, `stop` is SIGSTOP, `raise` an error that nobody expects. `:3` is
the third time only, `@text` only for paths that hold the text. Patching functions from a test was rejected: what is
to be shown is what a real process leaves behind.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from tagger.errors import ConfigError

VARIABLE = "TAGGER_FAILPOINTS"

PLACES = ("see", "settle", "admit", "admitted", "claimed", "read", "decode", "infer", "store", "stored")
"""In the order of a file's way: each is reached before the step of its name, those in the past tense after a commit."""


@dataclass(frozen=True)
class _Failpoint:
    fail: Callable[[], object]
    only: str
    at: int
    times: Iterator[int]


def reach(place: str, path: str = "") -> None:
    """Fail as the failpoint at `place` is set to, where one is. `path` is the file, where the place is one file's."""
    if _SET and (point := _SET.get(place)) and point.only in path and point.at in (0, next(point.times)):
        point.fail()


def _parse(text: str) -> dict[str, _Failpoint]:
    points = {}
    for word in text.split():
        place, _, rest = word.partition("=")
        rest, _, only = rest.partition("@")
        action, _, at = rest.partition(":")
        if place not in PLACES or action not in _ACTIONS or not (at or "1").isdecimal():
            hint = f"place=action[:N][@text]; places: {', '.join(PLACES)}; actions: {', '.join(_ACTIONS)}"
            raise ConfigError(VARIABLE, f"{word!r} is no failpoint", hint)
        points[place] = _Failpoint(_ACTIONS[action], only, int(at or 0), count(1))
    return points


def _raise() -> None:
    raise RuntimeError("a failpoint")


_ACTIONS: dict[str, Callable[[], object]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "hang": lambda: threading.Event().wait(),
    "raise": _raise,
}
_SET = _parse(os.environ.get(VARIABLE, ""))
