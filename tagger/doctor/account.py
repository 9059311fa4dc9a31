"""Who looks, and what they may. By effective ids, as the kernel decides when a file is opened."""

import os
import pwd
from pathlib import Path


def name() -> str:
    """Of the account that this runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def may(path: str | Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def closed(path: Path) -> Path:
    """The first folder on the way to a path that may not be passed, or else the path itself."""
    ways = (folder for folder in reversed(path.parents) if not may(folder, os.X_OK))
    return next(ways, path)


def standing(path: Path) -> Path:
    """The path, or the innermost folder around it that is there."""
    return next(folder for folder in (path, *path.parents) if may(folder, os.F_OK))
