"""How a TIFF's numbers make up a pixel: which layouts Pillow misreads, and which nothing here reads."""

from typing import NamedTuple

from PIL import ExifTags, TiffImagePlugin

from tagger.wording.plural import counted

Tags = TiffImagePlugin.ImageFileDirectory_v2

WHITE_IS_ZERO, GREY, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
LAB = (CIELAB, ICCLAB)
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
RAW, WEBP, JPEG = 1, 50001, (6, 7)
COLOUR_MAP = 320
_TAG = ExifTags.Base
_INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _SUBSAMPLING = 332, 338, 339, 530
_FAX = (2, 3, 4)
_COLOURS = {WHITE_IS_ZERO: 1, GREY: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
"""The samples that are colours."""
_PREMULTIPLIED, _ALPHA = 1, 2
_CODECS = {1, 2, 3, 4, 5, *JPEG, 8, 32773, 32946, 34887, 34925, 50000, WEBP}
"""The compressions that libtiff undoes: none, three kinds of fax, LZW, JPEG, Deflate, PackBits, LERC, LZMA, Zstandard, WebP."""
_CODEC_NAMES = {
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34933: "PNG",
    34934: "JPEG XR",
    50002: "JPEG XL",
}
_COLOUR_NAMES = {
    4: "a mask",
    32803: "a camera's raw ones",
    34892: "a camera's raw ones",
    32844: "LogL",
    32845: "LogLuv",
}
_KINDS = {FLOAT: "floats", 4: "undefined data", 5: "complex numbers", 6: "complex numbers"}
_MOST_SAMPLES = 64
_DEPTHS = {PALETTE: (1, 2, 4, 8, 16), CIELAB: (8, 16), ICCLAB: (8, 16)}


class LayoutError(Exception):
    """A TIFF is of a kind that nothing here reads; the message says which."""


class SampleLayout(NamedTuple):
    """How a TIFF's numbers make up a pixel."""

    compression: int
    colours: int
    """PhotometricInterpretation."""
    is_planar: bool
    bits: tuple[int, ...]
    kinds: tuple[int, ...]
    """SampleFormat."""
    samples: int
    extras: tuple[int, ...]
    has_other_inks: bool
    """Its inks are not cyan, magenta, yellow and black."""

    @classmethod
    def of(cls, tags: Tags) -> "SampleLayout":
        compression, told = tags.get(_TAG.Compression, RAW), tags.get(_TAG.PhotometricInterpretation)
        samples = tags.get(_TAG.SamplesPerPixel, 3 if compression in JPEG and told in (RGB, YCBCR) else 1)
        colours = _implied(compression, samples) if told is None else told
        return cls(
            compression,
            colours,
            tags.get(_TAG.PlanarConfiguration, 1) == 2,
            tags.get(_TAG.BitsPerSample, (1,)),
            tags.get(_SAMPLE_FORMAT, (UNSIGNED,)),
            samples,
            tags.get(_EXTRA_SAMPLES, ()),
            colours == CMYK and tags.get(_INK_SET, 1) != 1,
        )

    @property
    def used(self) -> int:
        """The number of its samples that are colours."""
        return _COLOURS[self.colours]

    @property
    def alpha(self) -> int | None:
        """The number of the sample that is alpha; as Pillow has it, a fourth of RGB is it even where nothing says so."""
        found = [n for n, kind in enumerate(self.extras, self.used) if kind in (_PREMULTIPLIED, _ALPHA)]
        if found:
            return found[0] if found[0] < self.samples else None
        return 3 if self.colours == RGB and self.samples == 4 and not self.extras else None

    @property
    def is_premultiplied(self) -> bool:
        extra = -1 if self.alpha is None else self.alpha - self.used
        return 0 <= extra < len(self.extras) and self.extras[extra] == _PREMULTIPLIED

    @property
    def is_shown(self) -> bool:
        """Whether libtiff gives RGBA as a screen has it."""
        return self.compression in JPEG or self.colours == YCBCR

    @property
    def size(self) -> int:
        """The bytes of a pixel as libtiff gives it."""
        each = next((n for n in (1, 2, 4, 8) if 8 * n >= max(self.bits)), 16)
        return 4 if self.is_shown else self.samples * each

    @property
    def mode(self) -> str:
        if self.is_shown:
            return "RGB"
        mode = "L" if self.colours in (WHITE_IS_ZERO, GREY) else "RGB"
        return mode if self.alpha is None else mode + "A"

    def judge(self) -> None:
        """Raises LayoutError where it cannot be read rightly."""
        if refusal := self._refusal() or self._refusal_of_numbers():
            raise LayoutError(f"a TIFF {refusal} cannot be decoded here")

    def _refusal(self) -> str:
        """Return what it has that is not read here; nothing where there is no such thing."""
        if self.compression not in _CODECS:
            return f"whose compression is {_named(self.compression, _CODEC_NAMES)}"
        if self.colours not in _COLOURS:
            return f"whose colours are {_named(self.colours, _COLOUR_NAMES)}"
        if self.has_other_inks:
            return "of other inks than cyan, magenta, yellow and black"
        if self.is_shown and self.alpha is not None:
            return "of luminance and colours, or of JPEG, that has alpha"
        if not self.used <= max(self.samples, 4 * self.is_shown) <= _MOST_SAMPLES:
            return f"of {counted(self.samples, 'sample')} for each pixel"
        return ""

    def _refusal_of_numbers(self) -> str:
        if len({*self.bits}) > 1 or len({*self.kinds}) > 1:
            return "whose samples are not all of one kind"
        bits, kind = self.bits[0], self.kinds[0]
        are_whole = kind in (UNSIGNED, SIGNED) and (bits <= 32 or bits == 64)
        if not are_whole and not (kind == FLOAT and bits in (16, 32, 64)):
            return f"whose samples are {_KINDS.get(kind, 'numbers')} of {bits} bits"
        depths = (8,) if self.is_shown else _DEPTHS.get(self.colours)
        if depths and (kind != UNSIGNED or bits not in depths):
            return f"of colours of kind {self.colours} in {bits} bits"
        return ""


def _implied(compression: int, samples: int) -> int:
    """Return the colours of a TIFF that does not tell them, as libtiff takes them; to Pillow, 0 is always white."""
    if compression in _FAX:
        return WHITE_IS_ZERO
    return RGB if samples >= _COLOURS[RGB] else GREY


def is_misread(layout: SampleLayout, tags: Tags) -> bool:
    """Return whether Pillow would read it wrongly, or not convert it. What is not in its table it refuses by itself.

    It forgets colours that were multiplied by an alpha of 0, which may be everywhere, and cannot convert such grey.
    """
    if layout.colours not in _COLOURS or layout.has_other_inks or max(layout.kinds) > UNSIGNED:
        return True
    bits, is_raw = max(layout.bits), layout.compression == RAW
    return (
        bits not in (1, 2, 4, 8, 16)
        or (_TAG.PhotometricInterpretation not in tags and layout.compression not in _FAX)
        or (tags.get(_TAG.FillOrder, 1) != 1 and bits > 1)
        or (bits == 16 and (layout.colours == WHITE_IS_ZERO or (layout.is_planar and is_raw)))
        or (layout.is_planar and (layout.alpha is not None or layout.colours in LAB))
        or (layout.is_premultiplied and (layout.samples == 2 or not layout.is_shown))
        or (layout.colours == YCBCR and is_raw and tags.get(_SUBSAMPLING) not in (None, (1, 1)))
        or (layout.colours == PALETTE and max(tags.get(COLOUR_MAP, (0,))) < 256)
        or layout.compression == WEBP
    )


def _named(number: int, names: dict[int, str]) -> str:
    return f"{names[number]} ({number})" if number in names else f"of kind {number!r}"
