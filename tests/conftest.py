import gc
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import kernel

Painter = Callable[..., Path]

# Tests load ONNX Runtime by themselves, too: it would report that to its maker, as tagger.vision.engines.onnx says.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails a test after which a thread, a child process or an open file is still there that was not before it."""
    threads, children, files = set(threading.enumerate()), kernel.children(), kernel.open_files()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive(), f"a thread is left behind: {thread.name}"
    assert kernel.children() <= children, "a process is left behind"
    if (
        kernel.open_files() - files
    ):  # only then: with torch in the process, to collect takes longer than most tests
        gc.collect()
    assert kernel.open_files() - files == Counter(), "a file is left open"


@pytest.fixture(scope="session")
def paint() -> Painter:
    """Writes a picture of one colour; a different number makes different content of the same colour."""

    def paint(path: Path, colour: tuple[int, int, int] = (255, 0, 0), number: int = 0) -> Path:
        pixels = np.full((48, 64, 3), colour, np.uint8)
        pixels[0, :3] = [[number >> 16 & 255, number >> 8 & 255, number & 255]]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return paint


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """Real photos, which are not part of the project."""
    folder = os.environ.get("TAGGER_PHOTOS")
    if not folder:
        pytest.skip("TAGGER_PHOTOS names no folder of photos")
    return sorted(Path(folder).glob("*.jpg"))
