"""An engine without a model: it names a picture's mean colour. For tests and dry runs; it ships."""

import numpy as np
from numpy.typing import NDArray

from tagger.records import Label, ModelIdentity
from tagger.vision.engines import CPU, Inference
from tagger.vision.models import Preprocessing

_COLOURS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "cyan": (0, 1, 1),
    "magenta": (1, 0, 1),
    "white": (1, 1, 1),
    "grey": (0.5, 0.5, 0.5),
    "black": (0, 0, 0),
}
_SHARPNESS = 10.0
"""A pure colour scores above 0.99."""

LABELS = tuple(Label(f"mean-colour/{name}", name) for name in _COLOURS)
PREPROCESSING = Preprocessing(32, 32, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
IDENTITY = ModelIdentity("mean-colour", "none", str(PREPROCESSING))


class FakeEngine:
    """Probabilities fall with the squared distance to each colour; features are the mean RGB (F = 3, 0–1)."""

    description = "fake (mean colour)"
    batching = CPU

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        means = batch.reshape(len(batch), -1, 3).mean(axis=1) / 255
        centres = np.array(list(_COLOURS.values()))
        closeness = np.exp(-_SHARPNESS * ((means[:, None] - centres) ** 2).sum(axis=2))
        probabilities = closeness / closeness.sum(axis=1, keepdims=True)
        return Inference(probabilities.astype(np.float32), means.astype(np.float32))
