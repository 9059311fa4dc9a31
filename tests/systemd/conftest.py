import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd import machine as machines
from tests.systemd.machine import Machine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--machine", action="store_true", help="boot a machine with a systemd of its own")


@pytest.fixture(scope="session")
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a small system, to copy."""
    if not request.config.getoption("--machine", default=False):
        pytest.skip("make test-systemd installs a Debian")
    if why := machines.lacks():
        pytest.skip(f"no Debian can be installed: {why}")
    root = tmp_path_factory.mktemp("debian") / "root"
    try:
        machines.debootstrap(root)
        yield root
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def machine(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    try:
        with machines.booted(machines.build(debian, folder)) as machine:
            yield machine
    finally:
        shutil.rmtree(folder)
