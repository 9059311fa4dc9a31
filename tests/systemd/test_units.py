"""The units as systemd's own judges see them, without a systemd that runs."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tagger.service import render
from tagger.service.layout import SYSTEM, UNITS, Layout, users

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)

DROPINS = ("private", "web", "web-open", "gpu", "backoff")
NEWER = ("RestartSteps", "RestartMaxDelaySec")
"""Keys that only systemd 254 knows: others get no such drop-in."""


def laid_out(folder: Path, layout: Layout, dropins: Sequence[str] = ()) -> Path:
    """A unit, for a program that is there, with some of its drop-ins."""
    beside = folder / "tagger.service.d"
    beside.mkdir()
    for name in dropins:
        shutil.copy(UNITS / "dropins" / f"{name}.conf", beside)
    path = folder / "tagger.service"
    path.write_text(render.unit(layout, Path("/bin/true")))
    return path


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("layout", "whose"), [(SYSTEM, "--system"), (users(), "--user")], ids=["system", "user"]
)
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path, layout: Layout, whose: str) -> None:
    dropins = DROPINS if whose == "--system" else ("backoff",)
    done = analyze(tmp_path, whose, "verify", str(laid_out(tmp_path, layout, dropins)))
    faults = [
        line for line in done.stderr.splitlines() if "tagger" in line and not re.search("|".join(NEWER), line)
    ]
    assert (done.returncode, faults) == (0, [])


@pytest.mark.parametrize(
    ("dropins", "most"),
    [
        ((), 1.0),
        (("private",), 1.0),
        (("web",), 1.6),
        (("web", "private"), 1.6),
        (("web", "web-open", "private"), 1.6),
    ],
)
def test_what_is_exposed_is_as_little_as_was_promised(
    tmp_path: Path, dropins: Sequence[str], most: float
) -> None:
    unit = laid_out(tmp_path, SYSTEM, dropins)
    done = analyze(tmp_path, "security", "--offline=yes", f"--threshold={most * 10:.0f}", str(unit))
    assert done.returncode == 0, done.stdout


def test_what_cannot_be_used_says_why() -> None:
    """In the line above."""
    lines = render.unit(SYSTEM, Path("/bin/true")).splitlines()
    for weak in ("MemoryDenyWriteExecute=no", "ProcSubset=all"):
        assert "cannot be" in lines[lines.index(weak) - 1]
