"""How much a head goes by light (`heads.light`) beside features: as much as its examples are told best by what was learned of others.

Measured on five sets, with 5 and 20 examples a label: where labels differ in light, such as day and night, a fifth of full weight
brings 87 to 96 and 96 to 99 %, and of weather 81 to 84 and 91 to 92 %; where they do not, it costs up to 2 %, which this choice spares but
for half a point. It is made by the likelihood of the right labels, not by how many are right: a few examples tell little by
that. Rejected: one weight for all heads.
"""

import numpy as np

from tagger.teach import folds, logistic, thresholds
from tagger.teach.examples import Examples, Vectors

WEIGHTS = (0.0, 0.1, 0.2)
"""At 1, a number that is one deviation from what is usual would count as much as all features together."""
_LEAST = 0.02
"""Nats a picture by which light must make the right labels likelier: less is chance, or a trait of these examples."""
_ENOUGH = 1000
"""Examples that tell it."""


def weight(examples: Examples, background: Vectors) -> float:
    """Return how much light is to count, 0 where it is not to. A single label is told from the background."""
    if not examples.light:
        return 0.0
    chosen = np.random.default_rng(0).permutation(len(examples.vectors))[:_ENOUGH]
    some = examples.only(np.sort(chosen))
    if len(examples.labels) == 1:
        some = some.and_none(background)
    losses = [_loss(some.weighed(one)) for one in WEIGHTS]
    return WEIGHTS[int(np.argmin(losses))] if losses[0] - min(losses) > _LEAST else 0.0


def _loss(examples: Examples) -> float:
    """Return how unlikely the right labels are, by what was learned of other examples."""
    parts = folds.dealt(examples)
    logits = np.zeros((len(parts), len(examples.labels) + (not examples.any)), np.float32)
    for part in np.unique(parts[parts != folds.ALWAYS]):
        line = logistic.among(examples.only(parts != part))
        logits[parts == part] = line.of(examples.vectors[parts == part])
    known = parts != folds.ALWAYS
    return thresholds.least_loss(logits[known], examples.answers[known], examples.any)
