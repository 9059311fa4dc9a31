"""Indoors or outdoors, by what the model sees."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.records import Label
from tagger.vision import labels
from tagger.vision.outdoor import BIAS, TABLE, Outdoor

IMAGENET = labels.imagenet()


def seen(
    scores: dict[str, float], rest: float = 1e-5, classes: tuple[Label, ...] = IMAGENET
) -> NDArray[np.float32]:
    """A row of probabilities, of what is named and a little of everything else."""
    assert set(scores) <= {label.name for label in classes}
    return np.array([[scores.get(label.name, rest) for label in classes]], np.float32)


OUTDOORS = ({"valley": 0.6, "lakeside": 0.3}, {"monastery": 0.5, "palace": 0.4}, {"seashore": 0.9})
INDOORS = (
    {"washbasin": 0.5, "medicine chest": 0.4},
    {"dining table": 0.6, "restaurant": 0.3},
    {"quilt": 0.5, "four-poster": 0.4},
)


@pytest.mark.parametrize("scores", OUTDOORS)
def test_landscapes_and_buildings_are_outdoors(scores: dict[str, float]) -> None:
    assert (Outdoor(IMAGENET).probability(seen(scores)) or 0) > 0.6


@pytest.mark.parametrize("scores", INDOORS)
def test_furnished_rooms_are_indoors(scores: dict[str, float]) -> None:
    assert (Outdoor(IMAGENET).probability(seen(scores)) or 1) < 0.4


def test_the_classes_order_and_others_besides_change_nothing() -> None:
    scores = OUTDOORS[0]
    shuffled = (Label("own/cup", "my cup"), *reversed(IMAGENET))
    expected = Outdoor(IMAGENET).probability(seen(scores))
    assert Outdoor(shuffled).probability(seen(scores, classes=shuffled)) == pytest.approx(expected)
    half = seen(scores) / 2
    assert Outdoor(IMAGENET).probability(half.astype(np.float32)) == pytest.approx(expected, abs=1e-3)


def test_of_several_frames_the_mean_tells() -> None:
    frames = np.concatenate([seen(OUTDOORS[0]), seen(INDOORS[0])])
    told = Outdoor(IMAGENET).probability(frames)
    assert told == pytest.approx(
        Outdoor(IMAGENET).probability(frames.mean(axis=0, keepdims=True).astype(np.float32))
    )


def test_a_model_without_these_classes_cannot_tell() -> None:
    assert Outdoor(IMAGENET[:-1]).probability(np.full((1, 999), 1 / 999, np.float32)) is None
    assert Outdoor(()).probability(np.ones((1, 0), np.float32)) is None


def test_extremes_are_probabilities_too() -> None:
    for row in (np.zeros((1, 1000), np.float32), np.ones((1, 1000), np.float32)):
        assert 0 < (Outdoor(IMAGENET).probability(row) or 0) < 1


def test_the_table_has_every_class_and_weights_that_add_up_to_nothing() -> None:
    rows = dict(line.split("\t") for line in TABLE.read_text("utf-8").splitlines())
    assert set(rows) == {BIAS, *(label.key for label in IMAGENET)}
    assert sum(float(weight) for key, weight in rows.items() if key != BIAS) == pytest.approx(0, abs=1e-3)
