"""The pictures to learn from: found, looked at once, and divided.

Each is decoded once before the first epoch: what cannot be read is then named at the beginning, copies are known by their content, and
near copies by their look.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.errors import ConfigError
from tagger.heads.names import check_label
from tagger.train.division import FEWEST, Division, LabelledPicture, divided
from tagger.train.likeness import Look, look
from tagger.train.reader import PictureReader
from tagger.vision.decode import SUFFIXES

_SEEN_AT_ONCE = 256
_AS_FOLDERS = "make a folder for each label in it, such as battle, and put its pictures into each"

Progress = Callable[[str, int, int], None]
"""Told of what is done, how much of it is, and of how much."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Labels in class order, and pictures: to learn from, to say when to stop, and to be judged by.

    Of each content that was there more than once, `copies` counts all but the first. Of `count` contents, as many are `different` as do
    not look nearly like another of their label. All pictures of the labels in `of_one_look` do, so neighbours of theirs are in all parts.
    """

    labels: tuple[str, ...]
    training: tuple[LabelledPicture, ...]
    validation: tuple[LabelledPicture, ...]
    test: tuple[LabelledPicture, ...]
    count: int
    different: int
    of_one_look: tuple[str, ...]
    copies: int

    @classmethod
    def of(cls, labels: Sequence[str], divisions: Sequence[Division], count: int, copies: int) -> "DataSet":
        """Return all labels' pictures together; there is one division for each label."""
        return cls(
            labels=tuple(labels),
            training=tuple(one for its in divisions for one in its.training),
            validation=tuple(one for its in divisions for one in its.validation),
            test=tuple(one for its in divisions for one in its.test),
            count=count,
            different=sum(its.different for its in divisions),
            of_one_look=tuple(
                label for label, its in zip(labels, divisions, strict=True) if its.is_of_one_look
            ),
            copies=copies,
        )

    @property
    def left_out(self) -> int:
        """Return how many contents are in no part, for each looks nearly like one that judges or says when to stop."""
        return self.count - len(self.training) - len(self.validation) - len(self.test)


def gathered(folder: Path, reader: PictureReader, progress: Progress) -> DataSet:
    """Return the pictures of a folder of folders, one for each label. Raises ConfigError, which says what is missing."""
    folders = labels_of(folder)
    files = [(path, label) for label, inside in enumerate(folders.values()) for path in below(inside)]
    read, looks = _looked_at(files, reader, progress)
    different = _different(read, list(folders))
    _refuse_too_few(folders, different, reader.unreadable)
    divisions = [
        divided([one for one in different if one.label == label], looks) for label in range(len(folders))
    ]
    return DataSet.of([*folders], divisions, len(different), len(read) - len(different))


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
) -> tuple[list[LabelledPicture], Mapping[str, Look]]:
    """Return the pictures that can be read, and their looks by their contents."""
    found: list[LabelledPicture] = []
    looks: dict[str, Look] = {}
    for first in range(0, len(files), _SEEN_AT_ONCE):
        page = files[first : first + _SEEN_AT_ONCE]
        for file, seen in zip(page, reader.read(path for path, _ in page), strict=True):
            if seen:
                found.append(LabelledPicture(*file, seen.sha256))
                looks[seen.sha256] = look(seen.pixels)
        progress("looking at the pictures", first + len(page), len(files))
    return found, looks


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
    counts = Counter(one.label for one in different)
    for label, folder in enumerate(folders.values()):
        if counts[label] < FEWEST:
            bad = [f"; {path}: {why}" for path, why in unreadable.items() if path.startswith(f"{folder}/")]
            what = f"{counts[label]} different pictures in it can be read, and {FEWEST} are the fewest"
            hint = "put more into it, some hundreds if you have them"
            raise ConfigError(str(folder), "".join([what, *bad[:1]]), hint)
