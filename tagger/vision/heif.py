"""HEIC is decoded by pillow-heif, which is an extra: its wheel brings an encoder under the GPL, and HEVC's patents.

Its names are looked at all the same. What is within decides, so a JPEG that is called .heic has tags, and a HEIC says what it lacks.
"""

from tagger.wording.extras import TAKE_HEIC

try:
    from pillow_heif import register_heif_opener
except ImportError:
    IS_READ = False
else:
    IS_READ = True
    # A thumbnail in place of the picture would be decoded before its size has been judged, and may show another one.
    register_heif_opener(thumbnails=False)

SUFFIXES = (".heic", ".heif", ".hif", ".heics", ".heifs")
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_MOST_BRANDS = 64


class LeftOutError(Exception):
    """A picture is a HEIC, and the extra that decodes it is not installed."""


def judge(data: bytes) -> None:
    """Raises LeftOutError where the bytes are a HEIC that nothing here decodes."""
    if not IS_READ and is_heic(data):
        raise LeftOutError(f"a HEIC, which this installation leaves out: {TAKE_HEIC}")


def is_heic(data: bytes) -> bool:
    """Return whether a file says of itself that it is a HEIC, or can be read as one."""
    size = min(int.from_bytes(data[:4]), 16 + 4 * _MOST_BRANDS)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    return data[4:8] == b"ftyp" and data[8:12] != b"avif" and not brands.isdisjoint(_BRANDS)
