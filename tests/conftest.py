import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Painter = Callable[..., Path]


@pytest.fixture
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
