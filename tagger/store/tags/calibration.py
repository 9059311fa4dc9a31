"""How often each label is right, as far as people have said, and from which score on it is right often enough.

The scores are what the model alone said of the pictures, whatever the tags are with people's verdicts.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from tagger.store.core.database import Database
from tagger.store.core.schema import file, label, reading, verdict
from tagger.store.tags.verdicts import from_text


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model scored a label with, 0 where it was not among the picture's tags, and whether it is right."""

    score: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of one label. Precisions are of the verdicts from a threshold on, 0–1; None where there is none of these.

    `threshold` is the score in use, `better` the lowest from which on the precision is what was asked for, or None
    where no score is.
    """

    label: str
    verdicts: int
    threshold: float
    precision: float | None
    better: float | None
    then: float | None


def calibrations(database: Database, precision: float, min_score: float) -> Iterator[Calibration]:
    """Of each label that has verdicts, by name. `min_score` is for labels without a threshold."""
    with database.read() as connection:
        labels = connection.execute(
            select(label.c.id, label.c.name, label.c.min_score).order_by(label.c.name)
        )
        judged = _judged(connection)
        for id_, name, threshold in labels:
            if id_ in judged:
                yield _calibrated(name, judged[id_], precision, threshold or min_score)


def precision_from(judged: Sequence[Judged], threshold: float) -> float | None:
    """The part that is right of what scores `threshold` or more."""
    some = [one.is_right for one in judged if one.score >= threshold]
    return sum(some) / len(some) if some else None


def lowest_threshold(judged: Sequence[Judged], precision: float) -> float | None:
    """The lowest score from which on so much is right, among those that were judged."""
    scores = sorted({one.score for one in judged if one.score > 0})
    return next((score for score in scores if (precision_from(judged, score) or 0) >= precision), None)


def _calibrated(name: str, judged: Sequence[Judged], precision: float, threshold: float) -> Calibration:
    better = lowest_threshold(judged, precision)
    then = None if better is None else precision_from(judged, better)
    return Calibration(name, len(judged), threshold, precision_from(judged, threshold), better, then)


def _judged(connection: Connection) -> dict[int, list[Judged]]:
    """By label. Of copies of a picture one is enough."""
    query = (
        select(verdict.c.sha256, verdict.c.label_id, verdict.c.is_right, func.max(reading.c.said))
        .join(file, file.c.sha256 == verdict.c.sha256)
        .join(reading, and_(reading.c.file_id == file.c.id, reading.c.said.is_not(None)))
        .group_by(verdict.c.sha256, verdict.c.label_id, verdict.c.is_right)
    )
    found: dict[int, list[Judged]] = defaultdict(list)
    for _, label_id, is_right, text in connection.execute(query):
        scores = {tag_label: score for tag_label, score, _ in from_text(text).tags}
        found[label_id].append(Judged(scores.get(label_id, 0.0), is_right))
    return found
