"""Pictures in the database are looked up by number and by likeness, and pages of them by a cursor."""

import base64
import binascii
import json
from datetime import datetime

from tagger.similar.hits import similar
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.store.search import features
from tagger.store.search.found import Hit
from tagger.store.search.pictures import FoundPicture, picture
from tagger.store.search.statement import Position
from tagger.web.problems import ProblemError


def picture_of(database: Database, id_: int) -> FoundPicture:
    """Return the picture of that number. Raises ProblemError where there is none."""
    if 0 < id_ < 2**63 and (there := picture(database, id_)):
        return there
    raise no_image(id_)


def no_image(id_: int) -> ProblemError:
    """Return what is said where there is no picture of that number."""
    return ProblemError(404, f"there is no image {id_}; /images lists those that there are")


def look_alikes(database: Database, picture: FoundPicture, limit: int) -> list[Hit]:
    """Return the most alike first; none for a picture without tags. Raises ConfigError where no features are stored."""
    if picture.seq is None:
        return []
    hits = similar(database, features.by_seq(database, picture.seq), limit + 1)
    return [hit for hit in hits if hit.picture.id != picture.id][:limit]


def cursor_of(last: FoundPicture) -> str:
    """Return the text from which `position_of` tells what comes after that picture."""
    moment = last.captured_at and last.captured_at.isoformat()
    return base64.urlsafe_b64encode(json.dumps([moment, last.id]).encode()).decode()


def position_of(cursor: str) -> Position | None:
    """Return where a page begins; None for the first one. Raises ProblemError where the cursor is none of ours."""
    if not cursor:
        return None
    try:
        moment, id_ = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not (isinstance(id_, int) and 0 < id_ < 2**63):
            raise ValueError(id_)
        position = Position(datetime.fromisoformat(moment), id_)
        instant_text(position.captured_at)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise ProblemError(400, "the cursor is not one: take `next` of the page before, as it is") from None
    return position
