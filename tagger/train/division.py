"""A label's pictures in three parts, with no picture in one part that looks nearly like one in another.

What looks nearly the same goes to one part together, and is judged or stopped by once: a hundred frames of one scene say no more than one of
them. Which part it goes to follows from its contents alone: it stays there whatever its files are called, and whatever else comes, unless that
looks like it. Rejected: a random division by a seed, which one more picture changes altogether, so that the network is judged by what
it learned before.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tagger.train.likeness import Look, groups

FEWEST = 3
"""Different pictures of a label: one to learn from, one to stop by, one to be judged by."""
TESTED, VALIDATED = 0.2, 0.15
"""The parts of a label's different pictures that judge the network at the end, and that say when to stop."""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture's path, the index of its label, and the sha256 of its content."""

    path: str
    label: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Division:
    """A label's pictures in three parts, and how many of all look `different`.

    `is_of_one_look` is where those are too few to be divided, so that what looks nearly the same is in all parts.
    """

    training: Sequence[LabelledPicture]
    validation: Sequence[LabelledPicture]
    test: Sequence[LabelledPicture]
    different: int

    @property
    def is_of_one_look(self) -> bool:
        return self.different < FEWEST


def divided(pictures: Sequence[LabelledPicture], looks: Mapping[str, Look]) -> Division:
    """Return how a label's pictures are divided, FEWEST at least, whose contents differ and have these looks."""
    ordered = sorted(pictures, key=lambda one: one.sha256)
    scenes = [
        [ordered[at] for at in group] for group in groups(np.stack([looks[one.sha256] for one in ordered]))
    ]
    different = len(scenes)
    if different < FEWEST:
        scenes = [[one] for one in ordered]
    scenes.sort(key=lambda scene: _rank(scene, TESTED * len(ordered)))
    tested = max(1, round(TESTED * len(scenes)))
    validated = tested + max(1, round(VALIDATED * len(scenes)))
    training = [one for scene in scenes[validated:] for one in scene]
    first = [scene[0] for scene in scenes]
    return Division(training, first[tested:validated], first[:tested], different)


def _rank(scene: Sequence[LabelledPicture], large: float) -> tuple[int, str]:
    """Return what a scene is sorted by: as good as a draw, and the same each time. Large ones are to be learned from, and come last."""
    size = len(scene) if len(scene) > large else 0
    return size, hashlib.sha256(scene[0].sha256.encode()).hexdigest()
