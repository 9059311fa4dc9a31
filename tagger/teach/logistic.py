"""Logistic regression on features: one product of a matrix, from one example on.

Features are centred by the mean of what is learned from, which changes nothing of the result but makes it quicker to find, and
is folded into the bias. Classes weigh the same, however many examples they have. Measured on seven sets, with 5, 20 and 60
examples a label; rejected: the mean of each class (1 to 6 points fewer are right), the nearest example (3 to 8 fewer), features
made white by the background's covariance (within half a point), and C of 1, 3, 30 and 100 (within half a point). To tell labels from one another
without the background is right up to 1.4 points more often, and foreign pictures get fewer labels; to tell the background
from all labels as one class gives ten times as many foreign pictures a label.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tagger.teach import nearness
from tagger.teach.examples import Examples, Truth, Vectors

C = 10.0
"""The inverse of how strongly weights are held to zero; as good as any between 3 and 30."""
_ROUNDS, _FEWER_ROUNDS, _TOLERANCE = 150, 60, 1e-3
"""Examples that nothing tells apart well take all rounds."""
_MANY = 2000
"""Examples from which on fewer rounds do, and it pays no more to learn labels without none as well."""
_STEEP = 30.0
"""Logits for each 1 of cosine; as good as 15 and 60."""
_NEVER = -30.0
"""A logit of what is never said."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """The logits of a picture: its features times F×C `weights`, plus C of `bias`."""

    weights: Vectors
    bias: Vectors

    def of(self, vectors: Vectors) -> Vectors:
        """Return N×C logits."""
        return vectors @ self.weights + self.bias


def fitted(examples: Examples, background: Vectors) -> Linear:
    """Return what tells the labels of the examples from one another, and from none: the examples without one, and the background.

    It has one class more than there are labels, of none, where a picture has one label at most. Labels are then told from one
    another by what was learned without none, and none from them all by what was learned with it, or where none is known
    by how near a picture lies to a label.
    """
    vectors, count = np.concatenate([examples.vectors, background]), len(examples.labels)
    if examples.any:
        return _each(vectors, np.concatenate([examples.truth, np.zeros((len(background), count), bool)]))
    classes = np.concatenate([examples.classes, np.full(len(background), count)])
    whole, own = _classes(vectors, classes, count + 1), classes < count
    if own.all():
        return _with_nearness(whole, examples)
    if len(np.unique(classes[own])) < count or count == 1 or own.sum() > _MANY:
        return whole
    alike = (
        len(classes) / own.sum() * count / (count + 1)
    )  # so that each class weighs what it weighed beside none
    return _joined(whole, _classes(vectors[own], classes[own], count, float(alike)))


def among(examples: Examples) -> Linear:
    """Return what tells the examples' labels from one another, and from none where some have none."""
    if examples.any:
        return _each(examples.vectors, examples.truth)
    return _classes(examples.vectors, examples.classes, len(examples.labels) + 1)


def _joined(whole: Linear, labels: Linear) -> Linear:
    """Return what tells labels from one another by the one, and from none, the last class, by the other."""
    weights, bias = whole.weights.copy(), whole.bias.copy()
    mean, level = weights[:, :-1].mean(axis=1, keepdims=True), bias[:-1].mean()
    weights[:, :-1] = labels.weights - labels.weights.mean(axis=1, keepdims=True) + mean
    bias[:-1] = labels.bias - labels.bias.mean() + level
    return Linear(weights, bias)


def _with_nearness(labels: Linear, examples: Examples) -> Linear:
    """Return what tells labels from one another as before, and from none by how near a picture lies to a label."""
    weights, bias = labels.weights.copy(), labels.bias.copy()
    weights[:, :-1] -= weights[:, :-1].mean(axis=1, keepdims=True)
    bias[:-1] -= bias[:-1].mean()
    weights[: examples.width - examples.light, :-1] += _STEEP * nearness.middles(examples).T
    bias[-1] = _STEEP * nearness.usual(examples)
    return Linear(weights, bias)


def _each(vectors: Vectors, truth: Truth) -> Linear:
    """Return a class for each label, told from all that is without it."""
    both = [_classes(vectors, has.astype(np.intp), 2) for has in truth.T]
    return Linear(
        np.stack([one.weights[:, 1] - one.weights[:, 0] for one in both], axis=1),
        np.array([one.bias[1] - one.bias[0] for one in both], np.float32),
    )


def _classes(vectors: Vectors, classes: NDArray[np.intp], count: int, weight: float = 1) -> Linear:
    weights = np.zeros((vectors.shape[1], count), np.float32)
    bias = np.full(count, _NEVER, np.float32)
    there = np.unique(classes)
    if len(there) == 1:
        bias[there] = 0
        return Linear(weights, bias)
    middle = vectors.mean(axis=0)
    rounds = _FEWER_ROUNDS if len(vectors) > _MANY else _ROUNDS
    model = LogisticRegression(C=C * weight, class_weight="balanced", max_iter=rounds, tol=_TOLERANCE)
    # Threads that share so small products wait for one another: two took nine times as long on two busy cores.
    with (
        threadpool_limits(1),
        warnings.catch_warnings(),
    ):  # what is not found in so many rounds is near enough
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectors - middle, classes)
    own, at = model.coef_.T, model.intercept_
    if len(there) == 2:  # scikit-learn gives one row for two classes
        own, at = np.concatenate([-own / 2, own / 2], axis=1), np.concatenate([-at / 2, at / 2])
    weights[:, there], bias[there] = own, at - middle @ own
    return Linear(weights, bias)
