from tagger.store.tags.calibration import ScoredVerdict, lowest_threshold, precision_from

VERDICTS = [
    ScoredVerdict(0.9, True),
    ScoredVerdict(0.8, True),
    ScoredVerdict(0.7, False),
    ScoredVerdict(0.6, True),
    ScoredVerdict(0, True),
]


def test_precision_is_of_what_scores_enough() -> None:
    assert precision_from(VERDICTS, 0.6) == 0.75
    assert precision_from(VERDICTS, 0.8) == 1
    assert precision_from(VERDICTS, 0.95) is None


def test_the_lowest_threshold_that_is_right_often_enough() -> None:
    assert lowest_threshold(VERDICTS, 0.9) == 0.8
    assert lowest_threshold(VERDICTS, 0.7) == 0.6


def test_no_threshold_helps_a_label_that_is_always_wrong() -> None:
    assert lowest_threshold([ScoredVerdict(0.9, False), ScoredVerdict(0.1, False)], 0.5) is None
