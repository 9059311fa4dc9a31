"""Pictures that look like one, with all that is known of them."""

from dataclasses import replace

from tagger.errors import ConfigError
from tagger.similar.neighbours import nearest
from tagger.store.core.database import Database
from tagger.store.search import features
from tagger.store.search.features import MISSING, PictureFeatures
from tagger.store.search.found import Hit
from tagger.store.search.pictures import FoundPicture, Scored


def similar(database: Database, seen: PictureFeatures, limit: int) -> list[Hit]:
    """The most alike first: each by its best label, with the cosine (docs/similar.md) for a score.

    Raises ConfigError where no picture has features of this model, DatabaseError where those asked for are damaged.
    """
    with features.album(database, seen.model) as album:
        near = {one.file_id: one.score for one in nearest(album, seen, limit)}
        hits = [Hit(picture, _by(picture, near[picture.id])) for picture in album.pictures(list(near))]
    if not hits and seen.file_id is None:
        _refuse_strangers(database, seen)
    return hits


def _by(picture: FoundPicture, score: float) -> Scored:
    best = next(iter(picture.tags), Scored(0, "", "", "", 0))
    return replace(best, score=score)


def _refuse_strangers(database: Database, seen: PictureFeatures) -> None:
    """Features of two models are not comparable."""
    stored = features.models(database)
    if any((one.name, one.weights_sha256) == (seen.model.name, seen.model.weights_sha256) for one in stored):
        return
    others = ", ".join(sorted({one.name for one in stored}))
    what = f"features are stored of another model only ({others})" if others else "no features are stored"
    raise ConfigError(database.name, what, MISSING)
