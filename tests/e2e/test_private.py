"""Private and small by construction: no torch in the daemon, and nothing tries to reach out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Painter
from tests.e2e.command import TAGGER, environment, running

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def test_a_daemon_on_openvino_has_not_loaded_torch(tmp_path: Path, paint: Painter) -> None:
    picture = paint(tmp_path / "inbox" / "a.png")
    database = tmp_path / "tags.db"
    chosen = {"TAGGER_ENGINE__BACKEND": "openvino"}
    with running(tmp_path, tmp_path / "inbox", "--database", database, **chosen) as daemon:
        daemon.wait_for(picture.name)
        mapped = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    assert "openvino" in mapped
    assert "libtorch" not in mapped


@needs_strace
@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_no_engine_tries_to_reach_out(tmp_path: Path, paint: Painter, backend: str) -> None:
    picture, trace = paint(tmp_path / "a.png"), tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-e", "trace=socket,connect,sendto", "-o", trace, TAGGER, "tag", picture],
        env=environment(tmp_path, TAGGER_ENGINE__BACKEND=backend),
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert "exited with 0" in trace.read_text()
    assert "AF_INET" not in trace.read_text()
    left = {path.relative_to(tmp_path).parts[:3] for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {("trace",), ("a.png",), (".cache", "tagger", "graphs")}


def test_garbage_is_collected_while_a_command_works(tmp_path: Path, paint: Painter) -> None:
    code = (
        "import atexit, gc, sys\nfrom tagger.cli import main\n"
        "atexit.register(lambda: print('collects:', gc.isenabled()))\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "tag", paint(tmp_path / "a.png")],
        env=environment(tmp_path, TAGGER_ENGINE__BACKEND="fake"),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.endswith("collects: True\n")
