"""The short version of `make chaos`."""

from pathlib import Path

import pytest

from tests.chaos.kills import Chaos

pytestmark = pytest.mark.long


def test_forty_kills_lose_nothing_double_nothing_and_blame_nobody(tmp_path: Path) -> None:
    ledger = Chaos(tmp_path, seed=1).run(kills=40)
    assert (ledger.lost, ledger.wrong, ledger.quarantined) == ([], [], [])
    assert (ledger.doubled, ledger.damaged) == (0, 0)
    assert len(ledger.kills) > 5  # random moments alone would prove less
