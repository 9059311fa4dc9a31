"""From pixels to readings, and what one bad picture may cost its neighbours."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.records import Facts, Failed, FailureKind, Label, Picture, Stamp, Tagged
from tagger.vision import categories
from tagger.vision.classify import Classifier
from tagger.vision.engines import CPU, Engine, Inference, fake

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}


def picture(colour: str) -> Picture:
    pixels = np.full((1, 32, 32, 3), COLOURS[colour], np.uint8)
    return Picture(Stamp(f"/{colour}", "source", 1, 0, 0), Facts("", 32, 32, "PNG", None), pixels)


def classifier(engine: Engine, labels: tuple[Label, ...] = fake.LABELS, top_k: int = 3) -> Classifier:
    return Classifier(
        engine, fake.IDENTITY, labels, fake.PREPROCESSING, categories.load(), top_k, engine.description
    )


class Scripted:
    """Gives every picture the same scores."""

    description = "scripted"
    batching = CPU

    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        return Inference(
            np.array([self.scores] * len(batch), np.float32), np.zeros((len(batch), 1), np.float32)
        )


class ByFrame(Scripted):
    """Gives each frame the scores that the red of its first pixel is the number of."""

    def __init__(self, *rows: tuple[float, ...]) -> None:
        self.rows = np.array(rows, np.float32)

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        return Inference(self.rows[batch[:, 0, 0, 0]], np.zeros((len(batch), 1), np.float32))


class Counting(fake.FakeEngine):
    """Remembers how many frames it was given at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        self.batches.append(len(batch))
        return super().infer(batch)


class Choking(fake.FakeEngine):
    """Raises on any batch with a black picture in it."""

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        if not batch.any(axis=(1, 2, 3)).all():
            raise MemoryError("out of\nmemory")
        return super().infer(batch)


class Lossy(fake.FakeEngine):
    """Silently skips black pictures, so that the rows after them move up."""

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        return super().infer(batch[batch.any(axis=(1, 2, 3))])


class Overflowing(fake.FakeEngine):
    """Gives no numbers for a black picture."""

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        inference = super().infer(batch)
        inference.probabilities[~batch.any(axis=(1, 2, 3))] = np.nan
        return inference


def labelled(count: int) -> tuple[Label, ...]:
    return tuple(Label(f"test/{index}", str(index)) for index in range(count))


def reading(*scores: float, top_k: int = 3) -> Tagged:
    (tagged,) = classifier(Scripted(*scores), labelled(len(scores)), top_k).classify([picture("red")])
    assert isinstance(tagged, Tagged)
    return tagged


def test_each_picture_gets_its_own_tags() -> None:
    colours = ["red", "white", "blue", "black", "red"]
    tagged = classifier(fake.FakeEngine()).classify([picture(colour) for colour in colours])
    assert [result.stamp.path for result in tagged] == [f"/{colour}" for colour in colours]
    assert [r.reading.tags[0].label.name for r in tagged if isinstance(r, Tagged)] == colours


def test_tags_are_the_top_k_by_score() -> None:
    tags = reading(0.1, 0.6, 0.0, 0.3, top_k=2).reading.tags
    assert [(tag.label.name, tag.rank, round(tag.score, 3)) for tag in tags] == [("1", 1, 0.6), ("3", 2, 0.3)]


def test_equal_scores_keep_the_order_of_classes() -> None:
    assert [tag.label.name for tag in reading(0.2, 0.3, 0.2, 0.3).reading.tags] == ["1", "3", "0"]


def test_a_model_of_few_classes_gives_them_all() -> None:
    assert len(reading(0.5, 0.5, top_k=5).reading.tags) == 2


@pytest.mark.parametrize(
    ("scores", "top_score", "margin", "entropy"),
    [
        ((0.25, 0.25, 0.25, 0.25), 0.25, 0, math.log(4)),
        ((0.0, 1.0, 0.0, 0.0), 1, 1, 0),
        ((0.5, 0.25, 0.125, 0.125), 0.5, 0.25, 1.75 * math.log(2)),
        ((1.0,), 1, 1, 0),
    ],
)
def test_how_sure_the_model_is(
    scores: tuple[float, ...], top_score: float, margin: float, entropy: float
) -> None:
    found = reading(*scores, top_k=1).reading
    assert (found.top_score, found.margin, found.entropy) == pytest.approx((top_score, margin, entropy))


def tiled(*rows: tuple[float, ...]) -> Tagged:
    """What is said of a picture with a frame for each row of scores."""
    frames = np.zeros((len(rows), 32, 32, 3), np.uint8)
    frames[:, 0, 0, 0] = range(len(rows))
    one = Picture(Stamp("/a", "source", 1, 0, 0), Facts("", 32, 32, "PNG", None), frames)
    (tagged,) = classifier(ByFrame(*rows), labelled(len(rows[0]))).classify([one])
    assert isinstance(tagged, Tagged)
    return tagged


def test_of_several_frames_each_label_has_its_best_score() -> None:
    tags = tiled((0.7, 0.2, 0.1, 0.0), (0.1, 0.3, 0.0, 0.6), (0.25, 0.25, 0.25, 0.25)).reading.tags
    assert [(tag.label.name, round(tag.score, 3)) for tag in tags] == [("0", 0.7), ("3", 0.6), ("1", 0.3)]


def test_the_surest_frame_tells_how_sure_the_model_is() -> None:
    found = tiled((0.5, 0.5, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.25, 0.25, 0.25, 0.25)).reading
    assert (found.top_score, found.margin, found.entropy) == (1, 1, 0)


def test_pictures_of_several_frames_are_no_larger_batches_and_keep_their_tags() -> None:
    engine = Counting()
    colours = ["red", "white", "blue"] * 5
    pictures = [picture(colour) for colour in colours]
    pictures[1::2] = [replace(one, frames=np.repeat(one.frames, 3, axis=0)) for one in pictures[1::2]]
    tagged = classifier(engine).classify(pictures)
    assert [r.reading.tags[0].label.name for r in tagged if isinstance(r, Tagged)] == colours
    assert engine.batches == [15, 14]


@pytest.mark.parametrize("engine", [Choking(), Lossy(), Overflowing()])
@pytest.mark.parametrize("place", range(5))
def test_one_picture_that_fails_does_not_fail_its_neighbours(engine: Engine, place: int) -> None:
    colours = ["red", "blue", "white", "red"]
    colours.insert(place, "black")
    results = classifier(engine).classify([picture(colour) for colour in colours])
    names = [r.reading.tags[0].label.name if isinstance(r, Tagged) else r.stage for r in results]
    assert names == [colour if colour != "black" else "infer" for colour in colours]


def test_a_failure_says_why_in_one_line() -> None:
    (failed,) = classifier(Choking()).classify([picture("black")])
    assert isinstance(failed, Failed)
    assert failed.reason == "the model failed on it: out of memory"
    assert failed.retryable
    assert failed.kind == FailureKind.NOT_INFERRED


def test_no_pictures_are_no_inference() -> None:
    assert classifier(Scripted()).classify([]) == []
