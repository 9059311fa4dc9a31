"""The log goes to stderr, so that results alone are on stdout: in lines for people on a terminal, else in a JSON object each.

What happens a thousand times is not said a thousand times: lines of one logger, level and template are alike, and past
so many a minute they are only counted. What is left to say of a minute is said with the first line after it: a timer
would be one more thread. Rejected: to compare whole messages, which name a different file each time.
"""

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tagger.wording.escape import shown_lines

MOST = 60
"""So many lines a minute that are alike are printed."""

WINDOW = 60.0
"""For so many seconds lines are counted together."""

FIELDS = ("source", "path", "error")
"""A record may tell these besides, each under its own name."""

Kind = tuple[str, int, str]


class Json(logging.Formatter):
    """Formats a record as an object in ASCII; a byte of a path that is not UTF-8 is a lone surrogate, as Python has it."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= {name: str(record.__dict__[name]) for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)


class Text(logging.Formatter):
    """Formats a record for people: what a file is called neither moves their cursor nor begins a line of the log."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return shown_lines(super().formatMessage(record), "  ")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return shown_lines(super().formatException(ei))


class Repeats:
    """Counts records that are alike. It is not thread-safe: the handler holds its lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._until = clock, clock() + WINDOW
        self._counts: Counter[Kind] = Counter()
        self._last: dict[Kind, str] = {}

    def passed(self, record: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """Yield the records to be printed now that this one has come."""
        if self._clock() >= self._until:
            yield from self.left()
        kind = (record.name, record.levelno, str(record.msg))
        self._counts[kind] += 1
        if record.levelno <= logging.DEBUG or self._counts[kind] <= MOST:
            yield record
        else:
            self._last[kind] = record.getMessage()

    def left(self) -> Iterator[logging.LogRecord]:
        """Yield a record for each kind that the minute has left unsaid, and begin a new minute."""
        counts, last = self._counts, self._last
        self._counts, self._last, self._until = Counter(), {}, self._clock() + WINDOW
        for (logger, level, template), message in last.items():
            more = counts[logger, level, template] - MOST
            said = ("… and %d more like it: %s", (more, message))
            yield logging.LogRecord(logger, level, "", 0, *said, exc_info=None)


class _Stderr(logging.Handler):
    """Looks sys.stderr up at each line: a progress bar puts itself in its place, to stay below the lines."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for one in self._repeats.passed(record):
                self._print(one)
        except Exception:  # whoever reads the log may be gone; that must not end the work
            self.handleError(record)

    def close(self) -> None:
        self.acquire()
        try:
            for one in self._repeats.left():
                self._print(one)
        finally:
            self.release()
            super().close()

    def _print(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def log_to_stderr(level: str, form: str = "auto") -> None:
    """Have the log written to stderr from now on.

    `level` is one of Python's level names, in any case; `form` is auto, text or json. Libraries are heard from warnings on.
    """
    is_text = sys.stderr.isatty() if form == "auto" else form == "text"
    handler = _Stderr()
    handler.setFormatter(Text() if is_text else Json())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("tagger").setLevel(level.upper())
