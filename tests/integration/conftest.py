import sys
import threading
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


@pytest.fixture
def untraced() -> Iterator[None]:
    """Threads that are traced, as coverage does it, stand still in Python 3.11 while one of them is to take an error."""
    here, elsewhere = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    sys.settrace(here)
    threading.settrace(elsewhere)
