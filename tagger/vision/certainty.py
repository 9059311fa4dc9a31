"""Whether Tagger is sure of what a picture shows, and what is said of it where it is not.

The log, the command line and the page ask here, so that they agree. What programs read (JSON, CSV, SQL, the API's tags) has
every tag as the model gave it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tagger.records import Reading, Taxonomy

NOT_SURE = "not sure"


@dataclass(frozen=True, slots=True)
class Certainty:
    """Where Tagger is not sure of the best label, `category` is the key of what is said instead; None: nothing is."""

    is_sure: bool
    category: str | None = None


def certainty(
    top_score: float,
    categories: Mapping[str, float],
    within: Mapping[str, Collection[str]],
    min_score: float,
) -> Certainty:
    """Return how sure the best label is: it must score `min_score` or more, which a person's word, a score of 1, always does.

    Else the best category that scores as much is said. A part scores no more than the whole, and says more: so one that has
    a part with enough is passed over. `categories` are scores by key, `within` are the keys of each category's parents.
    """
    if top_score >= min_score:
        return Certainty(is_sure=True)
    enough = {key for key, score in categories.items() if score >= min_score}
    wholes = {parent for key in enough for parent in within.get(key, ())}
    return Certainty(False, max(sorted(enough - wholes), key=categories.__getitem__, default=None))


def certainty_of(reading: Reading, taxonomy: Taxonomy, min_score: float) -> Certainty:
    """Return how sure a model is of what it has just read; the categories are those of `taxonomy`."""
    within = {one.key: one.within for one in taxonomy.categories}
    return certainty(reading.top_score, dict(reading.categories), within, min_score)
