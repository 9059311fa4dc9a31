"""What a picture is said to show: its best label, or a category in its place."""

from collections.abc import Callable
from dataclasses import dataclass

from tagger.store.core.database import Database
from tagger.store.search import vocabulary
from tagger.store.search.pictures import FoundPicture, Scored
from tagger.vision.certainty import certainty


@dataclass(frozen=True, slots=True)
class BestAnswer:
    """Says whether the best tag is sure; where it is not, `category` is what is said in its place, or None where nothing is sure."""

    is_sure: bool
    category: Scored | None


def best_answers(database: Database, min_score: float) -> Callable[[FoundPicture], BestAnswer]:
    """Return what tells of each picture what it is said to show; sure is what scores `min_score` or more."""
    within = vocabulary.wholes(database)

    def answer(picture: FoundPicture) -> BestAnswer:
        categories = {one.key: one for one in picture.categories}
        scores = {key: one.score for key, one in categories.items()}
        top_score = picture.tags[0].score if picture.tags else 0.0
        sure = certainty(top_score, scores, within, min_score)
        return BestAnswer(sure.is_sure, categories[sure.category] if sure.category else None)

    return answer
