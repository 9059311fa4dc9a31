"""What is known to endanger a database: the place where it lies, and the SQLite that is here.

The place is said at every start, since moving the database is in its owner's hand. A fault of SQLite's is not: a
stock Debian 12 has it and offers no other, so a warning at each start would teach people to overlook warnings.
`tagger doctor` tells it.
"""

from collections.abc import Iterator
from pathlib import Path

from tagger.host import mounts

_RESET = ((3, 7, 0), (3, 51, 3))
_MENDED = {(3, 44): 6, (3, 50): 7}
"""https://www.sqlite.org/wal.html#walresetbug: from 3.7.0 on, mended in 3.51.3, and in two older lines."""


def warnings(path: Path) -> Iterator[str]:
    """Yield a sentence for each danger of the place where the database lies: what it is, and what to do."""
    kind = mounts.file_system(path)
    if not mounts.announces_changes(kind):
        yield (
            f"the database lies on {kind}, where several programs cannot share SQLite's log safely: "
            "keep it on a disk of this machine, with --database or `database:` in the config"
        )


def loses_resets(version: tuple[int, int, int]) -> bool:
    """Return whether this SQLite has the fault by which two programs that write at the same instant can damage a database."""
    since, until = _RESET
    mended = _MENDED.get(version[:2])
    return since <= version < until and (mended is None or version[2] < mended)
