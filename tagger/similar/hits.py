"""Pictures that look like one, with all that is known of them."""

from dataclasses import replace

from tagger.errors import ConfigError
from tagger.similar.neighbours import nearest
from tagger.store.core.database import Database
from tagger.store.search import features
from tagger.store.search.features import HOW_THEY_ARE_MADE, PictureFeatures
from tagger.store.search.found import Hit
from tagger.store.search.pictures import FoundPicture, Scored


def similar(database: Database, wanted: PictureFeatures, limit: int) -> list[Hit]:
    """Return the most alike first: each by its best label, with the cosine (docs/similar.md) for a score.

    Raises ConfigError where no picture has features of this model, DatabaseError where those asked for are damaged.
    """
    with features.of_model(database, wanted.model) as stored:
        near = {one.file_id: one.score for one in nearest(stored, wanted, limit)}
        hits = [Hit(picture, _by(picture, near[picture.id])) for picture in stored.pictures(list(near))]
    if not hits and wanted.file_id is None:
        _refuse_other_models(database, wanted)
    return hits


def _by(picture: FoundPicture, score: float) -> Scored:
    best = next(iter(picture.tags), Scored(0, "", "", "", 0))
    return replace(best, score=score)


def _refuse_other_models(database: Database, wanted: PictureFeatures) -> None:
    """Raises ConfigError where no features of this model are stored: those of two models cannot be compared."""
    stored = features.models(database)
    if any(
        (one.name, one.weights_sha256) == (wanted.model.name, wanted.model.weights_sha256) for one in stored
    ):
        return
    others = ", ".join(sorted({one.name for one in stored}))
    what = f"features are stored of another model only ({others})" if others else "no features are stored"
    raise ConfigError(database.name, what, HOW_THEY_ARE_MADE)
