"""Tagger from its wheel, with requirements-slim.txt alone: no torch, nothing of the checkout, an empty home."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import Painter
from tests.e2e.command import rows, running, tagger
from tests.e2e.site import TOKEN, picture

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
REAL = {"TAGGER_ENGINE__BACKEND": "auto"}
WEB = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__PORT": "0"}


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a virtual environment, made as docs/install.md says."""
    folder = tmp_path_factory.mktemp("slim")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    into = [*pip, "--python", str(environment), "install", "--no-compile"]
    locked = ["--require-hashes", "--only-binary=:all:", "--requirement", str(ROOT / "requirements-slim.txt")]
    subprocess.run([*into, *locked], check=True)
    subprocess.run([*into, "--no-deps", "--no-index", *map(str, folder.glob("*.whl"))], check=True)
    return environment / "bin"


@pytest.fixture(autouse=True)
def installed(slim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.e2e.command.TAGGER", slim / "tagger")


@pytest.mark.parametrize("module", ["torch", "torchvision", "matplotlib", "tests"])
def test_what_is_not_there(slim: Path, tmp_path: Path, module: str) -> None:
    done = subprocess.run(
        [slim / "python", "-c", f"import {module}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"No module named '{module}'" in done.stderr


def test_a_picture_is_tagged_in_an_empty_home(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "pictures" / "red.png")
    done = tagger(tmp_path, "scan", "pictures", **REAL)
    assert done.returncode == 0, done.stderr
    [(label,)] = rows(tmp_path / ".local/share/tagger/tags.db", "SELECT label FROM top_tag")
    assert label in done.stderr


def test_the_daemon_answers_with_a_token_that_it_made(tmp_path: Path, paint: Painter) -> None:
    """As in a container, where nobody was there to make one."""
    (tmp_path / "inbox").mkdir()
    token_file = tmp_path / "token"
    options = REAL | WEB | {"TAGGER_WEB__TOKEN_FILE": str(token_file)}
    with running(tmp_path, "inbox", first="made a token", **options) as daemon:
        address = re.findall(r"web: (\S+)", daemon.log)[0]
        [(path, token)] = re.findall(r"localhost:0(/login\?token=(\w+))", daemon.first)
        assert token == token_file.read_text().strip()
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        assert httpx.post(f"{address}/predict", content=picture()).status_code == 401
        with httpx.Client(base_url=address, timeout=30) as client:
            assert client.get(path).status_code == 303
            [result] = client.post("/predict", content=picture()).raise_for_status().json()["results"]
        assert (len(result["tags"]), result["error"]) == (5, None)
        paint(tmp_path / "inbox" / "red.png")
        daemon.wait_for(r"red\.png: ")
    with running(tmp_path, "inbox", first="web:", **options) as again:
        assert "made a token" not in again.log
        assert token == token_file.read_text().strip()


@pytest.mark.parametrize("arguments", [["tag", "red.png"], ["run", "."]])
def test_what_needs_torch_says_so(tmp_path: Path, paint: Painter, arguments: list[str]) -> None:
    paint(tmp_path / "red.png")
    done = tagger(tmp_path, *arguments, TAGGER_ENGINE__BACKEND="torch")
    assert done.returncode == 3
    assert "torch: is not installed\n  without it Tagger has its catalogue's models on a CPU" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_of_ones_own_comes_before_a_file_and_none_is_made(tmp_path: Path) -> None:
    own = {"TAGGER_WEB__TOKEN": TOKEN, "TAGGER_WEB__TOKEN_FILE": str(tmp_path / "token")}
    with running(tmp_path, ".", first="web:", **WEB, **own) as daemon:
        address = daemon.first.split("web: ")[1].strip()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{address}/stats", headers=headers).status_code == 200
    assert not (tmp_path / "token").exists()


def test_a_token_that_cannot_be_made(tmp_path: Path) -> None:
    options = WEB | {"TAGGER_WEB__TOKEN_FILE": "/proc/nowhere/token"}
    done = tagger(tmp_path, "run", ".", **options)
    assert done.returncode == 2
    assert "web.token_file: cannot be made" in done.stderr
