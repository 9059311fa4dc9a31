"""Where the log goes: stderr, so that results alone are on stdout."""

import logging
import sys


def log_to_stderr(level: str) -> None:
    """`level` is one of Python's level names, in any case. Libraries are heard from warnings on."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("tagger").setLevel(level.upper())
