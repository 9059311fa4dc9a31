"""What an engine is: the seam between tagging and the library that computes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """One row per picture, in the batch's order.

    `probabilities` are N×C float32 that sum to 1 per row; `features` are N×F float32, the input of the
    model's last layer.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batching:
    """What suits a device.

    The most pictures in a batch, the milliseconds that waiting for them is worth, and how many batches it infers
    at once.
    """

    max_size: int
    max_wait_ms: float
    at_once: int = 1


CPU = Batching(8, 0)
"""Enough to spread what a batch costs besides, the commit above all; few enough to answer soon."""

GPU = Batching(256, 5)
"""A GPU takes 256 pictures in little more time than it takes 32."""


class Engine(Protocol):
    """Normalisation is the engine's own: it is handed pixels as they are."""

    @property
    def description(self) -> str:
        """Return what computes, and how, in a few words for the log."""

    @property
    def batching(self) -> Batching:
        """Return what suits the device it computes on."""

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        """Infer N×H×W×3 pixels. May raise anything; it is called from `batching.at_once` threads at most."""
