"""Features of examples: those that are stored, and those that are made now, and kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.config.sources import Crop
from tagger.records import ModelIdentity
from tagger.runtime.teach.embedding import Embedding, reason, vectors
from tagger.store.core.database import Database
from tagger.store.tags import examples

Progress = Callable[[str, int, int], None]
"""What is told what is done at the moment, of how many pictures, and of how many in all."""

_PAGE = 1000


@dataclass(frozen=True)
class ExampleVectors:
    """Lit vectors of contents as one crop reads them, by their hashes, and those that have no features, with the reasons."""

    found: Mapping[str, bytes]
    missing: Mapping[str, str]


@dataclass(frozen=True)
class ExampleFeatures:
    """Looks at examples, wherever they lie, if the database does not know their features already."""

    database: Database
    embedding: Embedding
    progress: Progress

    def identity(self, crop: Crop) -> ModelIdentity:
        """Return what the model is where it crops pictures so. Raises ModelError."""
        return self.embedding.identity(crop)

    def of(self, crop: Crop, paths: Mapping[str, Sequence[str]]) -> ExampleVectors:
        """Return lit vectors of contents, which lie at these paths, by their hashes. Those that are made are kept in the database."""
        have = self._stored(crop, list(paths))
        todo = {sha256: file for sha256, at in paths.items() if sha256 not in have and (file := _there(at))}
        reasons: dict[str, str] = {}
        done = 0
        for outcomes in self.embedding.made(list(todo.values()), crop):
            new = {sha256: vector for sha256, vector in vectors(outcomes).items() if sha256 in paths}
            self._keep(crop, new)
            have |= new
            reasons |= {str(file): why for file, outcome in outcomes if (why := reason(outcome))}
            done += len(outcomes)
            self.progress("looking at", done, len(todo))
        missing = {sha256: _why(todo.get(sha256), reasons) for sha256 in paths if sha256 not in have}
        return ExampleVectors(have, missing)

    def _stored(self, crop: Crop, contents: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for first in range(0, len(contents), _PAGE):
            with self.database.read() as connection:
                page = contents[first : first + _PAGE]
                found |= examples.vectors(connection, self.identity(crop), page)
        return found

    def _keep(self, crop: Crop, new: Mapping[str, bytes]) -> None:
        if new:
            with self.database.write() as connection:
                description = self.embedding.classifier.description
                examples.keep(connection, self.identity(crop), description, new)


def _why(file: Path | None, reasons: Mapping[str, str]) -> str:
    if file is None:
        return "it is not there any more"
    return reasons.get(str(file), "another picture is there now")


def _there(paths: Sequence[str]) -> Path | None:
    return next((Path(one) for one in paths if Path(one).is_file()), None)
