"""Distillation: a network that knows more says what pictures without labels show, and the one that learns is to say the same.

Both see the same view of a picture (Beyer et al. 2022, arXiv:2106.05237), and all of the teacher's scores are learned, not its best label
alone. A teacher of the same labels teaches the last layer itself; of other labels, a layer beside it, which is not kept: then
the body learns what the teacher tells apart.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagger.records import Label
from tagger.train.reader import PictureReader
from tagger.vision.engines.torch_model import load_graph
from tagger.vision.weights import Weights


class Teacher:
    """Teaches by pictures in `files`. `taught` is how many classes it has besides those that are learned anyway.

    `identity` is of its weights and of its pictures' paths; their contents are not read for it, since there may be millions.
    """

    def __init__(
        self, weights: Weights, labels: Sequence[str], files: Sequence[str], device: torch.device
    ) -> None:
        """Raises ModelError where the weights do not fit their architecture."""
        self._graph, self._files = load_graph(weights).to(device), files
        self._side = weights.preprocessing.crop
        self._columns = _columns(weights.labels, labels)
        self.taught = 0 if self._columns else len(weights.labels)
        named = hashlib.sha256("\0".join(files).encode(errors="surrogateescape")).hexdigest()
        self.identity = f"{weights.identity} {named}"

    def steps(self, batch: int) -> int:
        """Return how many batches its pictures come to."""
        return math.ceil(len(self._files) / batch)

    def lessons(
        self, batch: int, steps: int, chance: torch.Generator, reader: PictureReader
    ) -> Iterator[list[NDArray[np.uint8]]]:
        """Yield as many batches of squares, in random order, again and again; fewer squares or none where they cannot be read."""
        for squares in reader.ahead(itertools.islice(self._batches(batch, chance), steps)):
            yield [one.pixels for one in squares if one]

    def loss(self, images: Tensor, said: tuple[Tensor, Tensor]) -> Tensor:
        """Return how far from the teacher it is what the network `said` of images from 0 to 1."""
        with torch.no_grad():
            fitting = functional.interpolate(
                images, (self._side, self._side), mode="bilinear", antialias=True
            )
            scores: Tensor = self._graph(255 * fitting.permute(0, 2, 3, 1))[0]
        own, other = said
        if self._columns is None:
            return functional.cross_entropy(other, scores)
        return functional.cross_entropy(own, scores[:, self._columns])

    def _batches(self, size: int, chance: torch.Generator) -> Iterator[list[str]]:
        while True:
            order = torch.randperm(len(self._files), generator=chance).tolist()
            for first in range(0, len(order), size):
                yield [self._files[at] for at in order[first : first + size]]


def _columns(known: Sequence[Label], labels: Sequence[str]) -> list[int] | None:
    """Return where the teacher has each of the labels; None where it has others, or more."""
    found = {
        name: at for at, one in enumerate(known) for name in (one.key, one.key.partition("/")[2], one.name)
    }
    wanted = [found.get(label) for label in labels]
    same = len(known) == len(labels) and None not in wanted
    return [at for at in wanted if at is not None] if same else None
