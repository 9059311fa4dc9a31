"""What is told of a head: how good it is, what to doubt, and what to add."""

import json
from dataclasses import replace

import numpy as np

from tagger.teach.evaluate import Evaluation, evaluate, wilson
from tagger.teach.examples import Aims, Examples
from tagger.teach.learn import learn
from tests.unit.test_teach_learn import MODEL, examples, pictures, said


def report(given: Examples, aims: Aims | None = None) -> Evaluation:
    aims = aims or Aims()
    return evaluate(given, learn(given, MODEL, aims), aims)


def test_accuracy_has_an_interval_that_is_narrower_with_more_examples() -> None:
    few, many = report(examples(10, 10)), report(examples(100, 100))
    assert few.accuracy and many.accuracy
    assert few.accuracy.of == 20
    assert few.accuracy.low < few.accuracy.value <= few.accuracy.high <= 1
    assert many.accuracy.high - many.accuracy.low < few.accuracy.high - few.accuracy.low


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    share = wilson(8, 10)
    assert (round(share.low, 3), round(share.high, 3)) == (0.490, 0.943)
    assert wilson(0, 5).low == 0
    assert wilson(5, 5).high == 1


def test_the_accuracy_told_is_that_of_new_pictures() -> None:
    given = examples(60, 60, 60, spread=2.5)
    fresh = np.concatenate([pictures(at, 200, seed=4, spread=2.5) for at in range(3)])
    names = said(given, learn(given, MODEL, Aims()), fresh)
    right = np.array(names) == np.repeat(given.labels, 200)
    told = report(given).accuracy
    assert told
    assert told.low - 0.1 < right.mean() < told.high + 0.1


def test_a_wrong_example_is_the_first_suspect() -> None:
    given = examples(20, 20)
    given.truth[3] = [False, True]
    first = report(given).suspects[0]
    assert (first.example, first.label, first.instead) == (3, "label 1", "label 0")


def test_confusion_has_a_row_for_what_is_true() -> None:
    told = report(examples(20, 20, none=10))
    assert [sum(row) for row in told.confusion] == [20, 20, 10]
    assert told.confusion[0][0] >= 18


def test_frames_of_one_session_do_not_judge_one_another() -> None:
    frames = [np.repeat(pictures(at, 6, spread=4), 10, axis=0) for at in range(2)]
    sessions = [f"{label}-{session}" for label in range(2) for session in range(6) for _ in range(10)]
    given = replace(examples(60, 60), vectors=np.concatenate(frames))
    alone, together = report(given), report(replace(given, groups=sessions))
    assert together.by_groups
    assert not alone.by_groups
    assert alone.accuracy and together.accuracy
    assert alone.accuracy.value > 0.9 > together.accuracy.value + 0.1


def test_a_label_of_one_session_has_its_examples_judged_one_by_one() -> None:
    assert not report(replace(examples(10, 10), groups=["a"] * 10 + ["a", "b"] * 5)).by_groups


def test_more_than_three_to_one_is_told() -> None:
    told = report(examples(40, 10))
    assert told.uneven == {"label 1": 4}
    assert any("label 1 more examples" in one for one in told.next)
    assert not report(examples(30, 10)).uneven


def test_one_example_a_label_says_what_is_missing() -> None:
    told = report(examples(1, 1))
    assert told.accuracy is None
    assert told.half is None
    assert "Give label 0 more examples: it has 1" in told.next[0]


def test_one_label_is_judged_against_the_library() -> None:
    told = report(examples(12))
    assert told.accuracy and told.accuracy.value > 0.8
    assert told.foreign and told.foreign.value <= 0.05


def test_without_a_library_foreign_pictures_are_unknown() -> None:
    assert report(examples(8, 8, background=0)).foreign is None


def test_half_of_the_examples_tells_whether_more_would_help() -> None:
    told = report(examples(40, 40, 40, spread=3.5))
    assert told.half and told.accuracy
    assert any("with half of them" in one for one in told.next)


def test_a_wanted_recall_is_told_with_what_people_must_look_at() -> None:
    told = report(examples(100, 100, spread=3), Aims(recalls={"label 0": 0.98})).recalls["label 0"]
    assert told.found.value >= 0.98
    assert told.is_proven
    assert 0 <= told.unsure < 1
    assert not report(examples(20, 20), Aims(recalls={"label 0": 0.98})).recalls["label 0"].is_proven


def test_several_labels_a_picture_are_judged_label_by_label() -> None:
    given = examples(15, 15)
    given.truth[:5, 1] = True
    told = report(replace(given, any=True))
    assert told.examples == {"label 0": 15, "label 1": 20, "none": 0}
    assert len(told.suspects) >= 3


def test_a_report_is_kept_as_json() -> None:
    text = json.dumps(report(examples(10, 4, none=3)).as_json(), allow_nan=False)
    assert json.loads(text)["labels"] == ["label 0", "label 1"]
