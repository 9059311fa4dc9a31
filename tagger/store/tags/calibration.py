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
class ScoredVerdict:
    """A verdict on a label of one picture: whether it is right, and what the model alone scored it with.

    The score is 0 where the label was not among the picture's tags.
    """

    score: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """How often one label is right.

    `threshold` is the score in use, and `precision` the part, 0 to 1, that is right of what scores as much or more; None
    where nothing does. `better` is the lowest score from which on the precision is what was asked for, `then`; None where
    no score is.
    """

    label: str
    verdicts: int
    threshold: float
    precision: float | None
    better: float | None
    then: float | None


def calibrations(database: Database, precision: float, min_score: float) -> Iterator[Calibration]:
    """Yield the calibration of each label of the model that has verdicts, by name. `min_score` is for labels without a threshold.

    Labels of heads are left out: their thresholds were learned from such verdicts.
    """
    with database.read() as connection:
        labels = connection.execute(
            select(label.c.id, label.c.name, label.c.min_score)
            .where(label.c.head.is_(None))
            .order_by(label.c.name)
        )
        verdicts = _verdicts_by_label(connection)
        for id_, name, threshold in labels:
            if id_ in verdicts:
                yield _calibrated(name, verdicts[id_], precision, threshold or min_score)


def precision_from(verdicts: Sequence[ScoredVerdict], threshold: float) -> float | None:
    """Return the part, 0 to 1, that is right of what scores `threshold` or more; None where nothing does."""
    some = [one.is_right for one in verdicts if one.score >= threshold]
    return sum(some) / len(some) if some else None


def lowest_threshold(verdicts: Sequence[ScoredVerdict], precision: float) -> float | None:
    """Return the lowest score of these verdicts from which on so much is right; None where there is none."""
    scores = sorted({one.score for one in verdicts if one.score > 0})
    return next((score for score in scores if (precision_from(verdicts, score) or 0) >= precision), None)


def _calibrated(
    name: str, verdicts: Sequence[ScoredVerdict], precision: float, threshold: float
) -> Calibration:
    better = lowest_threshold(verdicts, precision)
    then = None if better is None else precision_from(verdicts, better)
    return Calibration(name, len(verdicts), threshold, precision_from(verdicts, threshold), better, then)


def _verdicts_by_label(connection: Connection) -> dict[int, list[ScoredVerdict]]:
    """Return the verdicts on each label, by its id; of copies of a picture one is enough."""
    query = (
        select(verdict.c.sha256, verdict.c.label_id, verdict.c.is_right, func.max(reading.c.said))
        .join(file, file.c.sha256 == verdict.c.sha256)
        .join(reading, and_(reading.c.file_id == file.c.id, reading.c.said.is_not(None)))
        .group_by(verdict.c.sha256, verdict.c.label_id, verdict.c.is_right)
    )
    found: dict[int, list[ScoredVerdict]] = defaultdict(list)
    for _, label_id, is_right, text in connection.execute(query):
        scores = {tag_label: score for tag_label, score, _ in from_text(text).tags}
        found[label_id].append(ScoredVerdict(scores.get(label_id, 0.0), is_right))
    return found
