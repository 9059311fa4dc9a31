"""CSV and NDJSON. NDJSON's objects are the rows of Parquet too."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from tagger.store.search.pictures import FoundPicture, Scored
from tagger.wording.times import iso

COLUMNS = (
    "path", "source", "captured_at", "seen_at", "tagged_at", "seq",
    "kind", "name", "name_zh", "key", "score", "rank",
)  # fmt: skip
DIGITS = 4


def write_csv(pictures: Iterable[FoundPicture], stream: TextIO) -> None:
    """Write a row for each label and each category of each picture. Paths are the file system's bytes."""
    writer = csv.writer(stream, lineterminator="\n")
    rows = (row for picture in pictures for row in _rows(picture))
    first = list(itertools.islice(rows, 1))  # where the query is wrong, no header stands alone
    writer.writerow(COLUMNS)
    writer.writerows(itertools.chain(first, rows))


def write_ndjson(pictures: Iterable[FoundPicture], stream: TextIO) -> None:
    """Write an object per picture, in ASCII; a byte of a path that is not UTF-8 is a lone surrogate, as Python has it."""
    stream.writelines(json.dumps(record(picture), default=iso) + "\n" for picture in pictures)


def record(picture: FoundPicture) -> dict[str, Any]:
    """Return a picture as one object, its tags and categories in lists; times are still datetimes."""
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
    }


def _scored(kind: str, one: Scored) -> dict[str, Any]:
    return {kind: one.name, "name_zh": one.name_zh, "key": one.key, "score": round(one.score, DIGITS)}


def _rows(picture: FoundPicture) -> Iterator[tuple[Any, ...]]:
    times = (iso(when) if when else "" for when in (picture.captured_at, picture.seen_at, picture.tagged_at))
    about = (picture.path, picture.source, *times, picture.seq)
    for kind, scored in (("label", picture.tags), ("category", picture.categories)):
        for rank, one in enumerate(scored, 1):
            yield *about, kind, one.name, one.name_zh, one.key, round(one.score, DIGITS), rank
