"""The image of the Dockerfile, as docs/docker.md has it run."""

import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.conftest import Painter
from tests.e2e.command import rows
from tests.systemd import image as images
from tests.systemd import machine as machines
from tests.systemd.image import Container, Image

MOST = 600
"""Megabytes of Tagger and what it stands on; the base adds some 130."""


@pytest.fixture(scope="module")
def image(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    try:
        yield images.build(debian, folder)
    finally:
        shutil.rmtree(folder)


def until(holds: Callable[[], object], container: Container) -> None:
    """Asks again and again."""
    deadline = monotonic() + machines.PATIENCE
    while not holds():
        assert monotonic() < deadline, container.log


def healthy(image: Image, container: Container) -> bool:
    return container.ask(*image.words["HEALTHCHECK"]).returncode == 0


def tagged(volume: Path) -> list[str]:
    database = volume / "tags.db"
    return [path for (path,) in rows(database, "SELECT path FROM top_tag")] if database.exists() else []


def test_it_is_small_and_has_no_torch(image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["du", "-sm", str(image.root / "opt/tagger")]
    size = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[0])
    with capsys.disabled():
        print(f"\nin the image: {size} MB")  # noqa: T201 - what was promised
    assert size < MOST
    assert not [*image.root.glob("opt/tagger/lib/python3*/site-packages/torch")]


def test_from_the_first_start_to_the_next(image: Image, tmp_path: Path, paint: Painter) -> None:
    """As nobody in particular, on a read-only root: a token, a healthy service, a tagged picture, a clean stop."""
    volume, pictures = tmp_path / "data", tmp_path / "pictures"
    pictures.mkdir()
    tmp_path.chmod(0o755)
    with images.running(image, volume, pictures) as container:
        until(lambda: healthy(image, container), container)
        [token] = re.findall(r"http://localhost:5000/login\?token=(\w+)", container.log)
        file = volume / "token"
        assert (file.read_text().strip(), file.stat().st_uid) == (token, 1000)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "Read-only" in container.ask("touch", "/opt/tagger/new").stderr
        assert "Read-only" in container.ask("touch", "/pictures/new").stderr
        paint(pictures / "deep" / "red.png")
        until(lambda: tagged(volume) == ["/pictures/deep/red.png"], container)
        assert "1 done" in container.ask("tagger", "status").stdout
        began = monotonic()
        assert container.stop() == 0
        assert monotonic() - began < 10, "what `docker stop` waits"
    with images.running(image, volume, pictures) as container:
        until(lambda: healthy(image, container), container)
        assert "login?token" not in container.log
        assert file.read_text().strip() == token
