"""A TIFF's numbers, as libtiff gives them → 8 bits: grey or RGB, with alpha or without.

What is white is told by the number of bits where these are at most 16 and unsigned. Other numbers are seldom used up to their range:
their white is the smallest usual full scale that holds all colours, or else the brightest. Colours that were multiplied by their alpha are divided by it,
so that all go on alike.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.vision import tiff_layout as tl
from tagger.vision.tiff_layout import SampleLayout

_Numbers = NDArray[Any]
_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]

_USUAL = (255.0, 65535.0)
_OVERSHOOT = 2
"""Floats that are meant to end at 1 go up to here where they were sharpened or resized."""
_AT_ONCE = 1 << 17
"""Numbers that are brought to 8 bits in one step: their floats then take few megabytes, whatever the picture's size."""


def picture(numbers: _Numbers, layout: SampleLayout, colour_map: tuple[int, ...]) -> Image.Image:
    """Return the picture of H×W×samples numbers, in the layout's mode. `colour_map` has a palette's reds, then greens, then blues."""
    if layout.is_shown:
        return Image.fromarray(np.ascontiguousarray(numbers[..., :3]))
    if layout.colours in tl.LAB:
        return _of_lab(numbers, layout)
    if layout.colours == tl.PALETTE:
        colours = _mapped(numbers[..., 0], colour_map)
        return Image.fromarray(
            colours if layout.alpha is None else np.dstack([colours, _alpha(numbers, layout)])
        )
    made = _scaled(numbers, layout)
    return Image.fromarray(made[..., 0] if layout.mode == "L" else made)


def _mapped(indexes: _Numbers, colour_map: tuple[int, ...]) -> _Bytes:
    """Return a palette's colours. They have 16 bits, but some programs write 8."""
    colours = np.asarray(colour_map, np.uint16).reshape(3, -1).T
    if colours.max() > 255:
        colours >>= 8
    found: _Bytes = colours.astype(np.uint8)[indexes.astype(np.uint16)]
    return found


def _of_lab(numbers: _Numbers, layout: SampleLayout) -> Image.Image:
    """Return RGB. Pillow takes the colours as signed, as CIELAB has them; ICCLAB begins at their least."""
    lab = (numbers[..., :3] >> (layout.bits[0] - 8)).astype(np.uint8)
    if layout.colours == tl.ICCLAB:
        lab[..., 1:] ^= 128
    height, width, _ = lab.shape
    found = Image.frombytes("LAB", (width, height), lab.tobytes()).convert("RGB")
    if layout.alpha is not None:
        found.putalpha(Image.fromarray(_alpha(numbers, layout)))
    return found


def _alpha(numbers: _Numbers, layout: SampleLayout) -> _Bytes:
    alpha = numbers[..., layout.alpha]
    made: _Bytes = np.rint(alpha.astype(np.float32) * (255 / _white(alpha, layout))).astype(np.uint8)
    return made


def _scaled(numbers: _Numbers, layout: SampleLayout) -> _Bytes:
    """Return grey or RGB, and alpha behind it where there is any, some rows at a time."""
    height, width, _ = numbers.shape
    white = _white(numbers[..., : layout.used], layout)
    opaque = 1.0 if layout.alpha is None else _white(numbers[..., layout.alpha], layout)
    made = np.empty((height, width, len(layout.mode)), np.uint8)
    for rows in _steps(numbers):
        made[rows] = np.rint(_pixels(_positive(numbers[rows]), layout, white, opaque) * 255)
    return made


def _steps(numbers: _Numbers) -> Iterator[slice]:
    step = max(1, _AT_ONCE // (numbers.size // len(numbers)))
    return (slice(top, top + step) for top in range(0, len(numbers), step))


def _pixels(rows: _Floats, layout: SampleLayout, white: float, opaque: float) -> _Floats:
    """Return grey or RGB, and alpha if there is any, from 0 to 1."""
    colours = rows[..., : layout.used] / white
    if layout.alpha is None:
        return _seen(colours, layout)
    alpha = np.minimum(rows[..., layout.alpha, None] / opaque, 1)
    if layout.is_premultiplied:
        np.divide(colours, alpha, out=colours, where=alpha > 0)
    return np.concatenate([_seen(colours, layout), alpha], axis=2)


def _seen(colours: _Floats, layout: SampleLayout) -> _Floats:
    colours = np.minimum(colours, 1)
    if layout.colours == tl.CMYK:
        return (1 - colours[..., :3]) * (1 - colours[..., 3:])
    return 1 - colours if layout.colours == tl.WHITE_IS_ZERO else colours


def _positive(numbers: _Numbers) -> _Floats:
    """Return floats that are 0 where a number is negative, infinite or none at all."""
    with np.errstate(over="ignore"):
        floats = np.fmax(numbers.astype(np.float32), 0)
    floats[np.isinf(floats)] = 0
    return floats


def _white(numbers: _Numbers, layout: SampleLayout) -> float:
    """Return the number that is white, or opaque."""
    bits, kind = layout.bits[0], layout.kinds[0]
    most = 2.0 ** (bits - (kind == tl.SIGNED)) - 1
    if kind == tl.UNSIGNED and bits <= 16:
        return most
    peak = max(float(_positive(numbers[rows]).max()) for rows in _steps(numbers))
    if kind == tl.FLOAT and peak <= _OVERSHOOT:
        return 1
    is_used_up = kind != tl.FLOAT and (bits <= 16 or peak > most / 4)
    usual = [full for full in _USUAL if kind == tl.FLOAT or full < most] + [most] * is_used_up
    return next((full for full in usual if peak <= full), peak)
