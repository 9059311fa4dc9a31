"""Pictures → readings, through an engine.

Outputs are counted against inputs: a row that belongs to another picture is the one error that nobody would
ever notice. A batch that fails is halved until the guilty picture is alone, so that its neighbours are tagged.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tagger.config.sources import Crop
from tagger.records import Failed, FailureKind, Features, Label, ModelIdentity, Picture, Reading, Tag, Tagged
from tagger.vision.categories import FLOOR, Categories
from tagger.vision.engines import Engine, Inference
from tagger.vision.features import features_of
from tagger.vision.models import Preprocessing
from tagger.vision.outdoor import Outdoor

log = logging.getLogger(__name__)


class Classifier:
    """An engine with what its outputs mean. `description` says which model this is, for log and status."""

    def __init__(
        self,
        engine: Engine,
        identity: ModelIdentity,
        labels: Sequence[Label],
        preprocessing: Preprocessing,
        categories: Categories,
        top_k: int,
        description: str,
        features: bool = False,
    ) -> None:
        """Give pictures, with `features`, also what they can be compared by."""
        self.engine = engine
        self.identity = identity
        self.labels = tuple(labels)
        self.preprocessing = preprocessing
        self.taxonomy = categories.taxonomy(labels)
        self._in_category = categories.matrix(labels)
        self._outdoor = Outdoor(labels)
        self.top_k = top_k
        self.description = description
        self._with_features = features

    def identities(self, crops: Mapping[str, Crop]) -> dict[str, ModelIdentity]:
        """Return the model's identity by source, for those whose pictures are cropped in another way than is usual."""
        own, usual = self.identity.preprocessing, str(self.preprocessing)
        return {
            source: replace(
                self.identity,
                preprocessing=own.replace(usual, str(replace(self.preprocessing, frame=crop))),
            )
            for source, crop in crops.items()
            if crop != self.preprocessing.frame
        }

    def classify(self, pictures: Sequence[Picture]) -> list[Tagged | Failed]:
        """Return one result per picture, in order. Raises nothing that a picture could cause."""
        if not pictures:
            return []
        try:
            inference = self._inferred(pictures)
        except Exception as error:  # whatever an engine raises on one picture must not cost another its tags
            return self._halved(pictures, error)
        first = np.cumsum([0, *(len(picture.frames) for picture in pictures[:-1])])
        rows, features = inference.probabilities, self._features(inference, pictures)
        sums = np.maximum.reduceat(rows @ self._in_category, first)
        return [
            Tagged(picture.target, picture.facts, self._reading(own, scores, picture.top_k), seen)
            for picture, own, scores, seen in zip(
                pictures, np.split(rows, first[1:]), sums, features, strict=True
            )
        ]

    def _inferred(self, pictures: Sequence[Picture]) -> Inference:
        """Return a row for each frame. Where pictures have several, no more are inferred together than if each had one."""
        frames = np.concatenate([picture.frames for picture in pictures])
        most = max(len(pictures), self.engine.batching.max_size)
        parts = [self.engine.infer(frames[at : at + most]) for at in range(0, len(frames), most)]
        rows, expected = (
            np.concatenate([part.probabilities for part in parts]),
            (len(frames), len(self.labels)),
        )
        if rows.shape != expected:
            raise ValueError(f"the engine gave {rows.shape} scores for {expected}")
        if not np.isfinite(rows).all():
            raise ValueError("the engine gave scores that are no numbers")
        return Inference(rows, np.concatenate([part.features for part in parts]))

    def _features(self, inference: Inference, pictures: Sequence[Picture]) -> Sequence[Features | None]:
        if not self._with_features:
            return [None] * len(pictures)
        return features_of(inference.features, [len(picture.frames) for picture in pictures])

    def _halved(self, pictures: Sequence[Picture], error: Exception) -> list[Tagged | Failed]:
        if len(pictures) > 1:
            middle = len(pictures) // 2
            return self.classify(pictures[:middle]) + self.classify(pictures[middle:])
        target = pictures[0].target
        log.warning("%r cannot be inferred", target.path, exc_info=error)
        # Retryable, because the fault may be the engine's: out of memory, a device that went away.
        reason = " ".join(str(error).split()) or type(error).__name__
        return [Failed(target, "infer", f"the model failed on it: {reason}", True, FailureKind.NOT_INFERRED)]

    def _reading(self, rows: NDArray[np.float32], sums: NDArray[np.float32], top_k: int) -> Reading:
        """Return what a picture's rows say, one for each frame: of each label the best. The surest frame tells how sure the model is."""
        row, surest = rows.max(axis=0), rows[rows.max(axis=1).argmax()]
        order = np.argsort(-row, kind="stable")  # stable: equal scores keep their class order
        tags = tuple(
            Tag(self.labels[index], float(row[index]), rank)
            for rank, index in enumerate(order[: top_k or self.top_k], start=1)
        )
        scores = np.sort(surest)[::-1].astype(np.float64)
        margin = scores[0] - scores[1:2].sum()
        some = scores[scores > 0]
        entropy = -(some * np.log(some)).sum()
        outdoor = self._outdoor.probability(rows)
        return Reading(tags, float(scores[0]), float(margin), float(entropy), self._categories(sums), outdoor)

    def _categories(self, sums: NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
        """Return the categories with a score that says something. Rounding may take a sum past 1."""
        found = np.flatnonzero(sums >= FLOOR)
        return tuple((self.taxonomy.categories[at].key, min(float(sums[at]), 1.0)) for at in found)
