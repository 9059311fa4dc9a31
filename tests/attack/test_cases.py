"""Each attack by itself, on a daemon with the fake engine: what holds on any machine, however slow."""

import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.attack import pictures, requests
from tests.attack.cases import CASES, Case, a_stop_after_a_thousand_reloads, ended_well, is_answered
from tests.attack.target import TOKEN, Target, attacked, stranger
from tests.e2e.site import picture

pytestmark = pytest.mark.long

PATIENCE = 60.0
"""Seconds: what has no answer by then will have none. How soon it comes is for `make attack` to measure."""
FAKE = {"TAGGER_ENGINE__BACKEND": "fake"}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with attacked(tmp_path, FAKE, PATIENCE) as target:
        yield target


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_nothing_comes_of_it(target: Target, case: Case) -> None:
    """The daemon lives, answers each request in time and without a mistake of its own, tags on, and can be stopped."""
    case(target)
    is_answered(target)
    assert (target.hangs, target.errors, target.tracebacks()) == ([], [], 0)
    answer = b""
    while target.is_alive and answer[9:12] in (b"", b"503"):  # each reload ends one server and begins another
        answer = target.post("/predict", "image/png", picture())
    assert b'"label":"red"' in answer.replace(b" ", b""), answer[:300]
    target.signal(signal.SIGTERM)
    assert target.process.wait(30) == 0
    assert ended_well(target.home)


def test_a_stop_is_heard_behind_a_thousand_reloads(target: Target) -> None:
    a_stop_after_a_thousand_reloads(target)
    assert ended_well(target.home)


def test_mutated_requests_are_answered_or_refused(target: Target) -> None:
    for number, request in enumerate(requests.mutated(200, 0, TOKEN)):
        target.ask(request, source=stranger(number))
    is_answered(target)
    assert (target.hangs, target.errors, target.tracebacks()) == ([], [], 0)


def test_an_attack_can_be_made_again() -> None:
    for made in (lambda seed: pictures.mutated(100, seed), lambda seed: requests.mutated(100, seed, TOKEN)):
        once, again, other = (list(islice(made(seed), 100)) for seed in (1, 1, 2))
        assert once == again != other
        assert len(once) == 100
