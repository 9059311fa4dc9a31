from tagger.store.tags.calibration import Judged, lowest_threshold, precision_from

JUDGED = [Judged(0.9, True), Judged(0.8, True), Judged(0.7, False), Judged(0.6, True), Judged(0, True)]


def test_precision_is_of_what_scores_enough() -> None:
    assert precision_from(JUDGED, 0.6) == 0.75
    assert precision_from(JUDGED, 0.8) == 1
    assert precision_from(JUDGED, 0.95) is None


def test_the_lowest_threshold_that_is_right_often_enough() -> None:
    assert lowest_threshold(JUDGED, 0.9) == 0.8
    assert lowest_threshold(JUDGED, 0.7) == 0.6


def test_no_threshold_helps_a_label_that_is_always_wrong() -> None:
    assert lowest_threshold([Judged(0.9, False), Judged(0.1, False)], 0.5) is None
