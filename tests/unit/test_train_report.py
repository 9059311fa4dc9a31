"""What a run of training says of itself."""

import io

import numpy as np
import pytest
from PIL import Image

from tagger.train import confusion
from tagger.train.recipe import Recipe
from tagger.train.report import TestResult as Result
from tagger.train.report import interval, temperature

LABELS = ("day", "night", "黄昏")


def result() -> Result:
    truth = np.array([0] * 8 + [1] * 4 + [2] * 2)
    said = np.array([0] * 6 + [1] * 2 + [1] * 4 + [2, 0])
    return Result.of(LABELS, np.eye(3, dtype=np.float32)[said], truth)


def test_it_says_how_often_it_is_right_and_what_is_confused() -> None:
    said = "\n".join(result().lines())
    assert "right: 78.6% (between 52% and 92%) of 14 different pictures" in said
    assert "75% of 8" in said
    assert "2 of day are taken for night" in said
    assert "1 of 黄昏 are taken for day" in said


def test_of_a_label_whose_pictures_all_look_the_same_it_says_so() -> None:
    lines = list(Result(LABELS, np.eye(3, dtype=np.int64), ("night",)).lines())
    assert [line.split()[1] for line in lines if "it learned from some that look the same" in line] == [
        "night"
    ]


def test_a_label_without_a_picture_is_left_out() -> None:
    lines = list(Result.of(LABELS, np.eye(3, dtype=np.float32)[:1], np.array([0])).lines())
    assert not any("night" in line for line in lines)


@pytest.mark.parametrize(
    ("right", "of", "low", "high"), [(0, 10, 0, 0.278), (10, 10, 0.722, 1), (45, 50, 0.786, 0.957)]
)
def test_intervals_are_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert interval(right, of) == pytest.approx((low, high), abs=1e-3)


def test_scores_that_are_too_bold_are_tempered() -> None:
    truth = np.array([0] * 8 + [1] * 2)
    bold = np.array([[9.0, 0.0]] * 10, np.float32)
    assert temperature(bold, truth) == pytest.approx(5)
    assert temperature(bold / np.float32(9), np.zeros(10, np.int64)) == pytest.approx(0.5)


def test_the_picture_is_darkest_where_a_row_is() -> None:
    image = Image.open(io.BytesIO(confusion.png(result())))
    side = image.height // 4
    corner = image.width - 3 * side
    places = [(corner + 44 * column + 3, 44 * (row + 1) + 3) for row, column in ((1, 1), (0, 1), (1, 0))]
    full, some, none = (image.convert("L").getpixel(place) for place in places)
    assert isinstance(full, int) and isinstance(some, int)
    assert full < some < none == 255


def test_a_thousand_labels_are_a_picture_too() -> None:
    labels = tuple(str(number) for number in range(1000))
    image = Image.open(io.BytesIO(confusion.png(Result(labels, np.eye(1000, dtype=np.int64)))))
    assert image.size == (1000, 1000)


def test_the_rate_rises_and_then_falls_to_nothing() -> None:
    recipe = Recipe(rate=1)
    rates = [recipe.rate_at(part / 100) for part in range(101)]
    assert max(rates) == rates[5] == 1
    assert rates[100] == pytest.approx(0)
    assert rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)


@pytest.mark.parametrize(
    ("recipe", "frozen"),
    [(Recipe(20), 4), (Recipe(2), 1), (Recipe(1), 0), (Recipe(20, from_scratch=True), 0)],
)
def test_the_body_is_frozen_for_a_fifth(recipe: Recipe, frozen: int) -> None:
    assert recipe.frozen == frozen
