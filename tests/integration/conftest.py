from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "tags.db", ("cam", "phone"))
    with closing(shelf.database):
        yield shelf
