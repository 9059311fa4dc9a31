"""A file's bytes → an upright RGB picture of the model's input size. The only module that imports Pillow.

The file is read once, checked against its stamp before and after, and decoded from those bytes, so that hash,
facts and pixels are of one and the same content. The resize is exactly torchvision's on PIL pictures; JPEG's
cheaper scaled decoding was rejected here because it changes scores.
"""

import hashlib
import io
import logging
import os
import stat
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError, features

from tagger.records import Changed, Content, Facts, Failed, Gone, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.models import Preprocessing

log = logging.getLogger(__name__)

_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
if features.check("webp"):
    _FORMATS["WEBP"] = (".webp",)
if features.check("avif"):
    _FORMATS["AVIF"] = (".avif",)
with suppress(ImportError):
    from pillow_heif import register_heif_opener

    register_heif_opener()
    _FORMATS["HEIF"] = (".heic", ".heif")

SUFFIXES = frozenset(suffix for suffixes in _FORMATS.values() for suffix in suffixes)
"""The suffixes, in lower case, of what can be decoded on this machine."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_WHITES = {"I": (65535,), "F": (1, 255, 65535)}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIGINAL = (
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.OffsetTimeOriginal,
    ExifTags.Base.SubsecTimeOriginal,
)
_DIGITIZED = (
    ExifTags.Base.DateTimeDigitized,
    ExifTags.Base.OffsetTimeDigitized,
    ExifTags.Base.SubsecTimeDigitized,
)
_SLIVER = 32
"""Where one side is more than this many times the other, only its middle is resized: the far ends of a
10 × 60,000 strip would become gigapixels, and then be cropped away."""


def read(stamp: Stamp, max_bytes: int) -> Content | Failed | Gone | Changed:
    """The stamped file's bytes; Changed where the path no longer holds what the stamp says. Raises nothing."""
    try:
        descriptor = os.open(stamp.path, _FLAGS)
        try:
            return _read(descriptor, stamp, max_bytes)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return Gone(stamp)
    except OSError as error:
        return Failed(stamp, "read", f"the file cannot be read: {error.strerror}", retryable=True)


def _read(descriptor: int, stamp: Stamp, max_bytes: int) -> Content | Failed | Changed:
    if not _is_stamped(descriptor, stamp):
        return Changed(stamp)
    if stamp.size == 0:
        return Failed(stamp, "read", "the file is empty")
    if stamp.size > max_bytes:
        reason = f"the file has {stamp.size:,} bytes, more than decode.max_bytes allows ({max_bytes:,})"
        return Failed(stamp, "read", reason)
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = file.read(stamp.size)
    if len(data) != stamp.size or not _is_stamped(descriptor, stamp):
        return Changed(stamp)
    return Content(stamp, data, hashlib.sha256(data).hexdigest())


def _is_stamped(descriptor: int, stamp: Stamp) -> bool:
    now = os.fstat(descriptor)
    return stat.S_ISREG(now.st_mode) and Stamp.of(stamp.path, stamp.source, now) == stamp


class Decoder:
    """Decodes for one preprocessing. May be called from many threads; `budget` bounds them together."""

    def __init__(self, preprocessing: Preprocessing, max_pixels: int, budget: PixelBudget) -> None:
        self._preprocessing, self._max_pixels, self._budget = preprocessing, max_pixels, budget
        # Our limit and our reasons take the place of Pillow's, which are process-wide warnings.
        Image.MAX_IMAGE_PIXELS = None
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def decode(self, content: Content) -> Picture | Failed:
        """The picture, its `pixels` crop×crop×3; Failed, with a sentence, whatever is wrong with the bytes."""
        try:
            return self._decode(content)
        except Exception as error:  # a decoder may raise anything at all on bytes that someone else made
            log.debug("%r cannot be decoded", content.stamp.path, exc_info=True)
            return Failed(content.stamp, "decode", _reason(error))

    def _decode(self, content: Content) -> Picture | Failed:
        with Image.open(io.BytesIO(content.data), formats=list(_FORMATS)) as image:
            width, height = image.size
            pixels = width * height
            if pixels > self._max_pixels:
                reason = (
                    f"{width}×{height} pixels are more than decode.max_pixels allows ({self._max_pixels:,})"
                )
                return Failed(content.stamp, "decode", reason)
            with self._budget.hold(pixels):
                image.load()
                exif = _exif(image)
                upright = _upright(_rgb(image), exif)
                facts = Facts(content.sha256, *upright.size, image.format or "", _taken_at(exif))
                return Picture(content.stamp, facts, _model_sized(upright, self._preprocessing))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format that can be decoded here"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    return f"the picture is damaged: {' '.join(str(error).split()) or type(error).__name__}"


def _rgb(image: Image.Image) -> Image.Image:
    """The picture's own colours as RGB: deep grey is scaled, what is transparent shows white."""
    if image.mode.startswith(("I", "F")):
        return _scaled_grey(image).convert("RGB")
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(layer, mask=layer)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled_grey(image: Image.Image) -> Image.Image:
    """16-bit, integer and float grey to 8 bits; white is the smallest usual full scale that holds them all."""
    values = np.array(image, np.float32)
    np.fmax(values, 0, out=values)  # also where it is not a number
    values[np.isinf(values)] = 0
    peak = float(values.max())
    white = next((full for full in _WHITES[image.mode[0]] if peak <= full), peak)
    values *= 255 / white
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8))


def _exif(image: Image.Image) -> dict[int, Any]:
    """Orientation and the camera's tags. Broken EXIF is no EXIF: it says nothing of the picture itself."""
    tags: dict[int, Any] = {}
    with suppress(Exception):
        exif = image.getexif()
        tags[ExifTags.Base.Orientation] = exif.get(ExifTags.Base.Orientation)
        tags |= exif.get_ifd(ExifTags.IFD.Exif)
    return tags


def _upright(image: Image.Image, exif: dict[int, Any]) -> Image.Image:
    turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _taken_at(exif: dict[int, Any]) -> datetime | None:
    for tags in (_ORIGINAL, _DIGITIZED):
        with suppress(ValueError, OverflowError, OSError):
            return _moment(*(str(exif.get(tag, "")).strip("\0 ") for tag in tags))
    return None


def _moment(time: str, offset: str, fraction: str) -> datetime:
    """The moment in UTC. A camera that tells no offset is taken to be in this machine's time zone."""
    moment = datetime.strptime(time, "%Y:%m:%d %H:%M:%S")
    if fraction.isdecimal():
        moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    with suppress(ValueError):
        moment = moment.replace(tzinfo=datetime.strptime(offset, "%z").tzinfo)
    return moment.astimezone(UTC)


def _model_sized(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Torchvision's resize of the shorter side and centre crop, with its rounding; black where it is too small."""
    image = _middle(image)
    width, height = image.size
    short, crop = preprocessing.resize, preprocessing.crop
    portrait = width <= height
    size = (short, int(short * height / width)) if portrait else (int(short * width / height), short)
    image = image.resize(size, _FILTERS[preprocessing.interpolation])
    left, top = (_margin(side - crop) for side in size)
    return np.array(image.crop((left, top, left + crop, top + crop)))


def _middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    kept = min(width, _SLIVER * height), min(height, _SLIVER * width)
    if kept == image.size:
        return image
    left, top = (width - kept[0]) // 2, (height - kept[1]) // 2
    return image.crop((left, top, left + kept[0], top + kept[1]))


def _margin(spare: int) -> int:
    return round(spare / 2) if spare >= 0 else -(-spare // 2)
