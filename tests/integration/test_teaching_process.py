"""Heads that a daemon has learned in a process of its own: asked for by people, or due after a change of model."""

import sys
from collections.abc import Iterable, Sequence

import pytest

from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.teaching import Teaching
from tagger.supervision import Closed

FAILS = "import sys; print('there are no examples'); sys.exit(1)"


def teaching(program: str, unfit: Iterable[str] = ()) -> tuple[Teaching, RecentEvents]:
    events = RecentEvents()
    return Teaching((sys.executable, "-c", program), {}, lambda: unfit, events), events


def told(events: RecentEvents) -> Sequence[dict[str, str]]:
    return [dict(notice.about) for notice in events.since(0)]


def test_a_head_that_somebody_asks_for_is_learned_and_told() -> None:
    work, events = teaching("import sys; assert sys.argv[1:] == ['scene']")
    assert work.ask("scene")
    work.step()
    assert told(events) == [{"head": "scene", "learned": "yes"}]


def test_why_a_head_was_not_learned_is_told(caplog: pytest.LogCaptureFixture) -> None:
    work, events = teaching(FAILS)
    work.ask("scene")
    work.step()
    assert told(events) == [{"head": "scene", "learned": "no", "why": "there are no examples"}]
    assert "head scene was not learned: there are no examples" in caplog.text


def test_whoever_is_told_finds_that_it_is_no_longer_being_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    work, events = teaching("")
    found: list[bool] = []
    monkeypatch.setattr(events, "post", lambda _, **about: found.append(work.is_at(about["head"])))
    work.ask("scene")
    assert work.is_at("scene")
    work.step()
    assert found == [False]


def test_what_is_asked_for_twice_is_learned_once() -> None:
    work, events = teaching("")
    assert work.ask("scene")
    assert work.ask("scene")
    assert work.ask("mood")
    work.step()
    work.step()
    assert [one["head"] for one in told(events)] == ["scene", "mood"]


def test_more_heads_than_may_wait_are_refused() -> None:
    work, _ = teaching("")
    assert [work.ask(f"head{at}") for at in range(21)] == [True] * 20 + [False]


def test_a_head_of_another_model_is_learned_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.pipeline.teaching.LOOK_EVERY", 0.0)
    work, events = teaching(FAILS, ["scene"])
    work.step()
    work.step()
    assert [one["head"] for one in told(events)] == ["scene"]


def test_a_stop_ends_the_child() -> None:
    work, events = teaching("import time; time.sleep(600)")
    work.ask("scene")
    work.close()
    with pytest.raises(Closed):
        work.step()
    assert told(events) == []
