"""What a picture may have, and what decoding it takes, told from its headers before anything is decoded.

A header may lie, and a small file may be made to take gigabytes or minutes: each format's estimate is of the worst that
its decoder was seen to do. What the user can raise is a limit of the config; what no honest picture has is just refused.
An AVIF's frame may be larger than its file claims, and is scaled only when it is there: that is left to the bound on the
memory of the child that decodes it. Rejected: a parser of AV1's headers, 321 lines for a lie that the kernel finds as well.
"""

import io
import re
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass

from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin, TiffTags, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from tagger.records import FailureKind
from tagger.vision import jpeg, tiff
from tagger.vision.resize import Size
from tagger.wording.plural import counted

_FORMAT_PEAKS = {"WEBP": 16, "AVIF": 14, "AVIF RGBA": 18, "HEIF": 10, "HEIF RGBA": 12}
_MODE_PEAKS = {"RGB": 4, "L": 1, "P": 5, "LA": 12, "I": 12, "F": 12}
"""Bytes per pixel while a format or else a mode is decoded, and 8 for any other, measured at 12 megapixels."""
_CLEAR_PEAKS = {"RGB": 12, "L": 9, "P": 9}
"""The same where one of the colours is transparent."""
_MOST_READS = 100_000
"""So often may a picture be read from until its size is known. A file that is all headers, of a few bytes each, would
take minutes and twenty times its own size in memory."""
_MOST_TAGGED = 1 << 20
"""The bytes of EXIF, and of the numbers among a TIFF's tags. In Python they take up to 170 times as many."""
_BYTES = (TiffTags.BYTE, TiffTags.ASCII, TiffTags.UNDEFINED)
_INNER = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
_TURNED = range(2, 9)
_MOST_IN_RUNS, _MOST_RUN_READS = 10_000_000, 2_000_000
"""The pixels and reads of a run-length BMP, which Pillow decodes in Python: 100 ns for each pixel of a row that ends
early, 400 ns for each of the two or three reads that a run takes."""
_MOST_EFFORT = 3_000_000_000
"""The nanoseconds that a JPEG's scans may take."""
_BYTE_EFFORT, _ARITHMETIC_EFFORT = 30, 8
"""A scan was seen to take a nanosecond per pixel at most, 8 where it needs no bytes to go on, and 30 for each byte."""
_TIFF_SCANS = 100
"""What libtiff decodes of a strip at most."""
_JPEG_IN_TIFF = (6, 7)
_LONGEST_SIDE = 1_000_000
"""The pixels that a side may have, as libpng has it. A row takes time even where it holds a single pixel: 0.15 µs."""
_FAX, _MOST_FAX_ROWS = (2, 3, 4, 32771, 32809), 200_000
"""The compressions of which libtiff says in a line how each row is damaged, in up to 6 µs; and the rows that it may decode: a fax
26 m long, at 196 lines an inch."""
_MOST_BESIDE = 400_000_000
"""The pixels of a TIFF's tiles that may lie beside it, and the bytes that its strips may share. They take 1 to 8 ns each."""
_JPEG = b"\xff\xd8\xff"
_EXIF = b"Exif\0\0"
_TIFF_IN_SCANS = re.compile(rb"(?s)\xff[\xc2\xc6\xca\xce]\0.[\x08\x0c]|\xff\xda\0\x08\x01")


class ExcessError(Exception):
    """A picture has more of something than it may; the message says of what."""

    def __init__(self, reason: str, kind: FailureKind = FailureKind.TOO_LARGE) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class PictureLimits:
    """What a picture may have: the config's limits, and our own."""

    max_pixels: int
    max_frames: int
    max_memory: int

    def impose(self) -> None:
        """Put our limits and our reasons in the place of Pillow's, which are process-wide.

        It goes on refusing what is twice as large as the largest picture: that can hide in a part of one, such as what
        a GIF's frame leaves behind.
        """
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, self.max_pixels)
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def judge(self, image: Image.Image, whole: Size, held: int, data: bytes) -> None:
        """Raises ExcessError where the picture does not keep within the limits."""
        if image.width * image.height > self.max_pixels:
            raise _over(f"{whole[0]}×{whole[1]} pixels", "max_pixels", self.max_pixels)
        if (frames := _frames(image)) > self.max_frames:
            raise _over(f"{frames:,} frames", "max_frames", self.max_frames)
        if max(whole) > _LONGEST_SIDE:
            reason = f"a side of {max(whole):,} pixels is longer than that of any picture may be ({_LONGEST_SIDE:,})"
            raise ExcessError(reason, FailureKind.CORRUPT)
        _judge_time(
            image, whole, data, whole[0] * whole[1] > self.max_pixels
        )  # asked first: more memory would not help
        if held > self.max_memory:
            raise _over(f"{held:,} bytes to decode it", "max_memory", self.max_memory)

    def bombed(self, error: Image.DecompressionBombError) -> ExcessError:
        """Return the same for what Pillow found to be too large."""
        count = re.search(r"\d+", str(error))
        has = f"{int(count[0]):,} pixels" if count else "its pixels"
        return _over(has, "max_pixels", self.max_pixels)


class File(io.BytesIO):
    """A file's bytes, for Pillow, which may read from it only so often, and only so much EXIF of a JPEG's segments.

    It joins them anew for each, which takes minutes where they are many.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size, self._left, self._exif_left = len(data), _MOST_READS, _MOST_TAGGED

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("it has far too many parts")
        read = super().read(size)
        if read.startswith(_EXIF):
            self._exif_left -= len(read)
            if self._exif_left < 0:
                raise OSError(f"its EXIF is larger than {_MOST_TAGGED:,} bytes")
        return read

    def may_be_decoded(self, image: Image.Image) -> None:
        """Let each byte be read by itself from here on, but not where that is done in Python."""
        self._left = _MOST_RUN_READS if _is_in_runs(image) else self._size


def judge_tags(file: File) -> None:
    """Raises ValueError where a TIFF's tags hold more numbers than its strips and its camera can have written."""
    head = tiff.head(file)
    first = tiff.empty(TiffImagePlugin.ImageFileDirectory_v1, head).next
    if _numbers(file, head, first) > _MOST_TAGGED:
        raise ValueError(f"its tags hold more than {_MOST_TAGGED:,} bytes of numbers")


def _numbers(file: File, head: bytes, place: int, depth: int = 2) -> int:
    """Return the bytes of the numbers in a TIFF's directory, and in those within it."""
    tags = tiff.empty(TiffImagePlugin.ImageFileDirectory_v1, head)
    file.seek(place)
    tags.load(file)
    size = sum(len(held) for tag, held in tags.tagdata.items() if tags.tagtype[tag] not in _BYTES)
    is_last = depth == 0 or size > _MOST_TAGGED
    inner = [] if is_last else [tags[tag][0] for tag in _INNER if tag in tags]
    return size + sum(_numbers(file, head, to, depth - 1) for to in inner if isinstance(to, int))


def opened(file: File, formats: list[str]) -> Image.Image:
    """Return the picture, as `Image.open` does, but a JPEG of any size: only what is decoded of it counts. Raises UnidentifiedImageError."""
    if not file.getvalue().startswith(_JPEG):
        return Image.open(file, formats=formats)
    try:
        return JpegImagePlugin.jpeg_factory(file)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError(str(error)) from error


def exif(image: Image.Image) -> Image.Exif:
    """Return a picture's EXIF; empty where it has more bytes of it than any camera writes, which are not parsed."""
    told = image.info.get("exif") or b""
    return image.getexif() if len(told) <= _MOST_TAGGED else Image.Exif()


def _over(has: str, key: str, most: int) -> ExcessError:
    return ExcessError(f"{has} are more than decode.{key} allows ({most:,})")


def _frames(image: Image.Image) -> int:
    """Return how many frames the header tells of. A GIF or TIFF would be read to its end to count them; 1, since only the first is used."""
    return 1 if image.format in ("GIF", "TIFF") else getattr(image, "n_frames", 1)


# Memory


def held(image: Image.Image, whole: Size, data: bytes) -> int:
    """Return the bytes that decoding holds at its peak, the file itself included."""
    form = image.format or ""
    is_copied = isinstance(image, tiff.LibtiffPicture) and image.is_copied
    files = 2 if form == "WEBP" or is_copied else 1
    return files * len(data) + _each(image, form) * image.width * image.height + _beside(image, whole, data)


def _each(image: Image.Image, form: str) -> int:
    """Return the bytes for each pixel."""
    mode = image.mode
    peaks = _MODE_PEAKS | _CLEAR_PEAKS if "transparency" in image.info else _MODE_PEAKS
    each = _FORMAT_PEAKS.get(f"{form} {mode}") or _FORMAT_PEAKS.get(form) or peaks.get(mode, 8)
    if form == "PNG" and mode == "RGB":
        each += 3  # libpng's pixels, beside Pillow's
    if form == "HEIF" and image.info.get("bit_depth", 8) > 8 and image.info.get("chroma") != 420:
        each *= 2
    if isinstance(image, tiff.LibtiffPicture):
        each += image.beside
    if _is_in_runs(image):
        each += 3  # what Pillow's decoder gathers, and a copy of that
    return each + 4 if _is_turned(image, form) else each


def _is_turned(image: Image.Image, form: str) -> bool:
    """Return whether EXIF turns the picture, asked only where it costs nothing: to look for EXIF behind the pixels would decode them."""
    with suppress(Exception):
        if "exif" in image.info or form == "TIFF":
            return exif(image).get(ExifTags.Base.Orientation) in _TURNED
    return False


def _beside(image: Image.Image, whole: Size, data: bytes) -> int:
    """Return the bytes that a library holds of the whole picture beside its pixels."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = 2 * sum(len(held) for held in image.tag.tagdata.values())
        return tags + (_piece(image.tag_v2) if image.use_load_libtiff else 0)
    if isinstance(image, JpegImageFile) and _is_in_scans(image, data):
        return int(2 * _layers(image) * whole[0] * whole[1])  # its coefficients
    return 0


def _layers(image: JpegImageFile) -> float:
    """Return how many coefficients a JPEG has for each pixel: fewer than colours, where some of these are halved."""
    layers = [(across, down) for _, across, down, _ in image.layer]
    widest, highest = (max(1, *sides) for sides in zip(*layers, strict=True))
    coefficients: float = sum(across * down for across, down in layers) / (widest * highest)
    return coefficients


def _piece(tags: TiffImagePlugin.ImageFileDirectory_v2) -> int:
    """Return the bytes of a TIFF's strip or tile, which is decoded whole, and may be larger than the picture."""
    width, height = tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]
    rows = min(tags.get(ExifTags.Base.RowsPerStrip, height), height)
    pixels: int = tags.get(ExifTags.Base.TileWidth, width) * tags.get(ExifTags.Base.TileLength, rows)
    bits: int = max(tags.get(ExifTags.Base.BitsPerSample, (8,)))
    is_ycbcr = tags.get(ExifTags.Base.PhotometricInterpretation) == 6  # which libtiff makes RGBA
    samples: int = 4 if is_ycbcr else tags.get(ExifTags.Base.SamplesPerPixel, 1)
    return pixels * bits * samples // 8


# Time


def _judge_time(image: Image.Image, whole: Size, data: bytes, is_large: bool) -> None:
    """Raises ExcessError where a decoder would be busy for many seconds."""
    pixels = whole[0] * whole[1]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _judge_pieces(image.tag_v2, data)
    if _is_in_runs(image) and pixels > _MOST_IN_RUNS:
        raise ExcessError(f"{pixels:,} pixels are more than a run-length BMP may have ({_MOST_IN_RUNS:,})")
    scans = _scans(image, data, is_large)
    for_each = _ARITHMETIC_EFFORT if scans.is_arithmetic else 1
    if scans.number * pixels * for_each + _BYTE_EFFORT * scans.size > _MOST_EFFORT:
        each = " each" if scans.number > 1 else ""
        reason = f"{counted(scans.number, 'scan')} of {pixels:,} pixels{each} would take too long to decode"
        raise ExcessError(reason)


def _judge_pieces(tags: TiffImagePlugin.ImageFileDirectory_v2, data: bytes) -> None:
    """Raises ExcessError where a TIFF's strips or tiles take long: they may be far larger than it, and all the same bytes."""
    width, height = tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]
    rows, pixels = height, 0
    if ExifTags.Base.TileLength in tags:
        wide, high = (max(1, tags.get(tag, 1)) for tag in (ExifTags.Base.TileWidth, ExifTags.Base.TileLength))
        rows = -(-width // wide) * -(-height // high) * high
        pixels = rows * wide
    if tags.get(ExifTags.Base.Compression) in _FAX and rows > _MOST_FAX_ROWS:
        reason = f"{rows:,} rows are more than a fax may have ({_MOST_FAX_ROWS:,})"
        raise ExcessError(reason, FailureKind.CORRUPT)
    if pixels > width * height + _MOST_BESIDE:
        reason = f"{pixels:,} pixels of its tiles, for {width * height:,} of the picture, would take too long to decode"
        raise ExcessError(reason)
    claimed = sum(tags.get(ExifTags.Base.TileByteCounts) or tags.get(ExifTags.Base.StripByteCounts) or ())
    if claimed > len(data) + _MOST_BESIDE:
        reason = f"its strips claim {claimed:,} bytes of a file that has {len(data):,}"
        raise ExcessError(reason, FailureKind.CORRUPT)


def _scans(image: Image.Image, data: bytes, is_large: bool) -> jpeg.Scans:
    """Return a JPEG's scans; none where the picture has but one and is not large, or is no JPEG: its pixels and bytes are bounded already."""
    if isinstance(image, JpegImageFile) and (is_large or _is_in_scans(image, data)):
        return jpeg.scans(data)
    if _is_tiff_of_jpegs(image) and _TIFF_IN_SCANS.search(data):
        # Its strips may all be the same bytes: for each pixel as much, then, as where no bytes are needed.
        return jpeg.Scans(min(data.count(b"\xff\xda"), _TIFF_SCANS), 0, True)
    return jpeg.Scans(0, 0, False)


def _is_tiff_of_jpegs(image: Image.Image) -> bool:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return image.tag_v2.get(ExifTags.Base.Compression) in _JPEG_IN_TIFF


def _is_in_runs(image: Image.Image) -> bool:
    return image.format in ("BMP", "DIB") and image.info.get("compression") in (1, 2)


def _is_in_scans(image: Image.Image, data: bytes) -> bool:
    """Return whether a JPEG is complete only with its last scan: it is progressive, or its scans have a colour each."""
    at = 2
    while data[at : at + 2] != b"\xff\xda":
        if data[at : at + 1] != b"\xff":
            return True  # there is something between its segments: better too much
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return "progressive" in image.info or data[at + 4] < len(image.getbands())
