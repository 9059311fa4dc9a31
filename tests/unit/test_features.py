"""From what the model sees to what is stored: pictures that look alike have codes that are alike."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.records import Facts, Features, Picture, Stamp, Tagged
from tagger.vision import categories
from tagger.vision.classify import Classifier
from tagger.vision.engines import fake
from tagger.vision.features import BITS, features_of

CHANCE = np.random.default_rng(7)
LOOK, WIDE_LOOK = -4770285192859832172, 6887765538563888890
"""Of the numbers 0 to 511, and 0 to 1279."""


def vector(features: Features) -> NDArray[np.float64]:
    return np.frombuffer(features.vector, np.float16).astype(np.float64)


def of(row: NDArray[np.float32]) -> Features:
    [features] = features_of(row[np.newaxis], [1])
    assert features
    return features


def at_an_angle(degrees: float, width: int = 512) -> tuple[Features, Features]:
    one, other = np.linalg.qr(CHANCE.standard_normal((width, 2)))[0].T
    turned = math.cos(math.radians(degrees)) * one + math.sin(math.radians(degrees)) * other
    return of(one.astype(np.float32)), of(turned.astype(np.float32))


def differing(one: Features, other: Features) -> int:
    return (int.from_bytes(one.code) ^ int.from_bytes(other.code)).bit_count()


@pytest.mark.parametrize("width", [3, 512, 1280, 2048])
def test_a_vector_has_length_one_and_a_code_its_bits_however_wide_the_model(width: int) -> None:
    features = of(CHANCE.random(width, np.float32) * 40)
    assert len(features.vector) == 2 * width
    assert np.linalg.norm(vector(features)) == pytest.approx(1, abs=1e-3)
    assert len(features.code) * 8 == BITS


@pytest.mark.parametrize("degrees", [0, 10, 30, 60, 90])
def test_the_share_of_bits_that_differ_is_the_angle(degrees: float) -> None:
    counts = [differing(*at_an_angle(degrees)) for _ in range(50)]
    assert np.mean(counts) / BITS * 180 == pytest.approx(degrees, abs=1.5)


def test_the_look_is_the_first_bits_of_the_code_in_a_signed_integer() -> None:
    many = [of(CHANCE.standard_normal(512, np.float32)) for _ in range(20)]
    assert all(one.look == int.from_bytes(one.code[:8], signed=True) for one in many)
    assert {one.look < 0 for one in many} == {True, False}


@pytest.mark.parametrize(("width", "look"), [(512, LOOK), (1280, WIDE_LOOK)])
def test_what_was_stored_years_ago_still_compares(width: int, look: int) -> None:
    """The planes are part of what is stored: were they others, every database would have to be made anew."""
    assert of(np.arange(width, dtype=np.float32)).look == look


def test_a_picture_of_several_frames_is_their_mean() -> None:
    rows = CHANCE.random((4, 512), np.float32)
    alone, together = features_of(rows, [1, 3])
    assert alone
    assert together
    mean = rows[1:].mean(axis=0)
    assert vector(together) == pytest.approx(mean / np.linalg.norm(mean), abs=1e-3)
    assert vector(alone) == pytest.approx(rows[0] / np.linalg.norm(rows[0]), abs=1e-3)


@pytest.mark.parametrize("number", [0, np.nan, np.inf])
def test_numbers_that_say_nothing_are_no_features_and_no_harm_to_the_neighbour(number: float) -> None:
    rows = np.stack([np.full(512, number, np.float32), np.ones(512, np.float32)])
    nothing, something = features_of(rows, [1, 1])
    assert nothing is None
    assert something


@pytest.mark.parametrize("wanted", [True, False])
def test_a_classifier_gives_features_only_where_they_are_wanted(wanted: bool) -> None:
    engine = fake.FakeEngine()
    own = categories.load()
    classifier = Classifier(engine, fake.IDENTITY, fake.LABELS, fake.PREPROCESSING, own, 3, "", wanted)
    pixels = np.full((2, 32, 32, 3), (255, 0, 0), np.uint8)
    picture = Picture(Stamp("/red", "cam", 1, 0, 0), Facts("", 32, 32, "PNG", None), pixels)
    [tagged] = classifier.classify([picture])
    assert isinstance(tagged, Tagged)
    assert (tagged.features is not None) is wanted
    if tagged.features:
        assert vector(tagged.features).tolist() == [1, 0, 0]
