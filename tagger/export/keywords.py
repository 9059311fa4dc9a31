"""What a picture is called in other programs: flat keywords, and keywords within one another.

Every keyword is among the hierarchical ones too: digiKam reads those alone where a picture has any.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tagger.export.language import Language
from tagger.store.core.database import Database
from tagger.store.search import vocabulary
from tagger.store.search.pictures import FoundPicture, HeadScored

_SEPARATOR = "|"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Keywords:
    """A picture's keywords. `paths` are keywords with what they are within, joined by `|`."""

    flat: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The categories as keywords in one language. `paths` are the ways to each category, by its key."""

    language: Language
    paths: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, database: Database, language: Language) -> "Hierarchy":
        """Return the hierarchy of all categories that the database has now."""
        names = {one.key: _word(one.name, one.name_zh, language) for one in vocabulary.categories(database)}
        parents = vocabulary.wholes(database)
        return cls(language, {key: tuple(_paths(key, names, parents)) for key in names})

    def keywords(self, picture: FoundPicture) -> Keywords:
        """Return the picture's labels and categories, all that it has, as keywords. A head's labels are within the head's name."""
        labels = [_word(one.name, one.name_zh, self.language) for one in picture.tags]
        categories = [_word(one.name, one.name_zh, self.language) for one in picture.categories]
        ways = [path for one in picture.categories for path in self.paths.get(one.key, ())]
        alone = [name for name in labels if name not in categories]
        own = [(one.head, _word(one.label, one.name_zh, self.language)) for one in _own_labels(picture)]
        within = [f"{head}{_SEPARATOR}{name}" for head, name in own]
        flat = [*labels, *categories, *(name for _, name in own)]
        return Keywords(_each_once(flat), _each_once([*ways, *alone, *within]))


def _own_labels(picture: FoundPicture) -> Iterator[HeadScored]:
    return (one for one in picture.heads if one.is_label)


def _paths(
    key: str,
    names: Mapping[str, str],
    parents: Mapping[str, Sequence[str]],
    below: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """Yield the path from the outermost category down to this one, by every way that does not come back to itself."""
    above = [parent for parent in parents.get(key, ()) if parent not in below | {key} and parent in names]
    for parent in above:
        for path in _paths(parent, names, parents, below | {key}):
            yield f"{path}{_SEPARATOR}{names[key]}"
    if not above:
        yield names[key]


def _word(name: str, name_zh: str, language: Language) -> str:
    """Return a name on one line, of characters that XML has, and without what would part it in two."""
    chosen = name_zh if language is Language.ZH and name_zh else name
    return " ".join(_NO_XML.sub("", chosen).replace(_SEPARATOR, "/").split())


def _each_once(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, words)))
