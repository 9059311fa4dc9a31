"""What a picture is called in other programs: flat keywords, and keywords within one another.

Every keyword is among the hierarchical ones too: digiKam reads those alone where a picture has any.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tagger.store.core.database import Database
from tagger.store.core.schema import category, category_within
from tagger.store.search.pictures import FoundPicture

_SEPARATOR = "|"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Language(StrEnum):
    """A name that there is not in Chinese is taken in English."""

    EN = "en"
    ZH = "zh"


@dataclass(frozen=True, slots=True)
class Keywords:
    """`paths` are keywords with what they are within, joined by `|`."""

    flat: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`paths` are the ways to each category, by its id."""

    language: Language
    paths: Mapping[int, tuple[str, ...]]

    @classmethod
    def read(cls, database: Database, language: Language) -> "Vocabulary":
        with database.read() as connection:
            rows = connection.execute(category.select()).all()
            within = connection.execute(category_within.select()).all()
        names = {row.id: _word(row.name, row.name_zh, language) for row in rows}
        parents = {id_: [row.parent_id for row in within if row.category_id == id_] for id_ in names}
        return cls(language, {id_: tuple(_paths(id_, names, parents)) for id_ in names})

    def of(self, picture: FoundPicture) -> Keywords:
        """Its labels and categories, all that it has."""
        labels = [_word(one.name, one.name_zh, self.language) for one in picture.tags]
        categories = [_word(one.name, one.name_zh, self.language) for one in picture.categories]
        ways = [path for one in picture.categories for path in self.paths.get(one.id, ())]
        alone = [name for name in labels if name not in categories]
        return Keywords(_each_once([*labels, *categories]), _each_once([*ways, *alone]))


def _paths(
    id_: int, names: Mapping[int, str], parents: Mapping[int, list[int]], below: frozenset[int] = frozenset()
) -> Iterator[str]:
    """From the outermost category down to this one, by every way that does not come back to itself."""
    above = [parent for parent in parents[id_] if parent not in below | {id_} and parent in names]
    for parent in above:
        for path in _paths(parent, names, parents, below | {id_}):
            yield f"{path}{_SEPARATOR}{names[id_]}"
    if not above:
        yield names[id_]


def _word(name: str, name_zh: str | None, language: Language) -> str:
    """A name on one line, of characters that XML has, and without what would part it in two."""
    chosen = name_zh if language is Language.ZH and name_zh else name
    return " ".join(_NO_XML.sub("", chosen).replace(_SEPARATOR, "/").split())


def _each_once(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, words)))
