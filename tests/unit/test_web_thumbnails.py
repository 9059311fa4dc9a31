"""Thumbnails as they are kept and waited for: who comes first, who is turned away, and what a disk may do to them."""

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tagger.config.tagging import DecodeSettings
from tagger.pipeline.predict_queue import BusyError
from tagger.store.search.pictures import Original
from tagger.supervision import Closed
from tagger.web.thumbnails import WAITING, Thumbnails, Wanted

Wish = Callable[..., Wanted]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "thumbnails"


@pytest.fixture
def thumbnails(cache: Path) -> Iterator[Thumbnails]:
    with closing(Thumbnails(cache, DecodeSettings())) as thumbnails:
        yield thumbnails


@pytest.fixture
def wish(tmp_path: Path) -> Wish:
    """A picture in a folder, to be asked for; a larger one takes longer."""
    names = itertools.count()

    def wish(side: int = 64, sha256_begins: str = "") -> Wanted:
        number = next(names)
        file = io.BytesIO()
        Image.new("L", (side, side), number).save(file, "PNG", compress_level=1)
        for tail in itertools.count():  # which no decoder reads
            data = file.getvalue() + str(tail).encode()
            if (sha256 := hashlib.sha256(data).hexdigest()).startswith(sha256_begins):
                break
        (tmp_path / f"{number}.png").write_bytes(data)
        return Wanted(Original(str(tmp_path), f"{number}.png", sha256, "PNG"), 320)

    return wish


def busy(thumbnails: Thumbnails, wish: Wish) -> "Future[bytes]":
    """With a picture that takes a while."""
    slow = thumbnails.ask(wish(9000))
    while not slow.running():
        pass
    return slow


def test_the_newest_comes_first_and_who_asks_for_the_same_shares_it(
    thumbnails: Thumbnails, wish: Wish
) -> None:
    wishes = [wish() for _ in range(3)]
    made: list[int] = []
    slow = busy(thumbnails, wish)
    answers = [thumbnails.ask(one) for one in wishes]
    for number, answer in enumerate(answers):
        answer.add_done_callback(lambda _, number=number: made.append(number))  # type: ignore[misc]
    assert thumbnails.ask(wishes[1]) is answers[1]
    assert not slow.done()
    assert all(answer.result(60) for answer in answers)
    assert made == [1, 2, 0]


def test_too_many_are_turned_away_and_a_stop_tells_those_who_wait(thumbnails: Thumbnails, wish: Wish) -> None:
    slow = busy(thumbnails, wish)
    answers = [thumbnails.ask(Wanted(Original("/", "no.png", str(n), ""), 320)) for n in range(WAITING)]
    with pytest.raises(BusyError):
        thumbnails.ask(wish())
    assert not slow.done()
    assert answers[0].cancel()  # by a client that left
    thumbnails.close()
    assert {type(answer.exception(60)) for answer in answers[1:]} == {Closed}
    with pytest.raises(Closed):
        thumbnails.ask(wish())


def test_no_more_are_kept_than_may_be_and_the_oldest_go(cache: Path, wish: Wish) -> None:
    wishes = [wish(sha256_begins="ab") for _ in range(12)]
    with closing(Thumbnails(cache, DecodeSettings(), most=256 * 3000)) as thumbnails:
        for age, one in enumerate(wishes):
            thumbnails.ask(one).result(60)
            if (place := cache / "ab" / f"{one.name}.jpg").exists():
                os.utime(place, (age, age))
    kept = sorted((cache / "ab").iterdir())
    assert 0 < sum(one.stat().st_size for one in kept) <= 3000
    assert {one.stem for one in kept} == {one.name for one in wishes[-len(kept) :]}
    assert len(kept) < len(wishes)


def test_only_their_owner_may_look_at_those_that_are_kept(
    thumbnails: Thumbnails, cache: Path, wish: Wish
) -> None:
    one = wish()
    thumbnails.ask(one).result(60)
    [kept] = cache.rglob("*.*")
    assert [path.stat().st_mode & 0o777 for path in (kept, kept.parent, cache)] == [0o600, 0o700, 0o700]


@pytest.mark.parametrize(
    "harm",
    [
        lambda _: b"",
        lambda made: made[: len(made) // 2],
        lambda made: bytes(len(made)),
        lambda made: made[:300] + bytes(50) + made[350:],
    ],
)
def test_a_kept_one_that_is_damaged_is_made_again(
    thumbnails: Thumbnails, cache: Path, wish: Wish, harm: Callable[[bytes], bytes]
) -> None:
    one = wish()
    made = thumbnails.ask(one).result(60)
    [kept] = cache.rglob("*.jpg")
    as_written = kept.read_bytes()
    kept.write_bytes(harm(as_written))
    assert thumbnails.ask(one).result(60) == made
    assert kept.read_bytes() == as_written


def test_where_none_can_be_kept_they_are_made_each_time_and_the_log_says_so_once(
    thumbnails: Thumbnails, cache: Path, wish: Wish, caplog: pytest.LogCaptureFixture
) -> None:
    cache.parent.mkdir()
    cache.write_bytes(b"")
    one, other = wish(), wish()
    first = thumbnails.ask(one).result(60)
    assert thumbnails.ask(one).result(60) == first
    assert thumbnails.ask(other).result(60)
    assert [record.getMessage() for record in caplog.records] == [
        f"thumbnails are not kept: {cache}: File exists"
    ]
