"""XMP sidecars: where each lies, and how it is written without loss of what others keep there."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import ConfigError, TaggerError
from tagger.export import xmp
from tagger.export.files import whole
from tagger.export.keywords import Keywords
from tagger.store.database import Database
from tagger.store.found import Picture
from tagger.store.schema import State, source

SUFFIX = ".xmp"
_LARGEST = 64 * 1024 * 1024
_LEFT_ALONE = "it is left as it was"


@dataclass(frozen=True, slots=True)
class Beside:
    """Each beside its picture."""

    def place(self, picture: Picture) -> Path | None:
        """None where there is no picture any more."""
        there = picture.state != State.GONE and os.path.lexists(picture.path)
        return Path(picture.path + SUFFIX) if there else None


@dataclass(frozen=True, slots=True)
class Mirror:
    """All in one folder, as `SOURCE/path/within/it`. `roots` are the sources' folders by name."""

    folder: Path
    roots: Mapping[str, str]

    @classmethod
    def read(cls, database: Database, folder: Path) -> "Mirror":
        """Raises ConfigError where the mirror would be the pictures' own folder."""
        if folder.exists() and not folder.is_dir():
            raise ConfigError(str(folder), "is not a folder", "name one that is, or a new one")
        with database.read() as connection:
            rows = connection.execute(source.select()).all()
        for row in rows:
            if os.path.realpath(folder / _folder_name(row.name)) == os.path.realpath(row.root):
                what = "sidecars there would be beside the pictures"
                raise ConfigError(str(folder), what, "name another folder, or say --beside")
        return cls(folder, {row.name: row.root for row in rows})

    def place(self, picture: Picture) -> Path | None:
        """Raises TaggerError where it would be elsewhere than in the folder."""
        root = self.roots.get(picture.source, "")  # of a source that came meanwhile nothing is known
        within = picture.path.removeprefix(root.rstrip("/") + "/") if root else ""
        if not {"", ".", ".."}.isdisjoint(within.split("/")):
            raise TaggerError(picture.path, "is no path within its source")
        return self.folder / _folder_name(picture.source) / (within + SUFFIX)


def _folder_name(name: str) -> str:
    """A source's name as one folder's: two names stay two."""
    plain = name.replace("%", "%25").replace("/", "%2F")
    return plain.replace(".", "%2E") if plain in (".", "..") else plain or "%"


def write(path: Path, keywords: Keywords) -> bool:
    """Whether there was anything to write. Raises TaggerError where the sidecar cannot be read or written."""
    with _in_words(path):
        data, like = _read(path)
        new = xmp.merged(data, keywords)
        if new is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path, like) as file:
            file.write(new)
            _expect_unchanged(path, like)
    return True


def _read(path: Path) -> tuple[bytes, os.stat_result | None]:
    """Never through a link: whoever made it may mean any file of the user's."""
    try:
        with open(path, "rb", opener=_open_itself) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
                raise TaggerError(str(path), "is no file that a sidecar could be", _LEFT_ALONE)
            return file.read(), found
    except FileNotFoundError:
        return b"", None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TaggerError(str(path), "is a symbolic link", _LEFT_ALONE) from None
        raise


def _open_itself(path: str, flags: int) -> int:
    """No link is followed, and no pipe is waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _expect_unchanged(path: Path, like: os.stat_result | None) -> None:
    try:
        now = path.lstat()
    except FileNotFoundError:
        now = None
    if _version(now) != _version(like):
        raise TaggerError(str(path), "was changed by another program meanwhile", "export again")


def _version(found: os.stat_result | None) -> tuple[int, ...]:
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found else ()


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except xmp.MalformedError as error:
        raise TaggerError(str(path), str(error), _LEFT_ALONE) from None
    except OSError as error:
        raise TaggerError(str(path), error.strerror or str(error)) from None
