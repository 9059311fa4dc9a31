"""The confusion table as a picture: a row for what pictures show, a column for what the network says of them.

Each square is as dark as the part of its row that it has. Labels go by the numbers that the printed report gives them, too: Pillow's own
font has Latin letters alone, and a name across a column has no room.
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tagger.train.report import TestResult

_LARGEST, _SIDE, _LEGIBLE, _NAMES = 1200, 44, 22, 200
"""Pixels: of the table at most, of a square at most, of a square from which on it has a number, and of the room for names."""
_MOST_SHOWN = 24
"""Characters of a name."""
_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_FULL = np.array((31, 78, 140))


def png(result: TestResult) -> bytes:
    """Return the picture's file."""
    count = len(result.labels)
    side = max(1, min(_SIDE, _LARGEST // count))
    legible = side >= _LEGIBLE
    left, top = (_NAMES, side) if legible else (0, 0)
    image = Image.new("RGB", (left + side * count, top + side * count), _PAPER)
    image.paste(_squares(result, side), (left, top))
    if legible:
        _write(ImageDraw.Draw(image), result, side)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _squares(result: TestResult, side: int) -> Image.Image:
    parts = result.confusion / np.maximum(result.confusion.sum(1, keepdims=True), 1)
    colours = (255 + parts[..., None] * (_FULL - 255)).astype(np.uint8)
    return Image.fromarray(colours.repeat(side, 0).repeat(side, 1))


def _write(draw: ImageDraw.ImageDraw, result: TestResult, side: int) -> None:
    font = ImageFont.load_default(12)
    totals = np.maximum(result.confusion.sum(1), 1)
    for row, label in enumerate(result.labels):
        middle = side * (row + 1.5)
        draw.text((_NAMES - 6, middle), _called(row, label), _INK, font, anchor="rm")
        draw.text((_NAMES + side * (row + 0.5), side / 2), str(row + 1), _INK, font, anchor="mm")
        for column in np.flatnonzero(result.confusion[row]):
            number = result.confusion[row, column]
            ink = _PAPER if number > totals[row] / 2 else _INK
            draw.text((_NAMES + side * (column + 0.5), middle), str(number), ink, font, anchor="mm")


def _called(row: int, label: str) -> str:
    """Return a label's name and number; the number alone where the font has not its letters."""
    shown = label if len(label) <= _MOST_SHOWN else f"{label[: _MOST_SHOWN - 3]}..."
    return f"{shown} {row + 1}" if all(ord(one) < 0x250 for one in shown) else str(row + 1)
