"""How many pixels are decoded of an AVIF: as many as its frames have, up to 268 million, whatever it claims to be.

The frame is scaled to the size in the file's boxes only when it is there, in memory. So its own size is looked for where
the decoder will find it: in the first bytes of every item, and of every track's first frame.
"""

import io
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from tagger.vision import av1

LARGEST = 16_384**2
"""What libavif decodes at most."""
_MOST_PARTS, _MOST_STREAMS = 100_000, 1_000
"""So many boxes and extents are looked at, and so many items and tracks. A file of nothing else would take minutes."""


class _Box(NamedTuple):
    kind: bytes
    start: int
    end: int


class _Extent(NamedTuple):
    is_in_idat: bool
    start: int
    size: int


_NONE = _Box(b"", 0, 0)
_FOLLOWED = frozenset(
    (b"iloc", b"iinf", b"idat", b"mdia", b"minf", b"stbl", b"stsd", b"stsz", b"stco", b"co64")
)


def pixels(data: bytes) -> int:
    """Of all that is decoded for one picture; the largest number possible where the file does not tell."""
    found = 0
    with suppress(ValueError, IndexError, KeyError, struct.error):
        found = _File(data).pixels()
    return found or LARGEST


class _File:
    def __init__(self, data: bytes) -> None:
        self._data, self._view = data, memoryview(data)
        self._parts, self._streams, self._joined = _MOST_PARTS, _MOST_STREAMS, len(data)

    def pixels(self) -> int:
        top = list(self._boxes(_Box(b"", 0, len(self._data))))
        items = [stream for meta in _named(b"meta", top) for stream in self._items(meta)]
        tracks = [stream for moov in _named(b"moov", top) for stream in self._tracks(moov)]
        return max(self._together(items), self._together(tracks))

    def _together(self, streams: list[memoryview]) -> int:
        """A grid's tiles are all there at once. What shines through is a stream as well, but has its bytes per pixel."""
        self._streams -= len(streams)
        if self._streams < 0:
            raise ValueError("it has far too many pictures")
        sizes = [av1.largest(stream) for stream in streams]
        return max(sum(sizes) // 2, *sizes, 0)

    def _boxes(self, outer: _Box, skipped: int = 0) -> Iterator[_Box]:
        at = outer.start + skipped
        while at + 8 <= outer.end:
            self._count()
            size, kind = struct.unpack_from(">I4s", self._data, at)
            start = at + 8
            if size == 1:
                (size,), start = struct.unpack_from(">Q", self._data, start), start + 8
            size = size or outer.end - at
            if size < start - at:
                raise ValueError("a box is smaller than its header")
            yield _Box(kind, start, min(at + size, outer.end))
            at += size

    def _count(self) -> None:
        self._parts -= 1
        if self._parts < 0:
            raise ValueError("it has far too many parts")

    def _items(self, meta: _Box) -> Iterator[memoryview]:
        """The picture or its tiles, its alpha, and its thumbnails."""
        boxes = _by_kind(self._boxes(meta, 4))
        extents = self._extents(boxes[b"iloc"])
        idat = boxes.get(b"idat", _NONE)
        for number in self._numbers(boxes[b"iinf"]):
            parts = [self._part(extent, idat) for extent in extents.get(number, ())]
            yield parts[0] if len(parts) == 1 else self._join(parts)

    def _numbers(self, iinf: _Box) -> Iterator[int]:
        """Those of the items that are AV1."""
        for box in self._boxes(iinf, 8 if self._data[iinf.start] else 6):
            form = ">4xHH4s" if self._data[box.start] == 2 else ">4xIH4s"
            number, _, kind = struct.unpack_from(form, self._data, box.start)
            if kind == b"av01":
                yield number

    def _extents(self, iloc: _Box) -> dict[int, list[_Extent]]:
        """Where each item's bytes are."""
        box = io.BytesIO(self._view[iloc.start : iloc.end])
        version = _number(box, 4) >> 24
        sizes, more = _number(box, 1), _number(box, 1)
        wide = 4 if version == 2 else 2
        found: dict[int, list[_Extent]] = {}
        for _ in range(_number(box, wide)):
            item = _number(box, wide)
            is_in_idat = version > 0 and _number(box, 2) & 15 == 1
            _number(box, 2)  # data_reference_index
            base, count = _number(box, more >> 4), _number(box, 2)
            index = more & 15 if version else 0
            found[item] = [self._extent(box, is_in_idat, base, index, sizes) for _ in range(count)]
        return found

    def _extent(self, box: io.BytesIO, is_in_idat: bool, base: int, index: int, sizes: int) -> _Extent:
        self._count()
        _number(box, index)
        return _Extent(is_in_idat, base + _number(box, sizes >> 4), _number(box, sizes & 15))

    def _part(self, extent: _Extent, idat: _Box) -> memoryview:
        around = self._view[idat.start : idat.end] if extent.is_in_idat else self._view
        return around[extent.start : extent.start + extent.size]

    def _join(self, parts: list[memoryview]) -> memoryview:
        self._joined -= sum(map(len, parts))
        if self._joined < 0:
            raise ValueError("its items are larger than the file")
        return memoryview(b"".join(parts))

    def _tracks(self, moov: _Box) -> Iterator[memoryview]:
        """The first frame of each, which is the one that is shown."""
        for table in _named(b"trak", self._boxes(moov)):
            for name in (b"mdia", b"minf", b"stbl"):
                table = _by_kind(self._boxes(table)).get(name, _NONE)
            boxes = _by_kind(self._boxes(table))
            kinds = boxes.get(b"stsd", _NONE)
            if b"av01" in self._data[kinds.start : kinds.end]:
                yield self._first(boxes)

    def _first(self, boxes: dict[bytes, _Box]) -> memoryview:
        if b"co64" in boxes and b"stco" in boxes:
            raise ValueError("where its frames are is told twice")
        form, kind = (">8xQ", b"co64") if b"co64" in boxes else (">8xI", b"stco")
        (at,) = struct.unpack_from(form, self._data, boxes[kind].start)
        (size,) = struct.unpack_from(">4xI", self._data, boxes[b"stsz"].start)
        if size == 0:  # they have a size each
            (size,) = struct.unpack_from(">12xI", self._data, boxes[b"stsz"].start)
        return self._view[at : at + size]


def _named(kind: bytes, boxes: Iterable[_Box]) -> Iterator[_Box]:
    return (box for box in boxes if box.kind == kind)


def _by_kind(boxes: Iterator[_Box]) -> dict[bytes, _Box]:
    found: dict[bytes, _Box] = {}
    for box in boxes:
        if box.kind in _FOLLOWED and box.kind in found:
            raise ValueError("which of two boxes counts is for the decoder to choose")
        found[box.kind] = box
    return found


def _number(file: io.BytesIO, size: int) -> int:
    read = file.read(size)
    if len(read) < size:
        raise ValueError("a box ends early")
    return int.from_bytes(read)
