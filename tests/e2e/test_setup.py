"""What `make run` does besides installing: it fetches weights once, if it can, and starts Tagger whether it could or not.

Nothing is installed here: a folder has the Makefile and a `.venv` that says it is complete, whose `tagger` notes how it
is called.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.command import TAGGER, environment, on_a_terminal, tagger

pytestmark = pytest.mark.long

MAKEFILE = Path(__file__).parents[2] / "Makefile"
FETCHES = ["models fetch resnet18 --best-effort"]
RUNS = ["run --config config/tagger.yaml"]


@pytest.fixture
def no_network() -> Iterator[dict[str, str]]:
    """A proxy that refuses: whatever the network of this machine is like, nothing answers."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        yield {"https_proxy": f"http://127.0.0.1:{taken.getsockname()[1]}", "no_proxy": ""}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "Makefile").write_bytes(MAKEFILE.read_bytes())
    for name in ("pyproject.toml", "requirements-build.txt", "requirements.txt"):
        (folder / name).touch()
    (folder / ".venv" / ".installed").touch()
    install(folder, fetching="true")
    return folder


def install(checkout: Path, fetching: str) -> None:
    """A `tagger` that notes its arguments, and runs `fetching` in place of a download."""
    stub = checkout / ".venv" / "bin" / "tagger"
    stub.write_text(f'#!/bin/sh\necho "$*" >>calls\n[ "$1" = models ] || exit 0\n{fetching}\n')
    stub.chmod(0o755)


def make(checkout: Path, *words: str, **overrides: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["make", *words],
        cwd=checkout,
        env=environment(
            checkout, MAKEFLAGS="", MAKELEVEL="0", **overrides
        ),  # none of a `make test` around this
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text().splitlines()


def test_the_first_run_fetches_and_later_ones_do_not(checkout: Path) -> None:
    make(checkout, "run")
    assert calls(checkout) == FETCHES + RUNS
    make(checkout, "run")
    assert calls(checkout) == FETCHES + RUNS + RUNS


def test_fetching_comes_after_the_installation(checkout: Path) -> None:
    (checkout / ".venv" / ".installed").unlink()
    said = make(checkout, "--dry-run", "--jobs", "2", "run").stdout
    assert (
        said.index("--require-hashes")
        < said.index("--no-deps")
        < said.index(FETCHES[0])
        < said.index(RUNS[0])
    )


def test_what_is_locked_anew_is_installed_anew(checkout: Path) -> None:
    assert "pip install" not in make(checkout, "--dry-run", "run").stdout
    later = (checkout / ".venv" / ".installed").stat().st_mtime + 1
    os.utime(checkout / "requirements.txt", (later, later))
    assert "pip install" in make(checkout, "--dry-run", "run").stdout


def test_fetch_no_leaves_the_weights_out_for_good(checkout: Path) -> None:
    make(checkout, "run", "FETCH=no")
    make(checkout, "run")
    assert calls(checkout) == RUNS + RUNS


@pytest.mark.parametrize("fetching", ["exit 1", "kill -9 $$"])
def test_a_fetch_that_fails_in_whatever_way_does_not_keep_tagger_from_starting(
    checkout: Path, fetching: str
) -> None:
    install(checkout, fetching)
    make(checkout, "run")
    make(checkout, "run")
    assert calls(checkout) == FETCHES + RUNS + RUNS


def test_without_a_network_the_set_up_says_a_line_and_goes_on(
    checkout: Path, no_network: dict[str, str]
) -> None:
    install(checkout, fetching=f'exec {TAGGER} "$@"')
    done = make(checkout, "run", **no_network)
    [said] = done.stderr.splitlines()
    assert "resnet18: its weights cannot be downloaded: Connection refused" in said
    assert said.endswith("tagger models fetch resnet18")
    assert calls(checkout) == FETCHES + RUNS


def test_without_best_effort_a_fetch_that_fails_ends_with_an_error(
    tmp_path: Path, no_network: dict[str, str]
) -> None:
    done = tagger(tmp_path, "models", "fetch", "resnet18", **no_network)
    assert (done.returncode, done.stdout) == (3, "")
    assert "tagger models import resnet18-f37072fd.pth" in done.stderr


def test_on_a_terminal_too_a_line_is_all_that_stays(tmp_path: Path, no_network: dict[str, str]) -> None:
    seen = on_a_terminal(tmp_path, "models", "fetch", "resnet18", "--best-effort", **no_network)
    assert "Connection refused" in seen.rpartition("\x1b[2K")[2]


def test_a_config_that_is_wrong_does_not_end_the_set_up(tmp_path: Path, no_network: dict[str, str]) -> None:
    wrong = {"TAGGER_RESCAN": "soon"}
    done = tagger(tmp_path, "models", "fetch", "resnet18", "--best-effort", **no_network, **wrong)
    assert done.returncode == 0
    assert os.listdir(tmp_path / ".local/share/tagger/weights") == []
