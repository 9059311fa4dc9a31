import pytest

from tagger.web.rate import BURST, MOST, Rate, whose


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ten_seconds_worth_may_come_at_once_and_then_as_many_as_there_is_time_for() -> None:
    clock = Clock()
    rate = Rate(2, clock)
    assert [rate.wait("a") for _ in range(int(2 * BURST))] == [0] * 20
    assert (rate.wait("a"), rate.wait("b")) == (1, 0)
    clock.now = 0.5
    assert (rate.wait("a"), rate.wait("a")) == (0, 1)
    clock.now = 100
    assert sum(rate.wait("a") == 0 for _ in range(50)) == 20


def test_no_rate_is_no_limit_and_strangers_are_forgotten() -> None:
    clock = Clock()
    assert not any(Rate(0, clock).wait("a") for _ in range(1000))
    rate = Rate(1, clock)
    for number in range(10_001):
        clock.now = float(number)
        rate.wait(str(number))
    assert len(rate._full_at) < 10_000


def test_to_look_counts_nothing() -> None:
    rate = Rate(0.1, Clock())
    assert (rate.due("a"), rate.due("a"), rate.wait("a"), rate.due("a")) == (0, 0, 0, 10)


def test_memory_is_bounded_where_all_addresses_are_busy() -> None:
    rate = Rate(0.1, Clock())
    for number in range(MOST + 1):
        rate.wait(str(number))
    assert len(rate._full_at) == MOST // 2 + 1


@pytest.mark.parametrize(
    ("address", "one"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_is_one_address(address: str, one: str) -> None:
    assert whose(address) == one
