"""What people ask to be tagged once more, also while a worker runs."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, and_, false, func, or_, select, true, update

from tagger.store.core import pathtext
from tagger.store.core.database import Database
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import file, reading, source
from tagger.store.queue import transitions

_PAGE = 1000
# By no categories that there are: so no copy of the picture, either, passes for tagged.
_OUTDATE = Prepared(update(reading).where(reading.c.file_id.in_(listed("ids"))).values(taxonomy_id=None), [])


def retry_all(database: Database) -> int:
    """Make every failed file work again, at once; return how many there were."""
    return _retry(database, true())


def retry(database: Database, path: str) -> int:
    """Make the failed file at an absolute path work again, or every one below it; return how many there were."""
    with database.read() as connection:
        places = [_below(path, row.id, row.root) for row in connection.execute(select(source))]
    return _retry(database, or_(false(), *(place for place in places if place is not None)))


def retag(database: Database, files: Sequence[int]) -> int:
    """Make these files work again, by their rows, behind all that is new; return how many of them can be.

    The tags stay until there are others. What is gone, or has no tags, is left alone.
    """
    stale = 0
    for start in range(0, len(files), _PAGE):
        page = as_list(files[start : start + _PAGE])
        with database.write() as connection:
            _OUTDATE.rows(connection, ids=page)
            stale += transitions.retag(connection, page)
    return stale


def _retry(database: Database, which: ColumnElement[bool]) -> int:
    with database.write() as connection:
        return transitions.retry(connection, which)


def _below(path: str, source_id: int, root: str) -> ColumnElement[bool] | None:
    """Return which of a source's files lie at or below a path; None if none can."""
    ours, root = file.c.source_id == source_id, root.rstrip("/") + "/"
    if root.startswith(path.rstrip("/") + "/"):
        return ours
    if not path.startswith(root):
        return None
    inside = path[len(root) :].rstrip("/")
    text = pathtext.to_text(inside) + "/"
    return and_(
        ours, or_(file.c.path == inside, func.substr(file.c.path, 1, len(text), type_=String) == text)
    )
