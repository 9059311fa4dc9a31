"""What a head learns of pictures that are cropped in one way: its examples with their features, the library's, and what came of them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tagger.config.sources import Crop, Source
from tagger.errors import ConfigError
from tagger.heads.head import numbers
from tagger.heads.light import LIGHT
from tagger.heads.names import NONE
from tagger.runtime.teach.example_features import ExampleFeatures
from tagger.store.tags import examples
from tagger.store.tags.examples import KnownExample
from tagger.teach.evaluate import Evaluation, evaluate
from tagger.teach.examples import Aims, Examples, Truth, Vectors
from tagger.teach.learn import Lesson, learn
from tagger.teach.twins import originals

BACKGROUND = 600
"""Pictures of the library that stand for none."""
_NAMED = 5


@dataclass(frozen=True, eq=False)
class CropLesson:
    """What was learned of pictures that are cropped in one way, for the sources that do.

    `contents` and `paths` are those of the examples, which are `given` in all, their twins included. `missing` are the paths of
    those that could not be looked at, with the reasons.
    """

    crop: Crop
    sources: Sequence[Source]
    examples: Examples
    lesson: Lesson
    report: Evaluation
    contents: Sequence[str]
    paths: Sequence[str]
    given: int
    missing: Mapping[str, str]

    def by_label(self) -> dict[str, list[str]]:
        """Return the contents by their labels, and those of none."""
        truth = self.examples.truth
        columns = {**dict(zip(self.examples.labels, truth.T, strict=True)), NONE: ~truth.any(axis=1)}
        rows = {name: np.flatnonzero(has).tolist() for name, has in columns.items()}
        return {name: [self.contents[at] for at in its] for name, its in rows.items() if its}

    def as_json(self) -> dict[str, Any]:
        """Return how good it is as JSON has it, its suspects by their contents and paths."""
        told = self.report.as_json()
        for one in told["suspects"]:
            at = one.pop("example")
            one |= {"sha256": self.contents[at], "path": os.fsencode(self.paths[at]).decode(errors="replace")}
        return told


@dataclass(frozen=True)
class Course:
    """What all crops' lessons have in common. `known` are a head's examples, and `labels` its labels that have some."""

    features: ExampleFeatures
    known: Sequence[KnownExample]
    labels: tuple[str, ...]
    any: bool
    aims: Aims

    def lesson(self, crop: Crop, sources: Sequence[Source]) -> CropLesson:
        """Learn of pictures that are cropped so, for these sources. Raises ConfigError where the examples teach nothing."""
        rows = self._rows(crop)
        truth = np.array([[label in one.labels for label in self.labels] for one in rows.known], bool)
        truth = truth.reshape(len(rows.known), len(self.labels))
        self._expect_some(truth, rows.missing)
        every = Examples(self.labels, rows.vectors, truth, rows.vectors[:0], self.any, light=len(LIGHT))
        kept = np.flatnonzero(originals(every.features, truth) == np.arange(len(truth))).tolist()
        background = self._background(crop, sources, every.width)
        groups = [rows.groups[at] or rows.paths[at] for at in kept] if any(rows.groups) else None
        its = replace(every.only(np.array(kept, np.intp)), background=background, groups=groups)
        lesson = learn(its, self.features.identity(crop), self.aims)
        its = its.weighed(lesson.light)
        report = evaluate(its, lesson, self.aims)
        paths = [rows.paths[at] for at in kept]
        contents = [rows.known[at].sha256 for at in kept]
        return CropLesson(crop, sources, its, lesson, report, contents, paths, len(truth), rows.missing)

    def _expect_some(self, truth: Truth, missing: Mapping[str, str]) -> None:
        """Raise ConfigError where all examples of a label are missing."""
        for label, has in zip(self.labels, truth.T, strict=True):
            if not has.any():
                named = ", ".join(f"{path} ({why})" for path, why in [*missing.items()][:_NAMED])
                hint = "put them back where they were, or give others; --forget-examples forgets all of the head's"
                raise ConfigError(label, f"none of its examples can be looked at: {named}", hint)

    def _rows(self, crop: Crop) -> "_Rows":
        """Return the examples that can be looked at, with their features."""
        with self.features.database.read() as connection:
            places = examples.places(connection, [one.sha256 for one in self.known])
        paths = {
            one.sha256: [*(place.path for place in places.get(one.sha256, ())), *filter(None, [one.path])]
            for one in self.known
        }
        seen = self.features.of(crop, paths)
        there = [one for one in self.known if one.sha256 in seen.found]
        groups = [next((place.group for place in places.get(one.sha256, ())), None) for one in there]
        missing = {(paths[sha256] or [sha256])[0]: why for sha256, why in seen.missing.items()}
        vectors = [seen.found[one.sha256] for one in there]
        where = [(paths[one.sha256] or [one.sha256])[0] for one in there]
        return _Rows(there, numbers(vectors), where, groups, missing)

    def _background(self, crop: Crop, sources: Sequence[Source], width: int) -> Vectors:
        contents, names = {one.sha256 for one in self.known}, [one.name for one in sources]
        with self.features.database.read() as connection:
            some = examples.some(connection, self.features.identity(crop), names, BACKGROUND)
            others = [one.vector for one in some if one.sha256 not in contents]
        return numbers([one for one in others if len(one) == 2 * width]).reshape(-1, width)


@dataclass(frozen=True)
class _Rows:
    """Examples with their lit vectors, places and groups, and the paths of those that are missing, with the reasons."""

    known: Sequence[KnownExample]
    vectors: Vectors
    paths: Sequence[str]
    groups: Sequence[str | None]
    missing: Mapping[str, str]
