"""What is counted of the work."""

import pytest

from tagger.pipeline.stats import Histogram, Stats
from tagger.records import Failed, Gone, Known, Stamp


def known(name: str, ctime_ns: int) -> Known:
    return Known(Stamp(name, "inbox", 1, 0, ctime_ns), "hash")


def test_a_value_counts_for_each_bound_that_it_is_no_larger_than() -> None:
    histogram = Histogram(1, 2)
    histogram.observe(0.5, 1, 1.5, 9)
    assert histogram.read() == ([2, 3, 4], 12)


def test_what_a_step_takes_is_observed_even_where_it_fails() -> None:
    histogram = Histogram(60)
    with pytest.raises(ValueError, match="nonsense"), histogram.timed():
        int("nonsense")
    assert histogram.read()[0] == [1, 1]


def test_only_files_that_came_since_the_start_tell_how_long_they_waited() -> None:
    moments = iter((10_000_000_000, 12_000_000_000))
    stats = Stats(["inbox"], lambda: next(moments))
    waits = stats.record(
        [known("old", 9_999_999_999), known("new", 10_500_000_000), known("ahead", 13 * 10**9)]
    )
    assert waits == [1.5, 0]
    assert stats.arrival.read()[0][-1] == 2


def test_outcomes_are_counted_by_source_and_status_from_nought_on() -> None:
    stats = Stats(["inbox", "yard"])
    stamp = Stamp("a", "inbox", 1, 0, 0)
    stats.record([known("a", 0), Failed(stamp, "decode", "no picture"), Gone(stamp), Gone(stamp)])
    assert stats.outcomes["inbox", "gone"] == 2
    assert stats.outcomes["inbox", "failed"] == 1
    assert stats.outcomes["yard", "tagged"] == 0
