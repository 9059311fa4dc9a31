"""The account that looks, and what it may: by effective ids, as the kernel decides when a file is opened."""

import os
import pwd
from pathlib import Path


def name() -> str:
    """Return the name of the account that this runs as, or its number where it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def may(path: str | Path, mode: int) -> bool:
    """Return whether this account may do that with a path; `mode` is as for `os.access`."""
    return os.access(path, mode, effective_ids=True)


def closed(path: Path) -> Path:
    """Return the first folder on the way to a path that may not be passed, or else the path itself."""
    ways = (folder for folder in reversed(path.parents) if not may(folder, os.X_OK))
    return next(ways, path)


def standing(path: Path) -> Path:
    """Return the path, or the innermost folder around it that is there."""
    return next(folder for folder in (path, *path.parents) if may(folder, os.F_OK))
