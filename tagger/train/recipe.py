"""How a network learns: the numbers of it, which a checkpoint is bound to."""

import math
from dataclasses import dataclass

_FROZEN = 0.2
"""The part of the epochs in which the body does not learn."""
_WARM_UP = 0.05
"""The part of all steps in which the learning rate rises."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`rate` is the body's highest learning rate, `batch` counts pictures.

    It stops after `patience` epochs without a better one. `from_scratch` begins with chance numbers and freezes nothing.
    """

    epochs: int = 20
    batch: int = 32
    rate: float = 3e-4
    patience: int = 5
    from_scratch: bool = False

    @property
    def frozen(self) -> int:
        """Return in how many epochs the last layer learns alone."""
        return 0 if self.from_scratch or self.epochs < 2 else max(1, round(_FROZEN * self.epochs))

    def rate_at(self, part: float) -> float:
        """Return the learning rate after that part of all steps: a short rise, then half a cosine down to nothing."""
        if part < _WARM_UP:
            return self.rate * (0.1 + 0.9 * part / _WARM_UP)
        return self.rate * (1 + math.cos(math.pi * (part - _WARM_UP) / (1 - _WARM_UP))) / 2
