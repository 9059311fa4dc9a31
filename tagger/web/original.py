"""A picture's own file is opened so that nothing but a file that its source reaches is ever shown."""

import os
import stat
from typing import BinaryIO

from tagger.errors import ErrorKind, TaggerError
from tagger.host.beneath import Reach
from tagger.store.search.pictures import Original
from tagger.wording.escape import shown


class GoneError(TaggerError):
    """The file is not there, or something else is in its place."""

    kind = ErrorKind.MISSING

    def __init__(self, original: Original, what: str, hint: str) -> None:
        super().__init__(shown(original.path), what, hint)


def opened(original: Original) -> BinaryIO:
    """Return the open file, which is the caller's to close. Raises GoneError where there is none."""
    try:
        found = Reach(original.root, original.roots).open(f"{original.root.rstrip('/')}/{original.path}")
    except OSError as error:
        what = f"cannot be opened: {error.strerror}"
        raise GoneError(original, what, "it was moved or deleted, or is a link now") from None
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise GoneError(original, "is no longer a file", "look at what is in its place")
    return os.fdopen(found, "rb")
