"""The pictures to learn from: found, looked at once, and divided.

Each is decoded once before the first epoch: what cannot be read is then named at the beginning, and copies are known by their
content. The three parts are of different contents, and which part a content is in depends on itself alone: it stays there whatever
else comes or goes, and whatever its file is called. Rejected: a random division by a seed, which one more picture changes altogether,
so that the network is judged by what it learned before.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import ConfigError
from tagger.heads.names import check_label
from tagger.train.reader import PictureReader
from tagger.vision.decode import SUFFIXES

FEWEST = 3
"""Different pictures of a label: one to learn from, one to stop by, one to be judged by."""
TESTED, VALIDATED = 0.2, 0.15
"""The parts of a label's pictures that judge the network at the end, and that say when to stop."""
_SEEN_AT_ONCE = 256
_AS_FOLDERS = "make a folder for each label in it, such as battle, and put its pictures into each"

Progress = Callable[[str, int, int], None]
"""Told of what is done, how much of it is, and of how much."""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture's path, the index of its label, and the sha256 of its content."""

    path: str
    label: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DataSet:
    """Labels in class order, and pictures: to learn from, to say when to stop, and to be judged by.

    Of each content that was there more than once, `copies` counts all but the first.
    """

    labels: tuple[str, ...]
    training: tuple[LabelledPicture, ...]
    validation: tuple[LabelledPicture, ...]
    test: tuple[LabelledPicture, ...]
    copies: int = 0

    @property
    def count(self) -> int:
        """Return how many pictures there are in all parts."""
        return len(self.training) + len(self.validation) + len(self.test)


def gathered(folder: Path, reader: PictureReader, progress: Progress) -> DataSet:
    """Return the pictures of a folder of folders, one for each label. Raises ConfigError, which says what is missing."""
    folders = labels_of(folder)
    files = [(path, label) for label, inside in enumerate(folders.values()) for path in below(inside)]
    read = _looked_at(files, reader, progress)
    different = _different(read, list(folders))
    names = tuple(folders)
    _refuse_too_few(folders, different, reader.unreadable)
    parts = [_divided([one for one in different if one.label == label]) for label in range(len(names))]
    training, validation, test = (
        tuple(one for part in which for one in part) for which in zip(*parts, strict=True)
    )
    return DataSet(names, training, validation, test, len(read) - len(different))


def labels_of(folder: Path) -> Mapping[str, Path]:
    """Return the folders in this one by the label that each is for. Raises ConfigError where they are no set of labels."""
    try:
        inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise ConfigError(
            str(folder), f"cannot be read: {error.strerror}", "name a folder of folders"
        ) from None
    if len(inside) < 2:
        what = "there is one label in it, and a choice needs two" if inside else "there is no folder in it"
        raise ConfigError(str(folder), what, _AS_FOLDERS)
    found: dict[str, Path] = {}
    for one in inside:
        label = check_label(os.fsencode(one.name).decode(errors="replace"))
        if same := next((name for name in found if name.casefold() == label.casefold()), None):
            raise ConfigError(
                str(one), f"is the same label as {same!r}", "put their pictures into one folder"
            )
        found[label] = one
    return found


def below(folder: Path) -> Iterator[str]:
    """Yield the pictures in a folder and below, by their names' endings; dotfiles are left out."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122
                yield os.path.join(here, name)  # noqa: PTH118


def _looked_at(
    files: Sequence[tuple[str, int]], reader: PictureReader, progress: Progress
) -> list[LabelledPicture]:
    found: list[LabelledPicture] = []
    for first in range(0, len(files), _SEEN_AT_ONCE):
        page = files[first : first + _SEEN_AT_ONCE]
        seen = reader.read(path for path, _ in page)
        found += [LabelledPicture(*file, one.sha256) for file, one in zip(page, seen, strict=True) if one]
        progress("looking at the pictures", first + len(page), len(files))
    return found


def _different(read: Sequence[LabelledPicture], labels: Sequence[str]) -> list[LabelledPicture]:
    """Return the first picture of each content. Raises ConfigError where one content has two labels."""
    first: dict[str, LabelledPicture] = {}
    for one in read:
        same = first.setdefault(one.sha256, one)
        if same.label != one.label:
            what = f"is the same picture as {same.path}, which is in {labels[same.label]!r}"
            raise ConfigError(one.path, what, "leave it in the folder of the right label alone")
    return list(first.values())


def _refuse_too_few(
    folders: Mapping[str, Path], different: Sequence[LabelledPicture], unreadable: Mapping[str, str]
) -> None:
    counts: defaultdict[int, int] = defaultdict(int)
    for one in different:
        counts[one.label] += 1
    for label, folder in enumerate(folders.values()):
        if counts[label] < FEWEST:
            bad = next(
                (
                    f"; {path}: {reason}"
                    for path, reason in unreadable.items()
                    if path.startswith(f"{folder}/")
                ),
                "",
            )
            what = f"{counts[label]} different pictures in it can be read, and {FEWEST} are the fewest{bad}"
            raise ConfigError(str(folder), what, "put more into it, some hundreds if you have them")


def _divided(pictures: Sequence[LabelledPicture]) -> tuple[Sequence[LabelledPicture], ...]:
    """Return a label's pictures in three parts. A hash is as good as a draw, and the same each time."""
    shuffled = sorted(pictures, key=lambda one: one.sha256)
    tested = max(1, round(TESTED * len(shuffled)))
    validated = tested + max(1, round(VALIDATED * len(shuffled)))
    return shuffled[validated:], shuffled[tested:validated], shuffled[:tested]
