"""Whether a head would learn better of the whole frame, distorted, than of its middle: measured on its examples.

Of screenshots the edges tell as much as the middle: six games, of 20 examples each, are told in 96 % of the pictures by the whole
frame, and in 94 % by the middle. No picture of the library stands for none here: they would all have to be looked at again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tagger.config.sources import Crop, Source
from tagger.heads.head import numbers
from tagger.runtime.teach.crop_lesson import CropLesson
from tagger.runtime.teach.example_features import ExampleFeatures
from tagger.teach.examples import Aims, Examples
from tagger.teach.learn import judge

SQUASH: Crop = "squash"
CENTRE: Crop = "center"
_MOST = 300
"""Examples that are looked at again: some seconds, once."""
_LEAST, _PART = 2, 0.01
"""Examples, and the part of them, that must be told better."""
_EVEN = 0.5
"""The score from which on a label is likelier than not."""


@dataclass(frozen=True, slots=True)
class Squash:
    """The parts of `of` examples that are told right by either crop, and the sources that would have the other."""

    sources: Sequence[Source]
    centred: float
    squashed: float
    of: int

    @property
    def pays(self) -> bool:
        """Return whether another crop is worth that its sources are tagged anew."""
        return (self.squashed - self.centred) * self.of >= max(_LEAST, _PART * self.of) - 0.5


def compared(features: ExampleFeatures, lesson: CropLesson) -> Squash | None:
    """Return how the two crops compare for what was learned of middles; None where there is nothing to tell apart."""
    examples, contents = lesson.examples, lesson.contents
    chosen = _chosen(examples).tolist()
    seen = features.of(SQUASH, {contents[at]: [lesson.paths[at]] for at in chosen}).found
    chosen = [at for at in chosen if contents[at] in seen]
    if len(np.unique(examples.truth[chosen], axis=0)) < 2:
        return None
    some = replace(examples.only(np.array(chosen, np.intp)), background=examples.background[:0])
    right, known = _right(some)
    squashed = replace(some, vectors=numbers([seen[contents[at]] for at in chosen]))
    right_too, _ = _right(squashed.weighed(lesson.lesson.light))
    if not known.any():
        return None
    return Squash(
        lesson.sources, float(right[known].mean()), float(right_too[known].mean()), int(known.sum())
    )


def _chosen(examples: Examples) -> NDArray[np.intp]:
    """Return some of the examples, of each label as many as of the others, as far as it has them."""
    kinds = np.unique(examples.truth, axis=0, return_inverse=True)[1].ravel()
    each = max(_MOST // (int(kinds.max()) + 1), 1)
    return np.sort(np.concatenate([np.flatnonzero(kinds == kind)[:each] for kind in np.unique(kinds)]))


def _right(examples: Examples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which examples are told right by what was learned of others, and which were told at all."""
    judged = judge(examples, examples.background, Aims())
    if examples.any:
        return ((judged.scores > _EVEN) == examples.truth).all(axis=1), judged.known
    classes = examples.classes
    own = judged.scores[:, : classes.max() + 1]  # without none, where no example has it
    return own.argmax(axis=1) == classes, judged.known
