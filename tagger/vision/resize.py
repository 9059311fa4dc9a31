"""An upright picture of any size → the model's input: one square frame or more, in two ways.

What is seen of a picture is a `View`: a part of it, brought to a size, and square windows of that. `exact` resizes the
whole part; for the centre crop that is torchvision's resize and crop on PIL pictures, to the last bit. `fast` resamples
only what the windows keep, and averages whole blocks first where the picture is many times too large; it stays
antialiased. Resampling with a box gives the same bits almost always, but cannot be shown to, so `exact` goes without.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagger.config.sources import Box
from tagger.vision.models import Preprocessing

Size = tuple[int, int]
Window = tuple[int, int, int, int]
Area = tuple[float, float, float, float]
Frames = NDArray[np.uint8]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_REDUCING_GAP = 2.0
"""`fast` averages blocks down to no less than this many times the size that is wanted, then resamples."""
_SLIVER = 32
"""Where one side is more than this many times the other, only the middle is resized: the far ends of a 10 × 60,000
strip would become gigapixels, and then be cropped away."""
_ENOUGH = 0.75
"""Where the middle tile sees this part of the longer side, it is the only one."""


class View(NamedTuple):
    """What is seen: `area` (left, top, right, bottom) of a picture, resized to `size`; of that, each of `windows`.

    Windows are crop×crop pixels. What they have outside `size` is `padding` (RGB).
    """

    area: Area
    size: Size
    windows: tuple[Window, ...]
    padding: tuple[int, int, int] = (0, 0, 0)


def exact(image: Image.Image, preprocessing: Preprocessing) -> Frames:
    """Return the frames, N×crop×crop×3 in RGB, with torchvision's rounding."""
    view = _view(image.size, preprocessing)
    left, top, right, bottom = map(int, view.area)  # whole pixels, as if the rest had been cut off before
    resized = image.resize(view.size, _FILTERS[preprocessing.interpolation], (left, top, right, bottom))
    return _framed(opaque(resized), (0, 0), view)


def fast(image: Image.Image, whole: Size, preprocessing: Preprocessing) -> Frames:
    """Return the same frames within rounding. `whole` is the full size, where a smaller version was decoded."""
    view = _view(whole, preprocessing)
    left, top, right, bottom = kept = _kept(view)
    box = _scaled(kept, view.size, _scaled(view.area, whole, (0, 0, *image.size)))
    size = right - left, bottom - top
    resized = image.resize(size, _FILTERS[preprocessing.interpolation], box, _REDUCING_GAP)
    return _framed(opaque(resized), (left, top), view)


def shortest(whole: Size, preprocessing: Preprocessing) -> float:
    """Return what the shorter side of the picture comes to at most where it is resized, upright or not."""
    frame, crop = preprocessing.frame, preprocessing.crop
    if isinstance(frame, tuple):
        return min(crop / min(frame[2:]), max(whole))
    return crop if frame in ("squash", "letterbox") else preprocessing.resize


def _view(whole: Size, preprocessing: Preprocessing) -> View:
    frame, crop = preprocessing.frame, preprocessing.crop
    if isinstance(frame, tuple):
        return View(_part(whole, frame), (crop, crop), ((0, 0, crop, crop),))
    if frame == "squash":
        return View((0, 0, *whole), (crop, crop), ((0, 0, crop, crop),))
    if frame == "letterbox":
        red, green, blue = (round(255 * mean) for mean in preprocessing.mean)
        size = _inside(whole, crop)
        return View((0, 0, *whole), size, (_centre(size, crop),), (red, green, blue))
    area = _middle(whole)
    size = _resized((area[2] - area[0], area[3] - area[1]), preprocessing.resize)
    return View(area, size, _tiles(size, crop) if frame == "tiles" else (_centre(size, crop),))


def _resized(whole: tuple[float, float], short: int) -> Size:
    """Return the size once the shorter side is `short`."""
    width, height = whole
    portrait = width <= height
    return (short, int(short * height / width)) if portrait else (int(short * width / height), short)


def _inside(whole: Size, side: int) -> Size:
    """Return the size once the longer side is `side`."""
    width, height = (max(1, round(side * length / max(whole))) for length in whole)
    return width, height


def _centre(size: Size, crop: int) -> Window:
    left, top = (_margin(side - crop) for side in size)
    return left, top, left + crop, top + crop


def _tiles(size: Size, crop: int) -> tuple[Window, ...]:
    """Return both ends of the longer side and its middle, or the middle alone where that is nearly all."""
    middle = _centre(size, crop)
    spare = max(size) - crop
    if crop >= _ENOUGH * max(size):
        return (middle,)
    left, top, *_ = middle
    ends = [(at, top) if size[0] > size[1] else (left, at) for at in (0, spare)]
    first, last = ((x, y, x + crop, y + crop) for x, y in ends)
    return first, middle, last


def _part(whole: Size, box: Box) -> Window:
    """Return a box's whole pixels: one at least in each direction."""
    x, y, width, height = box
    left, top = (min(round(at * side), side - 1) for at, side in zip((x, y), whole, strict=True))
    ends = zip((x + width, y + height), whole, strict=True)
    right, bottom = (min(round(at * side), side) for at, side in ends)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _middle(whole: Size) -> Area:
    width, height = whole
    kept = min(width, _SLIVER * height), min(height, _SLIVER * width)
    left, top = (width - kept[0]) / 2, (height - kept[1]) / 2
    return left, top, left + kept[0], top + kept[1]


def _margin(spare: int) -> int:
    return round(spare / 2) if spare >= 0 else -(-spare // 2)


def _kept(view: View) -> Window:
    """Return what lies in some window, and within the picture."""
    lefts, tops, rights, bottoms = zip(*view.windows, strict=True)
    width, height = view.size
    return max(min(lefts), 0), max(min(tops), 0), min(max(rights), width), min(max(bottoms), height)


def _scaled(box: Area, size: Size, to: Area) -> Area:
    """Return a box of a picture of `size`, where that picture lies at `to`."""
    spans = to[2] - to[0], to[3] - to[1]
    left, top, right, bottom = (to[n % 2] + side * spans[n % 2] / size[n % 2] for n, side in enumerate(box))
    return left, top, min(right, to[2]), min(bottom, to[3])


def _framed(image: Image.Image, at: tuple[int, int], view: View) -> Frames:
    """Return a frame for each window; `at` is where `image` begins in the resized picture."""
    return np.stack([np.asarray(_seen(image, at, window, view.padding)) for window in view.windows])


def _seen(image: Image.Image, at: Size, window: Window, padding: tuple[int, int, int]) -> Image.Image:
    left, top, right, bottom = window
    seen = Image.new("RGB", (right - left, bottom - top), padding)
    seen.paste(image, (at[0] - left, at[1] - top))
    return seen


def opaque(image: Image.Image) -> Image.Image:
    """Return RGB; what is transparent shows white."""
    if image.mode != "RGBA":
        return image if image.mode == "RGB" else image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white
