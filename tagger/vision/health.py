"""What a frame tells of the camera, whatever it shows: is it dark, blurred, without colour, blank?

It is asked of every picture, so it must cost next to nothing: light and colour are those of a coarse grid of pixels, and
sharpness that of the middle, at a fixed scale, so that a large and a small version of a picture are equally sharp.
Rejected: statistics of all pixels, which for a screenshot take a tenth of the time of its decoding.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.records import Health

_GRID = 32
"""Pixels along the shorter side that light and colour are taken from."""
_SCALE = 256
"""Pixels that the shorter side has, or up to twice as many, where sharpness is measured."""
_MIDDLE = 0.4
"""The part of either side that sharpness is measured in: a frame's border may be a caption or a lens's edge."""
_FLAT = 0.01
"""A frame whose luma has a smaller standard deviation shows nothing. A JPEG of one colour has less."""
_SLIVER = 16
"""Sides of a picture that is longer than so many times its width are cut to this: it has no scale to speak of."""
_LUMA = np.array((0.299, 0.587, 0.114), np.float32) / 255


def health(image: Image.Image) -> Health:
    """Of a whole frame, L, RGB or RGBA, which may be a reduced version.

    `brightness` is the mean luma (ITU-R BT.601), 0 to 1; `contrast` its standard deviation (RMS contrast, Peli 1990).
    `sharpness` compares how much neighbouring pixels differ with how much those two apart do, 0 to 1: a ramp has 0, noise
    1, whatever their contrast. `colourfulness` is that of Hasler and Süsstrunk (2003), of values 0 to 255: 0 is grey,
    15 slightly colourful, 109 extremely.
    """
    colours = _grid(image)
    luma = colours @ _LUMA
    contrast = float(luma.std())
    is_blank = contrast < _FLAT
    return Health(
        brightness=float(luma.mean()),
        contrast=contrast,
        sharpness=0.0 if is_blank else _sharpness(_middle(image)),
        colourfulness=_colourfulness(colours),
        is_blank=is_blank,
    )


def _grid(image: Image.Image) -> NDArray[np.float32]:
    """N×3, every so many pixels of the frame."""
    short = max(min(image.size), _GRID)
    width, height = (max(1, min(side * _GRID // short, _SLIVER * _GRID)) for side in image.size)
    few = image.resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(few if few.mode == "RGB" else few.convert("RGB"), np.float32).reshape(-1, 3)


def _colourfulness(colours: NDArray[np.float32]) -> float:
    red, green, blue = colours.T
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _middle(image: Image.Image) -> NDArray[np.float32]:
    """In grey, reduced to the scale at which sharpness is measured; never enlarged."""
    kept = [max(1, round(min(side, _SLIVER * min(image.size)) * _MIDDLE)) for side in image.size]
    left, top = ((side - part) // 2 for side, part in zip(image.size, kept, strict=True))
    part = image.crop((left, top, left + kept[0], top + kept[1])).convert("L")
    times = min(image.size) // _SCALE
    return np.asarray(part.reduce(times) if times > 1 else part, np.float32)


def _sharpness(luma: NDArray[np.float32]) -> float:
    """0 too where there are too few pixels to tell."""
    if min(luma.shape) < 3:
        return 0.0
    near = _energy(luma[:, 1:] - luma[:, :-1]) + _energy(luma[1:] - luma[:-1])
    far = _energy(luma[:, 2:] - luma[:, :-2]) + _energy(luma[2:] - luma[:-2])
    return max(0.0, min(2 * float(np.sqrt(near / far)) - 1, 1.0)) if far else 0.0


def _energy(differences: NDArray[np.float32]) -> float:
    flat = differences.ravel()
    return float(flat @ flat) / flat.size
