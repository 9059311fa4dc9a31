"""CSV and NDJSON. NDJSON's objects are the rows of Parquet too."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from tagger.store.search.pictures import FoundPicture, HeadScored, Scored
from tagger.wording.times import iso

COLUMNS = (
    "path", "source", "captured_at", "seen_at", "tagged_at", "seq",
    "kind", "name", "name_zh", "key", "score", "rank", "head", "by", "state",
)  # fmt: skip
DIGITS = 4


def write_csv(pictures: Iterable[FoundPicture], stream: TextIO) -> None:
    """Write a row for each label and each category of each picture, and for each thing that a head says of it. Paths are the file system's bytes."""
    writer = csv.writer(stream, lineterminator="\n")
    rows = (row for picture in pictures for row in _rows(picture))
    first = list(itertools.islice(rows, 1))  # where the query is wrong, no header stands alone
    writer.writerow(COLUMNS)
    writer.writerows(itertools.chain(first, rows))


def write_ndjson(pictures: Iterable[FoundPicture], stream: TextIO) -> None:
    """Write an object per picture, in ASCII; a byte of a path that is not UTF-8 is a lone surrogate, as Python has it."""
    stream.writelines(json.dumps(record(picture), default=iso) + "\n" for picture in pictures)


def record(picture: FoundPicture) -> dict[str, Any]:
    """Return a picture as one object, its tags, its categories and what heads say in lists; times are still datetimes."""
    return {
        "path": picture.path,
        "source": picture.source,
        "state": picture.state,
        "captured_at": picture.captured_at,
        "seen_at": picture.seen_at,
        "tagged_at": picture.tagged_at,
        "seq": picture.seq,
        "tags": [_scored("label", one) for one in picture.tags],
        "categories": [_scored("category", one) for one in picture.categories],
        "heads": [_by_head(one) for one in picture.heads],
    }


def _scored(kind: str, one: Scored) -> dict[str, Any]:
    return {kind: one.name, "name_zh": one.name_zh, "key": one.key, "score": round(one.score, DIGITS)}


def _by_head(one: HeadScored) -> dict[str, Any]:
    own = {"head": one.head, "by": one.by, "state": one.state}
    return _scored("label", one) | {"label": one.label} | own


def _rows(picture: FoundPicture) -> Iterator[tuple[Any, ...]]:
    times = (iso(when) if when else "" for when in (picture.captured_at, picture.seen_at, picture.tagged_at))
    about = (picture.path, picture.source, *times, picture.seq)
    for kind, scored in (("label", picture.tags), ("category", picture.categories)):
        for rank, one in enumerate(scored, 1):
            yield *about, kind, *_told(one.name, one), rank, "", one.by, ""
    for own in picture.heads:
        yield *about, "head", *_told(own.label, own), "", own.head, own.by, own.state


def _told(name: str, one: Scored) -> tuple[str | float, ...]:
    return name, one.name_zh, one.key, round(one.score, DIGITS)
