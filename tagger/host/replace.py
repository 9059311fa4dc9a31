"""Files that are there whole or not at all: written under another name beside, then renamed into their place.

The name until then is a chance one. Rejected: one made of the process's number, which two containers that share a folder
may both have. What several calls or programs write keeps to a name of its own: weights that are fetched go on from what has come
(vision.fetch), and SQLite opens a copy by its name (store.core.database). A folder is renamed as one (vision.graph).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(
    path: Path, *, mode: int = 0o666, folder: int | None = None, survives_power_cut: bool = True
) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `path` once the block has ended without an error. Raises OSError.

    It has the `mode`, less the umask, from its first byte. With the descriptor of its `folder` it is written through that,
    wherever the path leads by then. What need not survive a power cut saves the time that a disk takes.
    """
    part = path.with_name(f".tagger-{os.urandom(4).hex()}.part")
    here, there = (part, path) if folder is None else (part.name, path.name)
    descriptor = os.open(here, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if survives_power_cut:
                os.fsync(descriptor)  # else an empty file may be in the place of a full one
        os.replace(here, there, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(here, dir_fd=folder)
        raise
