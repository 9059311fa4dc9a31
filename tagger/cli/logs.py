"""Where the log goes: stderr, so that results alone are on stdout."""

import logging
import sys


class _Stderr(logging.Handler):
    """Looks sys.stderr up at each line: a progress bar puts itself in its place, to stay below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def log_to_stderr(level: str) -> None:
    """`level` is one of Python's level names, in any case. Libraries are heard from warnings on."""
    logging.basicConfig(
        handlers=[_Stderr()],
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("tagger").setLevel(level.upper())
