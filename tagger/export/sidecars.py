"""XMP sidecars: where each lies, and how it is written without loss of what others keep there.

A picture's folder is opened beneath its source's, through no link, and what is read and written there goes through its
descriptor: else whoever may write into a watched folder could have files written elsewhere. A mirror is its user's own.
"""

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
from tagger.export.xml_tree import MalformedError
from tagger.host import beneath
from tagger.store.core.database import Database
from tagger.store.queue import queries
from tagger.store.search.pictures import FoundPicture

SUFFIX = ".xmp"
_LARGEST = 64 * 1024 * 1024
_LEFT_ALONE = "it is left as it was"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar's file. `root` is the source's folder beneath which it lies, None in a mirror."""

    path: Path
    root: str | None = None

    @contextmanager
    def folder(self) -> Iterator[int]:
        """Give a descriptor of its folder, which is made in a mirror. Raises OSError."""
        folder, flags = self.path.parent, beneath.PLACE | os.O_DIRECTORY
        if self.root is None:
            folder.mkdir(parents=True, exist_ok=True)
            at = os.open(folder, flags)
        else:
            at = beneath.opened(self.root, beneath.below(self.root, str(folder)), flags)
        try:
            yield at
        finally:
            os.close(at)


@dataclass(frozen=True, slots=True)
class Beside:
    """Sidecars that lie beside their pictures. `roots` are the sources' folders by name."""

    roots: Mapping[str, str]

    @classmethod
    def read(cls, database: Database) -> "Beside":
        """Return the way to place sidecars of this database's sources."""
        return cls(_roots(database))

    def sidecar(self, picture: FoundPicture) -> Sidecar | None:
        """Return the picture's sidecar; None where the picture is not there any more."""
        root = self.roots.get(picture.source)
        if root is None or picture.is_gone:
            return None
        try:
            beneath.stat(root, picture.path)
        except OSError:
            return None
        return Sidecar(Path(picture.path + SUFFIX), root)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Sidecars that lie all in one folder, as `SOURCE/path/within/it`. `roots` are the sources' folders by name."""

    folder: Path
    roots: Mapping[str, str]

    @classmethod
    def read(cls, database: Database, folder: Path) -> "Mirror":
        """Return the way to place sidecars in the folder. Raises ConfigError where that is the pictures' own."""
        if folder.exists() and not folder.is_dir():
            raise ConfigError(str(folder), "is not a folder", "name one that is, or a new one")
        roots = _roots(database)
        for name, root in roots.items():
            if os.path.realpath(folder / _folder_name(name)) == os.path.realpath(root):
                what = "sidecars there would be beside the pictures"
                raise ConfigError(str(folder), what, "name another folder, or say --beside")
        return cls(folder, roots)

    def sidecar(self, picture: FoundPicture) -> Sidecar:
        """Return the picture's sidecar. Raises TaggerError where it would be elsewhere than in the folder."""
        root = self.roots.get(picture.source, "")  # of a source that came meanwhile nothing is known
        within = picture.path.removeprefix(root.rstrip("/") + "/") if root else ""
        if not {"", ".", ".."}.isdisjoint(within.split("/")):
            raise TaggerError(picture.path, "is no path within its source")
        return Sidecar(self.folder / _folder_name(picture.source) / (within + SUFFIX))


def _roots(database: Database) -> dict[str, str]:
    return {name: root for root, name in queries.roots(database).items()}


def _folder_name(name: str) -> str:
    """Return a source's name as one folder's: two names stay two."""
    plain = name.replace("%", "%25").replace("/", "%2F")
    return plain.replace(".", "%2E") if plain in (".", "..") else plain or "%"


def write(sidecar: Sidecar, keywords: Keywords) -> bool:
    """Bring the sidecar up to date, and return whether there was anything to write.

    Raises TaggerError where it cannot be read or written.
    """
    path = sidecar.path
    if sidecar.root is None and not keywords.flat and not path.parent.is_dir():
        return False  # no folder of a mirror is made for nothing
    with _in_words(path), sidecar.folder() as folder:
        data, like = _read(path, folder)
        new = xmp.merged(data, keywords)
        if new is None:
            return False
        with whole(path, like, folder) as file:
            file.write(new)
            _expect_unchanged(path, folder, like)
    return True


def _read(path: Path, folder: int) -> tuple[bytes, os.stat_result | None]:
    """Return what is there, and its stat. Never through a link: whoever made it may mean any file of the user's."""
    try:
        with open(
            path.name, "rb", opener=lambda name, _: beneath.descend(folder, name, beneath.FILE)
        ) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
                raise TaggerError(str(path), "is no file that a sidecar could be", _LEFT_ALONE)
            return file.read(), found
    except beneath.OutsideError:
        raise TaggerError(str(path), "is a symbolic link", _LEFT_ALONE) from None
    except FileNotFoundError:
        return b"", None


def _expect_unchanged(path: Path, folder: int, like: os.stat_result | None) -> None:
    try:
        now = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
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
    except MalformedError as error:
        raise TaggerError(str(path), str(error), _LEFT_ALONE) from None
    except OSError as error:
        raise TaggerError(str(path), error.strerror or str(error)) from None
