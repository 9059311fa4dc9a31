from tagger.pipeline.pace import Pace


def test_the_next_one_waits_for_its_turn_and_a_rest_is_not_made_up_for() -> None:
    pace = Pace(4)
    assert pace.wait(100.0) == 0
    pace.gone(100.0)
    assert pace.wait(100.0) == 0.25
    assert pace.wait(160.0) == 0
    pace.gone(160.0)
    assert pace.wait(160.0) == 0.25


def test_without_a_rate_nobody_waits() -> None:
    pace = Pace(0)
    pace.gone(1.0)
    assert (pace.wait(1.0), pace.at_once(8)) == (0, 8)


def test_no_more_are_fetched_than_go_in_a_second() -> None:
    assert [Pace(rate).at_once(8) for rate in (0.1, 1, 5.5, 100)] == [1, 1, 5, 8]
