"""When a picture was taken, by what is in it."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from tagger.config.path_rules import IMPOSSIBLE, Told
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.engines.fake import PREPROCESSING
from tagger.vision.taken_at import moment, told

NOW = datetime(2026, 4, 1, tzinfo=UTC)
NOON = datetime(2015, 8, 22, 10, 8, 19)
TEXT = "2015:08:22 10:08:19"
GPS = {ExifTags.GPS.GPSDateStamp: "2015:08:22", ExifTags.GPS.GPSTimeStamp: (10.0, 8.0, 19.0)}
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description {}</rdf:RDF></x:xmpmeta>'


def exif(
    ifd0: dict[str, Any] | None = None, inner: dict[str, Any] | None = None, gps: dict[int, Any] | None = None
) -> Image.Exif:
    tags = Image.Exif()
    for name, value in (ifd0 or {}).items():
        tags[ExifTags.Base[name]] = value
    tags.get_ifd(ExifTags.IFD.Exif).update(
        {ExifTags.Base[name]: value for name, value in (inner or {}).items()}
    )
    tags.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    return tags


def saved(form: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (48, 32), "teal").save(file, form, **options)
    return file.getvalue()


def read(data: bytes, mode: Mode = "fast") -> tuple[datetime | None, str | None]:
    content = Content(Stamp("/a picture", "source", len(data), 0, 0), data, "")
    picture = Decoder(PREPROCESSING, 100_000_000, PixelBudget(), mode).decode(content)
    assert isinstance(picture, Picture), picture
    return picture.facts.taken_at, picture.facts.taken_from


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (TEXT, NOON),
        ("2015:08:22 10:08", NOON.replace(second=0)),
        ("2015-08-22 10:08:19", NOON),
        ("2015/08/22 10:08:19", NOON),
        ("2015.08.22 10:08:19", NOON),
        ("2015-08-22T10:08:19", NOON),
        ("2015:8:22  10:8:19", NOON),
        (" 2015:08:22 10:08:19 \0junk", NOON),
        ("2015:08:22 24:08:19", datetime(2015, 8, 23, 0, 8, 19)),
        ("2015:08:22 24:00:00", datetime(2015, 8, 23)),
        ("2015:08:22 10:07:60", NOON.replace(second=0)),
        ("2015:08:22 10:08:19.25", NOON.replace(microsecond=250_000)),
        ("2015:08:22 10:08:19,123456789", NOON.replace(microsecond=123_456)),
        ("2015:08:22 10:08:19Z", NOON.replace(tzinfo=UTC)),
        ("2015:08:22 10:08:19+0000", NOON.replace(tzinfo=UTC)),
        ("2015:08:22 12:08:19+02:00", NOON.replace(tzinfo=UTC)),
        ("2015:08:22 12:08:19 +02", NOON.replace(tzinfo=UTC)),
        ("2015-08-22T04:38:19.5-05:30", NOON.replace(tzinfo=UTC, microsecond=500_000)),
        ("2015:08:22 10:08:19+99:00", NOON),
        ("2015:08:22   :  :  ", datetime(2015, 8, 22)),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
        ("", None),
        ("2015:13:22 10:08:19", IMPOSSIBLE),
        ("2015:06:31 10:08:19", IMPOSSIBLE),
        ("2015:08:22 25:08:19", IMPOSSIBLE),
        ("2015:08:22 10:61:19", IMPOSSIBLE),
        ("65535:65535:65535 65535:65535:65535", IMPOSSIBLE),
        ("9999:12:31 24:00:00", IMPOSSIBLE),
    ],
)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_time_is_written_in_many_ways(text: str, at: datetime | None, as_bytes: bool) -> None:
    value = text.encode() if as_bytes else text
    assert read(saved(exif=exif(inner={"DateTimeOriginal": value}))) == (at, at and "exif")


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ({"ifd0": {"DateTime": TEXT}}, (NOON, "exif_datetime")),
        (
            {"ifd0": {"DateTime": TEXT}, "inner": {"OffsetTime": "+02:00", "SubsecTime": "5"}},
            (NOON.replace(hour=8, microsecond=500_000, tzinfo=UTC), "exif_datetime"),
        ),
        ({"ifd0": {"DateTime": TEXT}, "inner": {"DateTimeOriginal": "2014:01:01 00:00:00"}}, "exif"),
        ({"ifd0": {"DateTime": TEXT}, "inner": {"DateTimeOriginal": "0000:00:00 00:00:00"}}, "exif_datetime"),
        ({"ifd0": {"DateTime": TEXT}, "inner": {"DateTimeOriginal": "2099:01:01 00:00:00"}}, "exif_datetime"),
        ({"ifd0": {"DateTime": TEXT}, "inner": {"DateTimeOriginal": "1970:01:01 00:00:00"}}, "exif_datetime"),
        ({"ifd0": {"DateTime": "2000:01:01 00:00:09"}, "gps": GPS}, "gps"),
        ({"gps": GPS}, (NOON.replace(tzinfo=UTC), "gps")),
        ({"gps": GPS | {7: (10, 8, 19.5)}}, (NOON.replace(tzinfo=UTC, microsecond=500_000), "gps")),
        ({"gps": {29: "2015:08:22"}}, (None, None)),
        ({"gps": {7: (10, 8, 19)}}, (None, None)),
        ({"gps": GPS | {7: (99, 8, 19)}}, (None, None)),
    ],
)
def test_exif_tells_it_in_several_places(tags: dict[str, Any], taken: Any) -> None:
    found = read(saved(exif=exif(**tags)))
    assert (found[1] if isinstance(taken, str) else found) == taken


def test_where_only_times_are_told_that_cannot_be_the_first_of_them_is_told() -> None:
    tags = exif(ifd0={"DateTime": "1970:01:01 00:00:00"}, inner={"DateTimeOriginal": "2099:01:01 00:00:00"})
    assert read(saved(exif=tags)) == (datetime(2099, 1, 1), "exif")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (TEXT, NOON),
        ("2015-08-22T10:08:19Z", NOON.replace(tzinfo=UTC)),
        ("Sat, 22 Aug 2015 12:08:19 +0200", NOON.replace(tzinfo=UTC)),
        ("22 Aug 2015 10:08:19 GMT", NOON.replace(tzinfo=UTC)),
        ("Sat Aug 22 10:08:19 2015", NOON),
        ("in summer", None),
        ("x" * 10_000, None),
    ],
)
@pytest.mark.parametrize("key", ["Creation Time", "creation time"])
@pytest.mark.parametrize("after", [False, True])
def test_a_png_tells_it_in_text(text: str, at: datetime | None, key: str, after: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"tEXt", key.encode() + b"\0" + text.encode(), after_idat=after)
    assert read(saved("PNG", pnginfo=info)) == (at, at and "png")


def test_a_png_tells_it_in_compressed_and_in_international_text_too() -> None:
    for zipped in (False, True):
        info = PngImagePlugin.PngInfo()
        info.add_itxt("Creation Time", TEXT, zip=zipped)
        assert read(saved("PNG", pnginfo=info)) == (NOON, "png")


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_exif_is_read_wherever_a_format_has_it(form: str, mode: Mode) -> None:
    data = saved(form, exif=exif(ifd0={"DateTime": TEXT}))
    assert read(data, mode) == (NOON, "exif_datetime")


@pytest.mark.parametrize(
    ("within", "at"),
    [
        ('exif:DateTimeOriginal="2015-08-22T10:08:19"/>', NOON),
        ('xmp:CreateDate="2015-08-22T12:08:19+02:00"/>', NOON.replace(tzinfo=UTC)),
        ("><xmp:CreateDate>\n2015-08-22T10:08:19</xmp:CreateDate></rdf:Description>", NOON),
        ("photoshop:DateCreated = '2015-08-22'/>", datetime(2015, 8, 22)),
        ('xmp:CreateDate="2020-01-01T00:00" exif:DateTimeOriginal="2015-08-22T10:08:19"/>', NOON),
        ('xmp:ModifyDate="2015-08-22T10:08:19"/>', None),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_xmp_tells_it(form: str, within: str, at: datetime | None) -> None:
    packet = XMP.format(within)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet)
    options: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": info},
        "TIFF": {"tiffinfo": {700: packet.encode()}},
    }
    assert read(saved(form, **options.get(form, {"xmp": packet.encode()}))) == (at, at and "xmp")


@pytest.mark.parametrize("packet", [b":CreateDate" * 100_000, b":CreateDate" + b" " * 10**6, b"a" * 10**6])
def test_xmp_that_was_made_to_take_long_takes_no_time(packet: bytes) -> None:
    image = Image.new("RGB", (1, 1))
    image.info["xmp"] = packet
    assert told(image, NOW) is None


def test_broken_exif_hides_nothing_else() -> None:
    image = Image.new("RGB", (1, 1))
    image.info |= {"exif": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", "Creation Time": TEXT}
    assert told(image, NOW) == Told(NOON, "png")


@given(st.text(), st.text(), st.text())
def test_whatever_a_text_says_it_is_a_time_or_none(text: str, offset: str, fraction: str) -> None:
    at = moment(text, offset, fraction)
    assert at is None or at.utcoffset() is None or abs(at.utcoffset() or timedelta()) < timedelta(days=1)
