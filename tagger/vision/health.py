"""A frame tells of its camera, whatever it shows: whether it is dark, blurred, without colour, blank, or drawn by a computer.

It is asked of every picture, so it must cost next to nothing: light and colour are those of a coarse grid of pixels, and
sharpness that of the middle, at a fixed scale, so that a large and a small version of a picture are equally sharp. Flat is
where the pixels of that grid equal their neighbours in the frame itself: where it is resized, nothing is as flat as it was.
Rejected: statistics of all pixels, which for a screenshot take a tenth of the time of its decoding.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.records import Health

_GRID = 32
"""Pixels along the shorter side that light and colour are taken from."""
_SCALE = 256
"""Pixels that the shorter side has, or up to twice as many, where sharpness is measured."""
_MIDDLE = 0.3
"""The part of either side that sharpness is measured in: a frame's border may be a caption or a lens's edge."""
_FLAT = 0.01
"""A frame whose luma has a smaller standard deviation shows nothing. A JPEG of one colour has less."""
_LIT = 0xF0F0F0
"""Bits of a pixel, one of which is set where it is not black: where no channel has 16, a camera may not even see noise."""
_SLIVER = 16
"""Sides of a picture that is longer than so many times its width are cut to this: it has no scale to speak of."""
_AXES = np.array(((0.299 / 255, 0.587 / 255, 0.114 / 255), (1, -1, 0), (0.5, 0.5, -1)), np.float64)
"""Red, green and blue → luma, red against green, yellow against blue."""


def health(image: Image.Image) -> Health:
    """Return the health of a whole frame, L, RGB or RGBA, which may be a reduced version.

    `brightness` is the mean luma (ITU-R BT.601), 0 to 1; `contrast` its standard deviation (RMS contrast, Peli 1990).
    `sharpness` compares how much neighbouring pixels differ with how much those two apart do, 0 to 1: a ramp has 0, noise
    1, whatever their contrast. `colourfulness` is that of Hasler and Süsstrunk (2003), of values 0 to 255: 0 is grey, 15
    slightly colourful, 109 extremely. `flatness` is the part of its pixels, 0 to 1, that are not black and equal both the one to
    their right and the one below: where a camera looks, noise sees to it that few do, but in the dark.
    """
    axes = _AXES @ _grid(image).T
    means = axes.mean(axis=1)
    spreads = np.sqrt(np.maximum(np.einsum("in,in->i", axes, axes) / axes.shape[1] - means**2, 0))
    brightness, contrast = float(means[0]), float(spreads[0])
    is_blank = contrast < _FLAT
    return Health(
        brightness=brightness,
        contrast=contrast,
        sharpness=0.0 if is_blank else _sharpness(_middle(image)),
        colourfulness=math.hypot(*spreads[1:]) + 0.3 * math.hypot(*means[1:]),
        is_blank=is_blank,
        flatness=_flatness(image),
    )


def _grid(image: Image.Image) -> NDArray[np.float64]:
    """Return N×3, every so many pixels of the frame."""
    return np.asarray(_few(image, (0, 0, *image.size)), np.float64).reshape(-1, 3)


def _few(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return, in RGB, every so many pixels of that part of the frame."""
    short = max(min(image.size), _GRID)
    width, height = (max(1, min(side * _GRID // short, _SLIVER * _GRID)) for side in image.size)
    few = image.resize((width, height), Image.Resampling.NEAREST, box)
    return few if few.mode == "RGB" else few.convert("RGB")


def _flatness(image: Image.Image) -> float:
    """Return the flatness, by the same grid three times, moved by a pixel. 1 where there are no neighbours."""
    width, height = (max(1, side - 1) for side in image.size)
    right, below = image.width - width, image.height - height
    here, beside, under = (
        np.asarray(_few(image, (left, top, left + width, top + height)).convert("RGBA")).view("<u4")
        for left, top in ((0, 0), (right, 0), (0, below))
    )
    return float(((here == beside) & (here == under) & (here & _LIT > 0)).mean())


def _middle(image: Image.Image) -> NDArray[np.float32]:
    """Return the middle in grey, reduced to the scale at which sharpness is measured; never enlarged."""
    kept = [max(1, round(min(side, _SLIVER * min(image.size)) * _MIDDLE)) for side in image.size]
    left, top = ((side - part) // 2 for side, part in zip(image.size, kept, strict=True))
    box = (left, top, left + kept[0], top + kept[1])
    times = min(image.size) // _SCALE
    part = image.reduce(times, box) if times > 1 else image.crop(box)
    return np.asarray(part.convert("L"), np.float32)


def _sharpness(luma: NDArray[np.float32]) -> float:
    """Return the sharpness of the direction that is less sharp: what moves is smeared in one. 0 too where there are too few pixels to tell."""
    return min(_detail(luma), _detail(np.ascontiguousarray(luma.T))) if min(luma.shape) > 2 else 0.0


def _detail(luma: NDArray[np.float32]) -> float:
    """Return the detail, from how far each difference goes on in the next one: wholly in a ramp, not at all in a random walk, back in noise."""
    differences = luma[1:] - luma[:-1]
    energy = float(np.vdot(differences, differences)) / len(differences)
    shared = float(np.vdot(differences[1:], differences[:-1])) / (len(differences) - 1)
    both = energy + shared
    return max(0.0, min(math.sqrt(2 * energy / both) - 1, 1.0)) if both > 0 else float(energy > 0)
