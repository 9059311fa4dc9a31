"""A TIFF of whatever layout shows the colours that were put into it, or is refused by the name of what it has; never anything else."""

import io
import struct
from datetime import datetime
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tagger.records import Content, Failed, FailureKind, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder
from tagger.vision.models import Preprocessing

SIDE = 48
WHOLE = Preprocessing(SIDE, SIDE, "bilinear", (0, 0, 0), (1, 1, 1), "squash")
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
RGB = np.dstack([COLUMNS * 5, ROWS * 5, 255 - COLUMNS * 2]).astype(np.uint8)
RGB[0, 0] = 255
GREY = RGB[..., 0] // 2 + RGB[..., 1] // 2
GREY[0, 0] = 255
SEEN = (80 + COLUMNS * 3).astype(np.uint8)
"""How much of a pixel is seen, where there is alpha."""
ON_WHITE = 255 - (255 - RGB) * (SEEN[..., None] / 255)
GREY_ON_WHITE = 255 - (255 - GREY) * (SEEN / 255)
PREMULTIPLIED, UNASSOCIATED = ["assocalpha"], ["unassalpha"]


def written(pixels: NDArray[Any], photometric: str, **options: Any) -> bytes:
    file, order, is_big = io.BytesIO(), options.pop("order", "<"), options.pop("bigtiff", False)
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=is_big) as writer:
        writer.write(pixels, photometric=photometric, metadata=None, **options)
    return file.getvalue()


def decode(data: bytes) -> Picture | Failed:
    content = Content(Stamp("/a.tif", "source", len(data), 0, 0), data, "")
    outcomes = [Decoder(WHOLE, 10**6, PixelBudget(), mode).decode(content) for mode in ("fast", "exact")]
    assert type(outcomes[0]) is type(outcomes[1])
    return outcomes[0]


def assert_shows(data: bytes, expected: NDArray[Any], within: float = 1.0) -> None:
    """The picture has the colours, each within so many of 255 on average."""
    picture = decode(data)
    assert isinstance(picture, Picture), picture
    assert (picture.facts.format, picture.facts.width, picture.facts.height) == ("TIFF", SIDE, SIDE)
    wanted = expected if expected.ndim == 3 else np.dstack([expected] * 3)
    assert np.abs(picture.frames[0] - wanted.astype(float)).mean() <= within


def planar(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(pixels, -1, 0)


def deep(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257


def with_alpha(pixels: NDArray[Any], multiplied: bool = False) -> NDArray[np.uint8]:
    shares = SEEN if pixels.ndim == 2 else SEEN[..., None]
    colours = np.rint(pixels * (shares / 255)) if multiplied else pixels
    return np.dstack([colours, SEEN]).astype(np.uint8)


ORDERS = [
    pytest.param(order, big, id=f"{order}{'big' if big else ''}") for order in "<>" for big in (False, True)
]


@pytest.mark.parametrize(("order", "big"), ORDERS)
@pytest.mark.parametrize("compression", [None, "lzw", "zstd", "webp", "jpeg"])
def test_every_byte_order_size_and_compression(order: str, big: bool, compression: str | None) -> None:
    options = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    data = written(RGB, "rgb", compression=compression, order=order, bigtiff=big, **options)
    assert_shows(data, RGB, within=3)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("scale", [1, 257])
def test_colours_lie_plane_by_plane(order: str, compression: str | None, scale: int) -> None:
    pixels = deep(RGB) if scale > 1 else RGB
    data = written(planar(pixels), "rgb", planarconfig="separate", order=order, compression=compression)
    assert_shows(data, RGB)


def test_deep_planes_in_tiles() -> None:
    assert_shows(written(planar(deep(RGB)), "rgb", planarconfig="separate", tile=(16, 16)), RGB)


DEPTHS = [("<", bits) for bits in (2, 4, 8, 10, 12, 14, 16, 24, 32)] + [
    (">", bits) for bits in (2, 4, 8, 16, 32)
]


@pytest.mark.parametrize(("order", "bits"), DEPTHS)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_of_any_depth_with_zero_at_either_end(order: str, bits: int, photometric: str) -> None:
    kind = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32
    most = 2**bits - 1
    steps = np.rint(GREY / 255 * most)
    shown = np.rint(steps * (255 / most))
    pixels = (steps if photometric == "minisblack" else most - steps).astype(kind)
    options = {} if bits in (8, 16, 32) else {"bitspersample": bits}
    assert_shows(written(pixels, photometric, order=order, **options), shown)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_colours_of_odd_depths(bits: int) -> None:
    pixels = np.rint(RGB * ((2**bits - 1) / 255)).astype(np.uint16)
    assert_shows(written(pixels, "rgb", bitspersample=bits), RGB)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "white"),
    [
        ("u4", 255), ("u4", 65535), ("u4", 2**32 - 1), ("i4", 255), ("i4", 2**31 - 1), ("i2", 255), ("i2", 32767),
        ("i1", 127), ("i8", 255), ("u8", 65535), ("f2", 1), ("f4", 1), ("f4", 255), ("f4", 65535), ("f8", 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("pixels", "photometric"), [(GREY, "minisblack"), (RGB, "rgb")], ids=["grey", "rgb"])
def test_numbers_whose_white_is_not_told(
    order: str, kind: str, white: float, pixels: NDArray[Any], photometric: str
) -> None:
    values = pixels / 255 * white
    values = values if kind.startswith("f") else np.rint(values)
    assert_shows(written(values.astype(kind), photometric, order=order), pixels)


def test_what_is_no_number_or_less_than_black_is_black() -> None:
    values = RGB.astype(np.float32) / 255
    values[1, 1], values[1, 2], values[1, 3] = np.nan, np.inf, -5
    shown = RGB.copy()
    shown[1, 1:4] = 0
    assert_shows(written(values, "rgb"), shown)


@pytest.mark.parametrize("wide", [1, 257])
@pytest.mark.parametrize("extra", [PREMULTIPLIED, UNASSOCIATED], ids=["premultiplied", "plain"])
@pytest.mark.parametrize("is_planar", [False, True])
@pytest.mark.parametrize(
    ("pixels", "shown", "photometric"),
    [(GREY, GREY_ON_WHITE, "minisblack"), (RGB, ON_WHITE, "rgb")],
    ids=["grey", "rgb"],
)
def test_what_shines_through_is_white(
    wide: int, extra: list[str], is_planar: bool, pixels: NDArray[Any], shown: NDArray[Any], photometric: str
) -> None:
    made = with_alpha(pixels, extra == PREMULTIPLIED).astype(np.uint16 if wide > 1 else np.uint8) * wide
    options = {"planarconfig": "separate"} if is_planar else {}
    data = written(planar(made) if is_planar else made, photometric, extrasamples=extra, **options)
    assert_shows(data, shown, within=1.5)


@pytest.mark.parametrize("wide", [1, 257])
@pytest.mark.parametrize(("pixels", "photometric"), [(GREY, "minisblack"), (RGB, "rgb")], ids=["grey", "rgb"])
def test_colours_that_were_multiplied_by_an_alpha_of_0_everywhere_are_seen(
    wide: int, pixels: NDArray[Any], photometric: str
) -> None:
    made = np.dstack([pixels, np.zeros_like(GREY)]).astype(np.uint16 if wide > 1 else np.uint8) * wide
    assert_shows(written(made, photometric, extrasamples=PREMULTIPLIED), pixels)


def test_alpha_in_floats() -> None:
    made = with_alpha(RGB, True).astype(np.float32) / 255
    assert_shows(written(made, "rgb", extrasamples=PREMULTIPLIED), ON_WHITE, within=1.5)


INK = np.dstack([255 - RGB, np.zeros_like(GREY)])


@pytest.mark.parametrize("is_planar", [False, True])
@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("wide", [1, 257])
def test_cmyk(is_planar: bool, compression: str | None, wide: int) -> None:
    made = INK.astype(np.uint16 if wide > 1 else np.uint8) * wide
    options = {"planarconfig": "separate"} if is_planar else {}
    assert_shows(
        written(planar(made) if is_planar else made, "separated", compression=compression, **options), RGB
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("wide", [1, 257])
@pytest.mark.parametrize("extra", [PREMULTIPLIED, UNASSOCIATED], ids=["premultiplied", "plain"])
def test_cmyk_with_alpha(order: str, big: bool, wide: int, extra: list[str]) -> None:
    ink = np.rint(INK * (SEEN[..., None] / 255)) if extra == PREMULTIPLIED else INK
    made = np.dstack([ink, SEEN]).astype(np.uint16 if wide > 1 else np.uint8) * wide
    assert_shows(
        written(made, "separated", extrasamples=extra, order=order, bigtiff=big), ON_WHITE, within=1.5
    )


@pytest.mark.parametrize(("order", "big"), ORDERS)
def test_cmyk_in_jpeg(order: str, big: bool) -> None:
    assert_shows(written(INK, "separated", compression="jpeg", order=order, bigtiff=big), RGB, within=6)


def test_samples_that_mean_nothing_known_are_left_alone() -> None:
    made = np.dstack([deep(RGB), deep(SEEN), deep(SEEN)])
    assert_shows(written(made, "rgb", extrasamples=["unspecified"] * 2), RGB)


def lab() -> NDArray[np.uint8]:
    """The colours as CIELAB, whose a and b have a sign."""
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    made = ImageCms.applyTransform(Image.fromarray(RGB), ImageCms.buildTransform(*spaces, "RGB", "LAB"))
    assert made
    return np.asarray(made)


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("wide", [1, 256])
@pytest.mark.parametrize("is_planar", [False, True])
def test_lab(photometric: str, wide: int, is_planar: bool) -> None:
    colours = lab() if photometric == "cielab" else lab() ^ np.array([0, 128, 128], np.uint8)
    made = colours.astype(np.uint16 if wide > 1 else np.uint8) * wide
    options = {"planarconfig": "separate"} if is_planar else {}
    assert_shows(written(planar(made) if is_planar else made, photometric, **options), RGB, within=6)


@pytest.mark.parametrize("steps", [1, 257])
def test_a_palette_of_8_bits_is_not_black(steps: int) -> None:
    colours = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256) // 2]).astype(np.uint16)
    shown = np.dstack([GREY, 255 - GREY, GREY // 2])
    assert_shows(written(GREY, "palette", colormap=colours * steps), shown)


def test_a_palette_of_65536_colours() -> None:
    colours = np.tile(np.arange(65536, dtype=np.uint16), (3, 1))
    assert_shows(written(deep(GREY), "palette", colormap=colours), GREY)


@pytest.mark.parametrize("compression", ["jpeg", "lzw"])
@pytest.mark.parametrize(("order", "big"), ORDERS)
def test_luminance_and_two_colours(compression: str, order: str, big: bool) -> None:
    pixels = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    data = written(pixels, "ycbcr", compression=compression, subsampling=(1, 1), order=order, bigtiff=big)
    assert_shows(data, RGB, within=8)


def by_hand(order: str, body: bytes, tags: dict[int, tuple[int, ...]]) -> bytes:
    """A TIFF that tifffile does not write, or writes wrongly; each tag is of one number or two."""
    tags = {256: (SIDE,), 257: (SIDE,), 259: (1,), 273: (8,), 278: (SIDE,), 279: (len(body),)} | tags
    entries = (
        struct.pack(f"{order}HHI{len(values)}H{4 - 2 * len(values)}x", tag, 3, len(values), *values)
        for tag, values in sorted(tags.items())
    )
    start = b"II\x2a\0" if order == "<" else b"MM\0\x2a"
    head = start + struct.pack(f"{order}I", 8 + len(body))
    return head + body + struct.pack(f"{order}H", len(tags)) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_two_numbers_of_12_bits_lie_in_three_bytes(order: str) -> None:
    left, right = (GREY[:, start::2].astype(int) * 4095 // 255 for start in (0, 1))
    body = np.dstack([left >> 4, (left & 15) << 4 | right >> 8, right & 255]).astype(np.uint8).tobytes()
    assert_shows(by_hand(order, body, {258: (12,), 262: (1,), 277: (1,)}), GREY)


@pytest.mark.parametrize("order", ["<", ">"])
def test_halved_colours_that_are_not_compressed(order: str) -> None:
    """Four luminances lie beside two colours."""
    whole = Image.fromarray(RGB).convert("YCbCr")
    half = SIDE // 2
    colours = np.asarray(whole.resize((half, half), Image.Resampling.BOX))[..., 1:]
    light = np.asarray(whole)[..., 0].reshape(half, 2, half, 2).swapaxes(1, 2).reshape(half, half, 4)
    body = np.dstack([light, colours]).tobytes()
    tags: dict[int, tuple[int, ...]] = {258: (8,), 262: (6,), 277: (3,), 530: (2, 2)}
    assert_shows(by_hand(order, body, tags), RGB, within=6)


@pytest.mark.parametrize("order", ["<", ">"])
def test_where_nothing_tells_what_the_numbers_are_they_are_what_they_look_like(order: str) -> None:
    fax = np.packbits(GREY > 127, axis=1).tobytes()
    assert_shows(by_hand(order, GREY.tobytes(), {258: (8,), 277: (1,)}), GREY)
    assert_shows(by_hand(order, RGB.tobytes(), {258: (8,), 277: (3,)}), RGB)
    assert_shows(by_hand(order, fax, {258: (1,), 277: (1,)}), np.where(GREY > 127, 255, 0))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("stored", "photometric", "shown"),
    [(GREY, 1, GREY), (255 - GREY, 0, GREY), (RGB, 2, RGB), (INK, 5, RGB)],
    ids=["grey", "white is zero", "rgb", "cmyk"],
)
def test_each_byte_begins_with_its_least_bit(
    order: str, stored: NDArray[Any], photometric: int, shown: NDArray[Any]
) -> None:
    body = np.packbits(np.unpackbits(stored, bitorder="little").ravel()).tobytes()
    samples = stored.size // GREY.size
    tags: dict[int, tuple[int, ...]] = {258: (8,), 262: (photometric,), 266: (2,), 277: (samples,)}
    assert_shows(by_hand(order, body, tags), shown)


def test_xmp_dates_what_pillow_does_not_read() -> None:
    packet = b'<x:xmpmeta><rdf:Description xmp:CreateDate="2015-08-22T10:08:19"/></x:xmpmeta>'
    data = written(RGB.astype(np.uint32), "rgb", extratags=[(700, "B", len(packet), packet, True)])
    picture = decode(data)
    assert isinstance(picture, Picture)
    assert (picture.facts.taken_at, picture.facts.taken_from) == (datetime(2015, 8, 22, 10, 8, 19), "xmp")


@pytest.mark.parametrize(("order", "big"), ORDERS)
@pytest.mark.parametrize("kind", ["uint8", "uint32", "jpeg"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_it_is_turned_as_its_tags_say(order: str, big: bool, kind: str, turn: int) -> None:
    stored = {
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB), 7: RGB[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(RGB, 3),
    }[turn]  # fmt: skip
    options: dict[str, Any] = {"compression": "jpeg"} if kind == "jpeg" else {}
    pixels = np.ascontiguousarray(stored).astype("uint8" if kind == "jpeg" else kind)
    data = written(pixels, "rgb", order=order, bigtiff=big, extratags=[(274, "H", 1, turn, True)], **options)
    assert_shows(data, RGB, within=3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(written(RGB, "rgb", compression="jpeg2000"), "compression is JPEG 2000 (34712)", id="JPEG 2000"),
        pytest.param(written(RGB, "rgb", compression="jpegxl"), "compression is JPEG XL (50002)", id="JPEG XL"),
        pytest.param(written(GREY, "cfa"), "colours are a camera's raw ones (32803)", id="raw"),
        pytest.param(written(GREY.astype(np.complex64), "minisblack"), "samples are complex numbers of 64 bits", id="complex"),
        pytest.param(written(RGB.astype(np.float32), "cielab"), "colours of kind 8 in 32 bits", id="deep LAB"),
        pytest.param(by_hand("<", RGB.tobytes(), {258: (8,), 262: (2,), 277: (3,), 339: (4,)}), "samples are undefined data of 8 bits", id="undefined"),
        pytest.param(by_hand("<", RGB.tobytes(), {258: (8,), 262: (2,), 277: (1,)}), "of 1 sample for each pixel", id="too few samples"),
        pytest.param(written(with_alpha(GREY, True), "minisblack", extrasamples=PREMULTIPLIED, compression="jpeg"), "JPEG, that has alpha", id="alpha in JPEG"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(data: bytes, reason: str) -> None:
    failed = decode(data)
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("a TIFF ")
    assert reason in failed.reason
    assert failed.kind == FailureKind.UNSUPPORTED


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_what_lacks_its_end_is_damaged(kept: float) -> None:
    data = written(RGB.astype(np.uint32), "rgb", rowsperstrip=8)
    failed = decode(data[: int(len(data) * kept)])
    assert isinstance(failed, Failed)
    assert failed.kind == FailureKind.CORRUPT
