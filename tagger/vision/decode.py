"""A file's bytes → an upright RGB picture of the model's input size. Only this, `alpha`, `health`, `limits`, `mend`, `resize`,
`taken_at` and `thumbnail` import Pillow.

The file is read once, checked against its stamp before and after, and decoded from those bytes, so that hash,
facts and pixels are of one and the same content. The picture is brought to the model's size before its alpha
is looked at and its colours are unified: each step then has a hundredth of the pixels to do.
"""

import hashlib
import logging
import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError, features

from tagger.config.sources import Crop
from tagger.config.tagging import DecodeSettings
from tagger.host.beneath import Reach
from tagger.records import Changed, Content, Facts, Failed, FailureKind, Gone, Health, Picture, Stamp
from tagger.vision import alpha, heif, jpeg, limits, mend, png, resize, taken_at, tiff
from tagger.vision.budget import MemoryBudget
from tagger.vision.child_decoder import ChildDecoder, is_risky
from tagger.vision.health import health
from tagger.vision.models import Preprocessing
from tagger.vision.tiff_layout import LayoutError

log = logging.getLogger(__name__)

_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".jpg_large", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "DIB": (".dib",),  # a BMP that lacks the head of its file; some have it
    "TIFF": (".tif", ".tiff"),
}
tiff.register()
if features.check("webp"):
    _FORMATS["WEBP"] = (".webp",)
if features.check("avif"):
    _FORMATS["AVIF"] = (".avif",)
_READ = list(_FORMATS) + ["HEIF"] * heif.IS_READ
_FORMATS["HEIF"] = heif.SUFFIXES

Mode = Literal["exact", "fast"]
SUFFIXES = frozenset(suffix for suffixes in _FORMATS.values() for suffix in suffixes)
"""The suffixes, in lower case, of what is looked at. What a file is decoded as is told by its content."""

_DRAFTED = 2
"""A JPEG is decoded at a half or a quarter where that leaves this many times the size that is wanted."""
_AVERAGED = 1.4
"""The same for an eighth, where each pixel is the mean of a JPEG's own block: nothing can alias before it."""
_DEFAULTS = DecodeSettings()
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
_BLOCK, _BLOCKS = 1 << 20, 32
"""Pillow keeps so many bytes of pixels, in so many blocks, for the next picture. Fresh memory must be cleared by the
kernel, page by page, which takes a fifth of the time that a screenshot's decoding takes."""
_TO_THE_SIDE = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
_OF_PYTHON = (ArithmeticError, AttributeError, LookupError, TypeError, struct.error)
"""What a parser raises that met numbers which it did not expect; the words say nothing to people."""
_CAMERA = {ExifTags.Base.Make, ExifTags.Base.Model}
_ANYWHERE = Reach("/")


def read(
    stamp: Stamp, max_bytes: int, roots: Mapping[str, Reach] = MappingProxyType({})
) -> Content | Failed | Gone | Changed:
    """Return the stamped file's bytes; Changed where the path no longer holds what the stamp says. Raises nothing.

    It is opened as far as its source reaches, which `roots` has by name; a file of no source's lies beneath /, behind no link.
    """
    try:
        descriptor = roots.get(stamp.source, _ANYWHERE).open(stamp.path)
        try:
            return _read(descriptor, stamp, max_bytes)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return Gone(stamp)
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror}"
        return Failed(stamp, "read", reason, retryable=True, kind=FailureKind.UNREADABLE)


def _read(descriptor: int, stamp: Stamp, max_bytes: int) -> Content | Failed | Changed:
    if not _is_stamped(descriptor, stamp):
        return Changed(stamp)
    if stamp.size == 0:
        return Failed(stamp, "read", "the file is empty")
    if stamp.size > max_bytes:
        reason = f"the file has {stamp.size:,} bytes, more than decode.max_bytes allows ({max_bytes:,})"
        return Failed(stamp, "read", reason, kind=FailureKind.TOO_LARGE)
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

    def __init__(
        self,
        preprocessing: Preprocessing,
        max_pixels: int,
        budget: MemoryBudget,
        mode: Mode = "exact",
        *,
        max_frames: int = _DEFAULTS.max_frames,
        max_memory: int = _DEFAULTS.max_memory,
        crops: Mapping[str, Crop] = MappingProxyType({}),
        children: ChildDecoder | None = None,
    ) -> None:
        """Decode sources named in `crops` with a crop of their own, and risky formats in `children`.

        Without children all is decoded here, where the memory of a picture that lies about its size is not bounded.
        `exact` gives torchvision's pixels to the last bit; `fast` the same scores within hundredths.
        """
        self._preprocessing, self._budget, self._fast = preprocessing, budget, mode == "fast"
        self._of = {source: replace(preprocessing, frame=crop) for source, crop in crops.items()}
        self._limits = limits.PictureLimits(max_pixels, max_frames, max_memory)
        Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined]
        Image.core.set_blocks_max(_BLOCKS)  # type: ignore[attr-defined]
        self._limits.impose()
        self._children = children

    def decode(self, content: Content) -> Picture | Failed:
        """Return the picture, its `frames` N×crop×crop×3; Failed, with a sentence, whatever is wrong with the bytes."""
        preprocessing = self._of.get(content.target.source, self._preprocessing)
        if self._children and is_risky(content.data):
            return self._children.decode(content, preprocessing)
        try:
            return self._decode(content, preprocessing)
        except Exception as error:  # a decoder may raise anything at all on bytes that someone else made
            log.debug("%r cannot be decoded", content.target.path, exc_info=True)
            kind, reason = why(error, self._limits)
            return Failed(content.target, "decode", reason, kind=kind)

    def _decode(self, content: Content, preprocessing: Preprocessing) -> Picture | Failed:
        draft = partial(_smallest, preprocessing) if self._fast else None
        with opened(content.data, self._limits, self._budget, draft) as (image, whole):
            loaded, damaged = self._loaded(image, content.data)
            exif = _exif(loaded)
            turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
            if turn in _TO_THE_SIDE:
                whole = whole[::-1]
            flat = plain(loaded)
            frames = self._sized(_upright(flat, turn), whole, preprocessing)
            # After what uses the same code, which is then at hand: a sixth less time.
            seen = _health(flat)
            taken = taken_at.told(loaded, datetime.now(UTC))
            at, by = (taken.at, taken.by) if taken else (None, None)
            form, from_camera = image.format or "", not _CAMERA.isdisjoint(exif)
            facts = Facts(content.sha256, *whole, form, at, seen, from_camera, damaged, by)
            return Picture(content.target, facts, frames, content.top_k)

    def _loaded(self, image: Image.Image, data: bytes) -> tuple[Image.Image, bool]:
        """Return the picture, loaded, and whether it is damaged."""
        pixels = png.pixels(data) if self._fast and image.format == "PNG" else None
        if pixels is None:
            return mend.load(image, data)
        loaded = Image.fromarray(pixels)
        loaded.info = image.info  # where EXIF is looked for
        return loaded, False

    def _sized(self, upright: Image.Image, whole: resize.Size, preprocessing: Preprocessing) -> resize.Frames:
        if self._fast:
            return resize.fast(upright, whole, preprocessing)
        return resize.exact(upright, preprocessing)


@contextmanager
def opened(
    data: bytes,
    bounds: limits.PictureLimits,
    budget: MemoryBudget,
    draft: Callable[[resize.Size], resize.Size] | None,
) -> Iterator[tuple[Image.Image, resize.Size]]:
    """Yield the picture, still to be loaded, and its size, and keep the memory for it during the block.

    A JPEG is loaded no smaller than `draft` makes of its size. Raises ExcessError, and whatever a decoder may.
    """
    with _identified(data) as image:
        whole = image.size
        if draft and not (image.format == "JPEG" and jpeg.is_lossless(data)):
            image.draft(None, draft(whole))
        held = limits.held(image, whole, data)
        bounds.judge(image, whole, held, data)
        with budget.hold(held):
            yield image, whole


def _identified(data: bytes) -> Image.Image:
    """Return the picture, of which only the headers were read. What is wrong in a PNG's remarks is left out."""
    try:
        return _as_it_is(data)
    except Exception:
        if not data.startswith(png.SIGNATURE):
            raise
        return _as_it_is(mend.without_wrong_remarks(data))


def _as_it_is(data: bytes) -> Image.Image:
    heif.judge(data)
    file = limits.File(data)
    if data.startswith(tuple(TiffImagePlugin.PREFIXES)):
        limits.judge_tags(file)
    if data.startswith(png.SIGNATURE):
        png.judge_chunks(data)
    image = limits.opened(file, _READ)
    file.may_be_decoded(image)
    return image


def upright(image: Image.Image, told_by: Image.Image) -> Image.Image:
    """Return a picture turned upright, as the EXIF of the one that it was made of tells."""
    return _upright(image, _TURNS.get(_exif(told_by).get(ExifTags.Base.Orientation, 1)))


def _health(image: Image.Image) -> Health | None:
    """Return a picture's health; None where it cannot be told: that is no reason for a picture to have no tags."""
    try:
        return health(image)
    except Exception:
        log.debug("a picture's health cannot be told", exc_info=True)
        return None


def why(error: Exception, bounds: limits.PictureLimits) -> tuple[FailureKind, str]:
    """Return why a picture cannot be decoded: of what kind that is, and a sentence."""
    if isinstance(error, Image.DecompressionBombError):
        error = bounds.bombed(error)
    if isinstance(error, limits.ExcessError):
        return error.kind, str(error)
    if isinstance(error, heif.LeftOutError):
        return FailureKind.LEFT_OUT, str(error)
    if isinstance(error, LayoutError):
        return FailureKind.UNSUPPORTED, str(error)
    if isinstance(error, UnidentifiedImageError):
        return FailureKind.UNSUPPORTED, "not a picture in a format that can be decoded here"
    if isinstance(error, MemoryError):
        return FailureKind.TOO_LARGE, "there is not enough memory to decode it"
    return _wrong(error)


def _wrong(error: Exception) -> tuple[FailureKind, str]:
    """Return the same for what a decoder says in its own words, which are shown unless they are Python's."""
    told = " ".join(str(error).split()) or type(error).__name__
    if told.startswith("Unsupported"):
        return FailureKind.UNSUPPORTED, f"a picture of this kind cannot be decoded here: {told}"
    if isinstance(error, _OF_PYTHON):
        told = "what it says of itself makes no sense"
    return FailureKind.CORRUPT, f"the picture is damaged: {told}"


def _smallest(preprocessing: Preprocessing, whole: resize.Size) -> resize.Size:
    """Return what a JPEG must not be decoded smaller than; other formats cannot be."""
    short = resize.shortest(whole, preprocessing)
    averaged = _AVERAGED * short
    side = int(averaged if min(whole) >= 8 * averaged else _DRAFTED * short)
    return side, side


def plain(image: Image.Image) -> Image.Image:
    """Return the picture in a mode that can be resized: grey, RGB, or RGBA where something is transparent, but not all."""
    if image.mode.startswith(("I", "F")):
        return _scaled_grey(image)
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode == "L" else "RGB"
    flat = image if image.mode == mode else image.convert(mode)
    return alpha.meant(flat, image) if mode == "RGBA" else flat


def _scaled_grey(image: Image.Image) -> Image.Image:
    """Bring 16-bit, integer and float grey to 8 bits; white is the smallest usual full scale that holds them all."""
    values = np.array(image, np.float32)
    np.fmax(values, 0, out=values)  # also where it is not a number
    values[np.isinf(values)] = 0
    peak = float(values.max())
    white = next((full for full in _WHITES[image.mode[0]] if peak <= full), peak)
    values *= 255 / white
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8))


def _exif(image: Image.Image) -> dict[int, Any]:
    """Return orientation and the camera's name. Broken EXIF is no EXIF: it says nothing of the picture itself."""
    tags: dict[int, Any] = {}
    with suppress(Exception):
        exif = limits.exif(image)
        tags[ExifTags.Base.Orientation] = exif.get(ExifTags.Base.Orientation)
        tags |= {name: exif[name] for name in _CAMERA if str(exif.get(name) or "").strip("\0 ")}
    return tags


def _upright(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)
