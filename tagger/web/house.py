"""What the API answers from, in one value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tagger.pipeline.desk import Desk
from tagger.records import Label, ModelIdentity, Taxonomy
from tagger.store.database import Database


@dataclass(frozen=True)
class House:
    """`desk` and `model` are None where pictures are not tagged, only shown. `unready` says what is still missing."""

    database: Database
    min_score: float
    top_k: int
    labels: Sequence[Label]
    taxonomy: Taxonomy
    unready: Callable[[], Sequence[str]]
    desk: Desk | None = None
    model: ModelIdentity | None = None
