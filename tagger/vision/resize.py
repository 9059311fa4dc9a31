"""An upright picture of any size → the model's input, in two ways.

`exact` is torchvision's resize and centre crop on PIL pictures, to the last bit. `fast` resamples only what the
crop keeps, and averages whole blocks first where the picture is many times too large; it stays antialiased.
Resampling with a box gives the same bits almost always, but cannot be shown to, so `exact` goes without.
"""

from PIL import Image

from tagger.vision.models import Preprocessing

Size = tuple[int, int]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_REDUCING_GAP = 2.0
"""`fast` averages blocks down to no less than this many times the size that is wanted, then resamples."""
_SLIVER = 32
"""Where one side is more than this many times the other, `exact` resizes only the middle: the far ends of a
10 × 60,000 strip would become gigapixels, and then be cropped away."""


def exact(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The picture, crop×crop, with torchvision's rounding; black where it is too small."""
    image = _middle(image)
    size = _resized(image.size, preprocessing.resize)
    image = image.resize(size, _FILTERS[preprocessing.interpolation])
    return image.crop(_centre(size, preprocessing.crop))


def fast(image: Image.Image, whole: Size, preprocessing: Preprocessing) -> Image.Image:
    """The same picture within rounding. `whole` is its full size, where a smaller version was decoded."""
    size = _resized(whole, preprocessing.resize)
    left, top, right, bottom = _centre(size, preprocessing.crop)
    x, y = max(left, 0), max(top, 0)
    kept = min(right, size[0]) - x, min(bottom, size[1]) - y
    box = _scaled((x, y, x + kept[0], y + kept[1]), size, image.size)
    image = image.resize(kept, _FILTERS[preprocessing.interpolation], box, _REDUCING_GAP)
    return image.crop((left - x, top - y, right - x, bottom - y))


def _resized(whole: Size, short: int) -> Size:
    """The size once the shorter side is `short`."""
    width, height = whole
    portrait = width <= height
    return (short, int(short * height / width)) if portrait else (int(short * width / height), short)


def _centre(size: Size, crop: int) -> tuple[int, int, int, int]:
    left, top = (_margin(side - crop) for side in size)
    return left, top, left + crop, top + crop


def _margin(spare: int) -> int:
    return round(spare / 2) if spare >= 0 else -(-spare // 2)


def _scaled(box: tuple[int, int, int, int], size: Size, to: Size) -> tuple[float, float, float, float]:
    """A box of a picture of `size`, in the pixels of the same picture of the size `to`."""
    left, top, right, bottom = (side * to[n % 2] / size[n % 2] for n, side in enumerate(box))
    return left, top, min(right, to[0]), min(bottom, to[1])


def _middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    kept = min(width, _SLIVER * height), min(height, _SLIVER * width)
    if kept == image.size:
        return image
    left, top = (width - kept[0]) // 2, (height - kept[1]) // 2
    return image.crop((left, top, left + kept[0], top + kept[1]))
