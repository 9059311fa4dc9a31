"""What is known to endanger a database where it lies, or under the SQLite that is here: said at the start."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tagger import mounts

_RESET = ((3, 7, 0), (3, 51, 3))
_MENDED = {(3, 44): 6, (3, 50): 7}
"""https://www.sqlite.org/wal.html#walresetbug: from 3.7.0 on, mended in 3.51.3, and in two older lines."""


def hazards(path: Path, version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Iterator[str]:
    """A sentence for each: what it is, and what to do."""
    kind = mounts.file_system(path)
    if not mounts.announces_changes(kind):
        yield (
            f"the database lies on {kind}, where several programs cannot share SQLite's log safely: "
            "keep it on a disk of this machine, with --database or `database:` in the config"
        )
    if loses_resets(version):
        yield (
            f"SQLite {'.'.join(map(str, version))} has a rare fault by which two programs that write to one database at "
            "the same instant can damage it: let only Tagger write to this one, or upgrade to 3.51.3 (reading is safe)"
        )


def loses_resets(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fault by which two programs that write at the same instant can damage a database."""
    since, until = _RESET
    mended = _MENDED.get(version[:2])
    return since <= version < until and (mended is None or version[2] < mended)
