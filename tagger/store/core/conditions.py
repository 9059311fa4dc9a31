"""The conditions that pictures are in, asked of the database: the same that `search.conditions` tells of one in hand.

Each is a comparison with what is stored of a file, and with the thresholds as a worker last wrote them down. None is ever
NULL: what is not known of a picture puts it into no condition, and `not` finds it. Rejected: a row for each condition of each
picture, which a change of the config would have to write anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    false,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.sqlite import dialect

from tagger.config.views import ConditionSettings
from tagger.search.conditions import NAMES, SCREENS
from tagger.store.core.schema import configured, file, reading, source

_DEFAULTS = ConditionSettings().model_dump()
_ITS_READING = reading.alias("read")
_outdoor = select(_ITS_READING.c.outdoor).where(_ITS_READING.c.file_id == file.c.id).scalar_subquery()


def _limit(key: str) -> ColumnElement[float]:
    return literal_column(configured(f"conditions.{key}", _DEFAULTS[key]), Float)


def _is_of_a_screen() -> ColumnElement[bool]:
    """Compare both sides as one number, so that all screens are a list of numbers."""
    size = func.max(file.c.width, file.c.height) * 100_000 + func.min(file.c.width, file.c.height)
    return size.in_([literal_column(str(long * 100_000 + short)) for long, short in sorted(SCREENS)])


_IS_GREY, _IS_DARK = file.c.colourfulness < _limit("colourless"), file.c.brightness < _limit("dark")
_BELOW = file.c.brightness < _limit("night")
_INFRARED = and_(_IS_GREY, file.c.brightness < _limit("infrared"))
_TESTS: Mapping[str, ColumnElement[bool]] = {
    "night": and_(not_(file.c.is_blank), or_(_BELOW, _INFRARED)),
    "dark": _IS_DARK,
    "blurred": and_(file.c.sharpness < _limit("blurred"), not_(file.c.is_blank), not_(_IS_DARK)),
    "blank": file.c.is_blank,
    "monochrome": _IS_GREY,
    "screenshot": and_(not_(file.c.from_camera), file.c.flatness >= _limit("flat"), _is_of_a_screen()),
    "indoor": _outdoor <= _limit("indoor"),
    "outdoor": _outdoor >= _limit("outdoor"),
}
_SCORES: Mapping[str, ColumnElement[float]] = {"indoor": 1 - _outdoor, "outdoor": _outdoor}


def test(name: str) -> ColumnElement[bool]:
    """Return the SQL for whether the file at hand is in the condition of that name, one of NAMES."""
    return func.coalesce(_TESTS[name], false())


def every() -> Iterator[ColumnElement[bool]]:
    """Return a column for each condition, `in_NAME`, in the order of NAMES."""
    return (test(name).label(f"in_{name}") for name in NAMES)


def view(path: str, *others: str) -> str:
    """Return the view `image_conditions`: a SELECT for each condition, of which SQLite runs only those that are asked for.

    `path` is the SQL of a file's path, under that name; `others` are that of columns that end each row.
    """
    whole = union_all(*(_pictures(name, path, others) for name in NAMES))
    return str(whole.compile(dialect=dialect(), compile_kwargs={"literal_binds": True}))


def _pictures(name: str, path: str, others: Iterable[str]) -> Select[Any]:
    """Return the SELECT of the pictures in one condition."""
    columns: tuple[ColumnElement[Any], ...] = (
        reading.c.seq,
        literal_column(path),
        source.c.name.label("source"),
        literal_column(f"'{name}'").label("condition"),
        *(file.c[one] for one in ("captured_at", "seen_at", "camera", "app_id")),
        _SCORES.get(name, null()).label("score"),
        func.coalesce(file.c.damaged, 0).label("damaged"),
        *map(literal_column, others),
    )
    pictures = select(*columns).select_from(file).join(source, source.c.id == file.c.source_id)
    return pictures.join(reading, reading.c.file_id == file.c.id).where(_TESTS[name])
