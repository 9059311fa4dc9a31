"""Twins vote once, and one picture has no two labels."""

import numpy as np

from tagger.teach.twins import contradictions, originals
from tests.unit.test_teach_learn import pictures


def test_nearly_the_same_picture_counts_once_within_its_label() -> None:
    rows = pictures(None, 30)
    shaken = rows + 0.01 * pictures(None, 30, seed=1)
    shaken /= np.linalg.norm(shaken, axis=1, keepdims=True)
    vectors, labels = np.concatenate([rows, shaken]), np.ones((60, 1), bool)
    assert list(originals(vectors, labels)) == [*range(30), *range(30)]
    labels = np.repeat(np.eye(2, dtype=bool), 30, axis=0)
    assert list(originals(vectors, labels)) == list(range(60))


def test_a_video_that_changes_slowly_is_more_than_one_picture() -> None:
    angles = np.linspace(0, np.pi / 2, 50)
    frames = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    stands = originals(frames, np.ones((50, 1), bool))
    assert 3 <= len(np.unique(stands)) <= 8
    assert (stands <= np.arange(50)).all()
    assert (frames * frames[stands]).sum(axis=1).min() >= 0.95


def test_thousands_of_copies_of_few_pictures_come_to_those() -> None:
    rows = np.tile(pictures(None, 12), (100, 1))
    assert list(np.unique(originals(rows, np.ones((1200, 1), bool)))) == list(range(12))


def test_one_content_under_two_labels_is_found() -> None:
    labelled = [("aa", "battle"), ("bb", "city"), ("aa", "city"), ("bb", "city")]
    assert contradictions(labelled) == {"aa": ("battle", "city")}
