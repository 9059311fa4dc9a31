"""TIFF: read by Pillow where that gives the right pixels, and else by libtiff, through imagecodecs.

A TIFF may have any number of samples, of any number of bits, of any kind. Pillow knows a table of such layouts. Some of them it
misreads without a word (16 bits plane by plane, 12 bits, white as zero, whole numbers of 32 bits), and some it cannot convert. These
and those that it does not know come as plain numbers from libtiff, and are brought to 8 bits. What neither reads rightly is refused,
by the name of what it has. Rejected: libtiff for everything, since Pillow takes less memory for plain pictures; tifffile, which
knows more microscopes, but would be one more library for the same codecs.
"""

import io
import struct
from contextlib import suppress
from typing import IO, Any, TypeVar, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from tagger.vision import tiff_layout, tiff_pixels
from tagger.vision.tiff_layout import LayoutError, SampleLayout, Tags

_TAG = ExifTags.Base
_CAMERA = (_TAG.Orientation, _TAG.Make, _TAG.Model, _TAG.DateTime)
_INFO = {"icc_profile": _TAG.InterColorProfile, "xmp": 700}
"""What Pillow keeps beside a picture, by its names."""
_BIG, _BIG_BACKWARDS = b"II\x2b\0", b"MM\0\x2b"
"""How a BigTIFF begins. Pillow takes the second for a smaller kind of TIFF."""
_Kind = TypeVar("_Kind", bound=Tags)


def register() -> None:
    """Let Pillow open each TIFF by `opened`, in this whole process."""
    Image.register_open("TIFF", opened, _is_tiff)


def opened(file: IO[bytes], name: str | bytes | None = None) -> TiffImagePlugin.TiffImageFile:
    """Return a TIFF's picture, still to be loaded. Raises LayoutError where nothing here reads it rightly, SyntaxError where it is none."""
    tags = directory(file)
    file.seek(0)
    if not (_is_backwards(tags) or tiff_layout.is_misread(SampleLayout.of(tags), tags)):
        with suppress(SyntaxError):  # it is not in Pillow's table
            return TiffImagePlugin.TiffImageFile(file, name)
        file.seek(0)
    return LibtiffPicture(file, name)


def directory(file: IO[bytes]) -> Tags:
    """Return the tags of the first picture in a file."""
    tags = empty(Tags, head(file))
    file.seek(tags.next)
    tags.load(file)
    return tags


def head(file: IO[bytes]) -> bytes:
    """Return what tells of a file's byte order, and where its first tags are."""
    found = file.read(8)
    return found + file.read(8) if found[:4] in (_BIG, _BIG_BACKWARDS) else found


def empty(kind: type[_Kind], head: bytes) -> _Kind:
    """Return a directory of that kind, to be loaded from a file that begins so."""
    return kind(_BIG + head[4:], b"MM") if head.startswith(_BIG_BACKWARDS) else kind(head)


class LibtiffPicture(TiffImagePlugin.TiffImageFile):
    """A TIFF whose pixels libtiff decodes: the first picture in its file."""

    format_description = "TIFF, by libtiff"

    def _open(self) -> None:
        self.tag_v2 = directory(cast("IO[bytes]", self.fp))
        self.tag = TiffImagePlugin.ImageFileDirectory_v1.from_v2(self.tag_v2)
        self._size = self.tag_v2[_TAG.ImageWidth], self.tag_v2[_TAG.ImageLength]
        self.layout, self.use_load_libtiff = SampleLayout.of(self.tag_v2), True
        self.layout.judge()
        if self.layout.colours == tiff_layout.PALETTE and tiff_layout.COLOUR_MAP not in self.tag_v2:
            raise ValueError("it has no palette")
        self._mode = self.layout.mode
        self.info |= {name: self.tag_v2[tag] for name, tag in _INFO.items() if tag in self.tag_v2}

    @property
    def beside(self) -> int:
        """The bytes for each pixel that decoding takes besides those of the mode."""
        more = 8 if self.layout.colours in (*tiff_layout.LAB, tiff_layout.PALETTE) else 0
        return self.layout.size + len(self.mode) + more

    @property
    def is_copied(self) -> bool:
        """Whether decoding takes a second copy of the file."""
        return bool(_changes(self.layout))

    def load(self) -> Any:
        if self._im is None:
            numbers = _numbers(cast("io.BytesIO", self.fp).getvalue(), self.layout)
            if numbers.shape[1::-1] != self._size:
                raise LayoutError("a TIFF of more than two dimensions cannot be decoded here")
            self.im = tiff_pixels.picture(
                numbers, self.layout, self.tag_v2.get(tiff_layout.COLOUR_MAP, ())
            ).im
        return Image.Image.load(self)

    def getexif(self) -> Image.Exif:
        """Return its EXIF; of a kind that Pillow cannot read from a file, what is in the picture's own tags."""
        if not _is_backwards(self.tag_v2):
            return super().getexif()
        exif = Image.Exif()
        exif.update({tag: self.tag_v2[tag] for tag in _CAMERA if tag in self.tag_v2})
        return exif


def _is_tiff(prefix: bytes) -> bool:
    return prefix.startswith(tuple(TiffImagePlugin.PREFIXES))


def _is_backwards(tags: Tags) -> bool:
    return tags.prefix == b"MM" and tags._bigtiff


def _numbers(data: bytes, layout: SampleLayout) -> NDArray[Any]:
    """Return H×W×samples as libtiff gives them. Raises LayoutError where this imagecodecs has none of that kind."""
    changes = _changes(layout)
    try:
        found = imagecodecs.tiff_decode(_with(changes, data) if changes else data, asrgb=layout.is_shown)
    except ValueError as error:
        raise LayoutError(f"a TIFF of this kind cannot be decoded here: {error}") from None
    if found.ndim == 2:
        return found[..., None]
    return np.moveaxis(found, 0, -1) if layout.is_planar and not layout.is_shown else found


def _changes(layout: SampleLayout) -> dict[int, int]:
    """Return what libtiff is to be told of its tags: it would make CMYK to RGB, where it can, and turn what it makes to RGB half of the way."""
    if layout.is_shown:
        return {_TAG.Orientation: 1}
    return {_TAG.PhotometricInterpretation: tiff_layout.GREY} if layout.colours == tiff_layout.CMYK else {}


def _with(changes: dict[int, int], data: bytes) -> bytearray:
    """Return a copy of the file with other numbers in these tags, which are of 16 bits."""
    order, is_big = "<" if data.startswith(b"II") else ">", data[:4] in (_BIG, _BIG_BACKWARDS)
    number, count, entry, value = ("Q", "Q", 20, 12) if is_big else ("L", "H", 12, 8)
    (start,) = struct.unpack_from(order + number, data, 8 if is_big else 4)
    (entries,) = struct.unpack_from(order + count, data, start)
    copy = bytearray(data)
    first = start + struct.calcsize(order + count)
    for at in range(first, min(first + entries * entry, len(data)), entry):
        (tag,) = struct.unpack_from(order + "H", data, at)
        if tag in changes:
            struct.pack_into(order + "H", copy, at + value, changes[tag])
    return copy
