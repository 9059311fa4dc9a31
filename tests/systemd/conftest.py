import shutil
from collections.abc import Iterator

import pytest

from tests.systemd import machine as machines
from tests.systemd.machine import Machine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--machine", action="store_true", help="boot a machine with a systemd of its own")


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if not request.config.getoption("--machine", default=False):
        pytest.skip("make test-systemd boots a machine")
    if why := machines.lacks():
        pytest.skip(f"no machine can be booted: {why}")
    folder = tmp_path_factory.mktemp("machine")
    try:
        with machines.booted(machines.build(folder)) as machine:
            yield machine
    finally:
        shutil.rmtree(folder)
