"""What a head learns: right labels, none for foreign pictures, thresholds that miss nothing, and clear words where it cannot."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.errors import ConfigError
from tagger.heads.head import Fit, Head
from tagger.records import ModelIdentity
from tagger.teach.examples import Aims, Examples
from tagger.teach.learn import Lesson, far, learn

MODEL = ModelIdentity("fake", "0" * 64, "center")
WIDTH = 40
SPREAD = 0.6
Numbers = NDArray[np.float32]


def pictures(direction: int | None, count: int, seed: int = 0, spread: float = SPREAD) -> Numbers:
    """Return features that lie about one direction, or about none."""
    rng = np.random.default_rng([seed, 99 if direction is None else direction])
    rows = rng.normal(size=(count, WIDTH)) / np.sqrt(WIDTH)
    if direction is not None:
        rows = rows * spread + np.eye(WIDTH)[direction]
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def scene(label: int, at: int, count: int) -> Numbers:
    """Return features of pictures that have a label and show one scene, by its own direction."""
    rows = pictures(label, count, seed=at) + 0.5 * pictures(at, count, seed=label, spread=0.2)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def examples(
    *counts: int,
    none: int = 0,
    background: int = 100,
    groups: Sequence[str] | None = None,
    spread: float = SPREAD,
) -> Examples:
    """Return so many examples of each label, whose features lie about a direction of its own."""
    labels = tuple(f"label {at}" for at in range(len(counts)))
    rows = [pictures(at, count, spread=spread) for at, count in enumerate(counts)]
    vectors = np.concatenate([*rows, pictures(len(counts), none)])
    truth = np.repeat(np.eye(len(counts) + 1, dtype=bool)[:, :-1], [*counts, none], axis=0)
    return Examples(labels, vectors, truth, pictures(None, background), groups=groups)


def said(
    given: Examples, lesson: Lesson, vectors: Numbers, recalls: dict[str, float] | None = None
) -> list[str]:
    """Return what a head says of features that learned this lesson."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    head = Head("scene", given.labels, given.any, (lesson.fit,), moment, recalls=recalls or {})
    return [tags[0].label for tags in head.tags(lesson.fit, vectors)]


def test_a_new_picture_gets_the_label_of_the_examples_it_is_like() -> None:
    given = examples(20, 20, 20)
    lesson = learn(given, MODEL, Aims())
    for at, label in enumerate(given.labels):
        assert said(given, lesson, pictures(at, 50, seed=1)).count(label) >= 48


def test_foreign_pictures_get_no_label_but_for_the_part_that_was_allowed() -> None:
    given = examples(20, 20, 20)
    foreign = pictures(None, 400, seed=2)
    names = said(given, learn(given, MODEL, Aims(none_at_most=0.05)), foreign)
    assert names.count("none") >= 0.93 * len(foreign)


def test_one_example_of_each_label_is_enough_to_learn_from() -> None:
    given = examples(1, 1)
    lesson = learn(given, MODEL, Aims())
    assert said(given, lesson, pictures(0, 20, seed=1, spread=0.3)).count("label 0") >= 18
    assert not lesson.judged.known.any()


def test_one_label_is_told_from_the_library() -> None:
    given = examples(10)
    lesson = learn(given, MODEL, Aims())
    assert said(given, lesson, pictures(0, 50, seed=1)).count("label 0") >= 45
    assert said(given, lesson, pictures(None, 100, seed=2)).count("none") >= 90


def test_without_a_library_and_examples_of_none_what_lies_far_from_all_labels_gets_none() -> None:
    given = examples(10, 10, background=0)
    lesson = learn(given, MODEL, Aims())
    assert said(given, lesson, pictures(None, 50, seed=2)).count("none") >= 45
    assert said(given, lesson, pictures(0, 50, seed=1)).count("label 0") >= 45


def test_a_library_full_of_other_scenes_than_the_examples_does_not_speak_against_their_label() -> None:
    shown = [(label, at) for label in (0, 1) for at in (10, 11, 12, 13)]
    rows, groups = np.concatenate([scene(*each, 2) for each in shown]), np.repeat([at for _, at in shown], 2)
    given = replace(examples(8, 8), vectors=rows, groups=[str(at) for at in groups])
    others = np.concatenate([scene(label, at, 40) for label in (0, 1) for at in (20, 21)])
    given = replace(given, background=np.concatenate([others, pictures(None, 30)]))
    names = said(given, learn(given, MODEL, Aims()), others)
    assert names[:80].count("label 0") >= 72
    assert names[80:].count("label 1") >= 72


def test_examples_of_none_tell_what_looks_alike_and_is_not_meant() -> None:
    alike = pictures(2, 50, seed=1)
    without, told = examples(20, 20), examples(20, 20, none=20)
    assert said(told, learn(told, MODEL, Aims()), alike).count("none") >= 45
    assert said(told, learn(told, MODEL, Aims()), pictures(0, 50, seed=1)).count("label 0") >= 45
    assert len(without.vectors) == 40


def test_pictures_of_the_library_that_have_the_label_do_not_speak_against_it() -> None:
    given = examples(20, 20)
    library = np.concatenate([pictures(0, 60, seed=3), given.background])
    given = replace(given, background=library)
    assert len(far(given)) <= 105
    assert said(given, learn(given, MODEL, Aims()), pictures(0, 50, seed=1)).count("label 0") >= 47


def test_most_of_a_library_may_have_the_labels() -> None:
    wide = 1.4
    given = examples(20, 20, spread=wide)
    own = np.concatenate([pictures(label, 100, seed=3, spread=wide) for label in (0, 1)])
    crowded = replace(given, background=np.concatenate([own, given.background]))
    assert len(far(given)) >= 0.9 * len(given.background)
    assert len(far(crowded)) <= 1.2 * len(given.background)


def test_a_library_of_nothing_else_than_the_label_is_not_taken_for_none() -> None:
    given = replace(
        examples(20, 20), background=np.concatenate([pictures(0, 60, seed=3), pictures(1, 60, seed=3)])
    )
    assert said(given, learn(given, MODEL, Aims()), pictures(0, 50, seed=1)).count("label 0") >= 47
    one = replace(examples(20), background=pictures(0, 60, seed=3))
    assert isinstance(learn(one, MODEL, Aims()).fit, Fit)


LIGHT = 5


def lit(given: Examples, differs: float) -> Examples:
    """Return the same examples with light, that of the second label being so much greater; all else is chance."""
    chance = np.random.default_rng(4)
    light, behind = (chance.normal(0, 0.5, (len(rows), LIGHT)) for rows in (given.vectors, given.background))
    light[given.truth[:, 1], 0] += differs
    rows = [
        np.concatenate(both, axis=1, dtype=np.float32)
        for both in ((given.vectors, light), (given.background, behind))
    ]
    return replace(given, vectors=rows[0], background=rows[1], light=LIGHT)


def test_labels_of_what_looks_alike_are_told_by_light() -> None:
    one = examples(20, 20)
    one = replace(one, vectors=np.concatenate([pictures(0, 20), pictures(0, 20, seed=1)]))
    lesson = learn(lit(one, differs=2), MODEL, Aims())
    assert lesson.light > 0
    told = lit(
        replace(one, vectors=np.concatenate([pictures(0, 20, seed=2), pictures(0, 20, seed=3)])), differs=2
    )
    names = said(told, lesson, told.vectors)
    assert names[:20].count("label 0") >= 18
    assert names[20:].count("label 1") >= 18


def test_light_that_tells_nothing_is_left_out() -> None:
    given = examples(20, 20, spread=2)
    lesson = learn(lit(given, differs=0), MODEL, Aims())
    assert lesson.light == 0
    assert len(lesson.fit.weights) == WIDTH


def test_a_picture_may_have_several_labels() -> None:
    one = examples(15, 15)
    both = pictures(0, 15, seed=5, spread=0.3) + pictures(1, 15, seed=6, spread=0.3)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    truth = np.concatenate([one.truth, np.ones((15, 2), bool)])
    given = replace(one, vectors=np.concatenate([one.vectors, both]), truth=truth, any=True)
    lesson = learn(given, MODEL, Aims())
    head = Head("scene", given.labels, True, (lesson.fit,), datetime(2026, 1, 2, tzinfo=UTC))
    tags = head.tags(lesson.fit, np.concatenate([both, one.vectors[:15], pictures(None, 50, seed=7)]))
    assert sum(len(each) == 2 for each in tags[:15]) >= 13
    assert sum([tag.label for tag in each] == ["label 0"] for each in tags[15:30]) >= 13
    assert sum(each[0].label == "none" for each in tags[30:]) >= 45


def test_scores_are_as_high_as_they_are_often_right() -> None:
    given = examples(60, 60, 60, spread=2.5)
    lesson = learn(given, MODEL, Aims())
    rows = np.concatenate([pictures(at, 200, seed=1, spread=2.5) for at in range(3)])
    head = Head("scene", given.labels, False, (lesson.fit,), datetime(2026, 1, 2, tzinfo=UTC))
    scores = head.scores(lesson.fit, rows)
    right = scores.argmax(axis=1) == np.repeat(np.arange(3), 200)
    assert 0.6 < right.mean() < 0.98
    assert abs(scores.max(axis=1).mean() - right.mean()) < 0.1


def test_a_label_that_must_not_be_missed_is_flagged_or_unsure() -> None:
    given = examples(100, 100, spread=3)
    recalls = {"label 0": 0.98}
    lesson = learn(given, MODEL, Aims(recalls=recalls))
    assert lesson.fit.maybe[0] < lesson.fit.least[0]
    names = said(given, lesson, pictures(0, 500, seed=1, spread=3), recalls)
    assert names.count("label 0") + names.count("unsure") >= 0.94 * 500
    clear = said(given, lesson, pictures(1, 500, seed=1, spread=3), recalls)
    assert clear.count("label 0") <= 0.05 * 500
    assert abs(clear.count("unsure") / 500 - lesson.judged.unsure["label 0"]) < 0.2


def test_the_same_examples_teach_the_same() -> None:
    once, again = (learn(examples(20, 5), MODEL, Aims()).fit for _ in range(2))
    assert np.array_equal(once.weights, again.weights)
    assert once.least == again.least


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vectors": np.full((4, WIDTH), np.nan, np.float32)}, "features of 4 pictures are no numbers"),
        ({"vectors": np.full((4, WIDTH), np.inf, np.float32)}, "features of 4 pictures are no numbers"),
        ({"vectors": np.zeros((4, WIDTH), np.float32)}, "features of 4 pictures are no numbers"),
        ({"background": np.full((1, WIDTH), np.nan, np.float32)}, "background.*the first is number 1"),
        ({"truth": np.array([[1, 1], [1, 0], [0, 1], [0, 1]], bool)}, "a picture has two labels"),
        ({"truth": np.array([[1, 0]] * 4, bool)}, "label 1: the label has no example"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(wrong: dict[str, NDArray[np.generic]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        learn(replace(examples(2, 2), **wrong), MODEL, Aims())  # type: ignore[arg-type]


def test_one_label_that_can_be_told_from_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="label 0: there is no picture without the label"):
        learn(examples(5, background=0), MODEL, Aims())


def test_more_examples_than_are_bearable_are_refused() -> None:
    many = replace(
        examples(2, 2),
        vectors=np.tile(pictures(0, 1), (20_001, 1)),
        truth=np.tile([[True, False]], (20_001, 1)),
    )
    with pytest.raises(ConfigError, match="more than 20,000"):
        many.check()
