"""Small files of the user's, where something else may lie: a pipe, a device, a folder, a file without end.

They are opened without waiting, looked at while open, and read no further than such a file goes. Rejected: to look first and
open then, because what lies there may be another thing by then.
"""

import errno
import os
import stat
from pathlib import Path


def read(path: Path, most: int) -> bytes:
    """Return the file's bytes. Raises OSError, which says what is there instead of a file of at most `most` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
    return data


def text(path: Path, most: int) -> str:
    """Return the file's text, without a byte order mark. Raises OSError, also where it is not UTF-8."""
    try:
        return read(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1:,} is not UTF-8; save it as UTF-8"
        raise OSError(errno.EILSEQ, what) from None
