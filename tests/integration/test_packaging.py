"""Wheel and sdist: the same bits whoever builds them, and all in them that Tagger needs without a checkout."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what builds, as it is locked, and nothing else."""
    folder = tmp_path_factory.mktemp("backend")
    venv.create(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--require-hashes"]
    subprocess.run([*pip, "--requirement", str(ROOT / "requirements-build.txt")], check=True)
    return folder / "bin" / "python"


def build(backend: Path, source: Path, target: Path) -> dict[str, Path]:
    """A wheel and an sdist, by their names."""
    words = [str(backend), "-m", "hatchling", "build", "-d", str(target), "-t", "wheel", "-t", "sdist"]
    subprocess.run(words, cwd=source, check=True, capture_output=True)
    return {path.name: path for path in target.iterdir()}


@pytest.fixture(scope="module")
def built(backend: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(backend, ROOT, tmp_path_factory.mktemp("built"))


def test_what_is_built_from_the_sdist_is_the_same_to_the_last_bit(
    backend: Path, built: dict[str, Path], tmp_path: Path
) -> None:
    """Elsewhere, of files of another time."""
    [sdist] = [path for name, path in built.items() if name.endswith(".tar.gz")]
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    (source / "PKG-INFO").unlink()  # no file of the checkout's, but written anew into each sdist
    for file in source.rglob("*"):
        file.touch()
    again = build(backend, source, tmp_path / "again")
    assert len(again) == len(built) == 2
    assert {n: p.read_bytes() for n, p in again.items()} == {n: p.read_bytes() for n, p in built.items()}


def test_the_wheel_has_all_that_is_no_code(built: dict[str, Path]) -> None:
    """As it lies here, under the names by which it is looked for."""
    wheel = next(path for name, path in built.items() if name.endswith(".whl"))
    moved = {"weights": "tagger/builtin", "systemd": "tagger/service/units", "tagger": "tagger"}
    wanted = {
        f"{target}/{file.relative_to(ROOT / folder)}": file
        for folder, target in moved.items()
        for file in tracked(folder)
    }
    with zipfile.ZipFile(wheel) as archive:
        missing = {name for name, file in wanted.items() if archive.read(name) != file.read_bytes()}
    assert missing == set()
    kinds = {Path(name).suffix for name in wanted}
    assert {".onnx", ".safetensors", ".tsv", ".yaml", ".lark", ".html", ".css", ".js", ".j2"} <= kinds


def tracked(folder: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]
