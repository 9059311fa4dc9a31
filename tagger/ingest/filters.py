"""Is this path ours, and whose? One predicate, used by watch and scan alike.

A folder's verdict is worked out once and kept, so that a file costs a look-up and the match of its
own name. Matching patterns against whole paths was rejected: it took several times as long per file.

A pattern without a slash speaks of a name, at any depth; one with a slash of the path from the
source's folder. `**` is any number of folders, case does not matter, a dot is a letter like others.
An exclude pattern that matches a folder covers everything in it; include patterns name files. Patterns and names are
compared with their letters composed (NFC): they may have been typed on one system, and written by another.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from wcmatch import glob

from tagger.config.sources import Source
from tagger.wording.unicode_forms import composed

IGNORED = re.compile(
    "@eadir|#recycle|#snapshot|@tmp|@sharebin"  # Synology
    "|@recycle|@recently-snapshot"  # QNAP
    "|~snapshot"  # NetApp
    "|__macosx|network trash folder|temporary items"  # macOS
    r"|\$recycle\.bin|recycler|system volume information|found\.[0-9]{3}"  # Windows
    r"|lost\+found",
    re.IGNORECASE | re.ASCII,
)
"""Folders that NAS boxes and operating systems fill for themselves: thumbnails, what was deleted, and what was
there before. Those of other systems begin with a dot, as .zfs and .snapshot do."""

FLAGS = glob.GLOBSTAR | glob.IGNORECASE | glob.DOTGLOB | glob.FORCEUNIX
FOLDERS_REMEMBERED = 10_000


def is_system_folder(name: str) -> bool:
    """Return whether a folder of this name is no place for pictures: one that begins with a dot, or that a system keeps for itself."""
    return name.startswith(".") or IGNORED.fullmatch(name) is not None


class Filters:
    """Which source owns a path. Paths are absolute, as `os.fsdecode` gives them.

    `suffixes` are those of files that can be decoded, in lower case and with their dot.
    """

    def __init__(self, sources: Iterable[Source], suffixes: Collection[str]) -> None:
        self._rules = [_Rules(source) for source in sources]
        self._suffixes = tuple(suffixes)
        self._inside = lru_cache(FOLDERS_REMEMBERED)(self._enter)

    def owner(self, path: str) -> Source | None:
        """Return the source whose file this is, or None where no source wants it.

        The innermost source around a file owns it, even if its own filter then refuses it.
        """
        folder, _, name = path.rpartition("/")
        if not name.lower().endswith(self._suffixes):
            return None
        rules = self._inside(folder)
        return rules.source if rules and rules.take(path, name) else None

    def owns(self, path: str, source: Source) -> bool:
        """Return whether this source, or another part of it, is the path's owner."""
        owner = self.owner(path)
        return owner is not None and owner.name == source.name

    def enters(self, folder: str, source: Source) -> bool:
        """Return whether a scan or watch of this source goes into this folder, at or below its start.

        The start always is entered, whatever the filter says: it was asked for by name.
        """
        rules = self._inside(folder)
        return rules is not None and rules.source.name == source.name

    def _enter(self, folder: str) -> "_Rules | None":
        rules = self._around(folder + "/")
        return rules if rules and rules.reach(folder) else None

    def _around(self, folder: str) -> "_Rules | None":
        """Return the innermost source around a folder; among parts of one source, that with the innermost start."""
        around = [rules for rules in self._rules if folder.startswith(rules.root)]
        root = max((rules.root for rules in around), key=len, default="")
        parts = [rules for rules in around if rules.root == root and folder.startswith(rules.start)]
        return max(parts, key=lambda rules: len(rules.start), default=None)


class _Rules:
    """One source's filter. `root` and `start` end with a slash."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root = str(source.path).rstrip("/") + "/"
        self.start = str(source.start).rstrip("/") + "/"
        self._include = _Globs(_rooted(pattern) for pattern in source.include)
        self._exclude = _Globs(_rooted(pattern) for pattern in source.exclude if not pattern.endswith("/**"))
        self._exclude_folder = _Globs(_rooted(pattern).removesuffix("/**") for pattern in source.exclude)

    def take(self, path: str, name: str) -> bool:
        """Return whether the filter wants a file in a folder that is entered."""
        if name.startswith("."):
            return False
        relative = path[len(self.root) :]
        if self.source.include and not self._include.match(relative, name):
            return False
        return not self._exclude.match(relative, name)

    def reach(self, folder: str) -> bool:
        """Return whether every folder on the way from the start down to this one is entered."""
        ends = [at for at, letter in enumerate(folder + "/") if letter == "/" and at >= len(self.start)]
        return not ends or (self.source.recursive and all(self._opens(folder[:end]) for end in ends))

    def _opens(self, folder: str) -> bool:
        name = folder.rpartition("/")[2]
        if is_system_folder(name):
            return False
        return not self._exclude_folder.match(folder[len(self.root) :], name)


class _Globs:
    """Patterns, compiled. Those that speak of names are kept apart: a name is quicker to match than a path."""

    def __init__(self, patterns: Iterable[str]) -> None:
        bare = {pattern: pattern.removeprefix("**/") for pattern in map(composed, patterns)}
        names = {pattern: name for pattern, name in bare.items() if name != pattern and "/" not in name}
        self._names = _compile(list(names.values()))
        self._paths = _compile([pattern for pattern in bare if pattern not in names])

    def match(self, relative: str, name: str) -> bool:
        """Return whether one matches the path from the source's root, or the name at its end."""
        if self._names and self._names.fullmatch(composed(name)):
            return True
        return bool(self._paths and self._paths.fullmatch(composed(relative)))


def _compile(patterns: list[str]) -> re.Pattern[str] | None:
    regexes, _ = glob.translate(patterns, flags=FLAGS, limit=0)
    return re.compile("|".join(regexes)) if regexes else None


def _rooted(pattern: str) -> str:
    """As a pattern of the path from the source's root."""
    return pattern if "/" in pattern else f"**/{pattern}"
