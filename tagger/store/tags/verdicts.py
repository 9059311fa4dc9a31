"""Verdicts: what people say of a picture's labels, and what the tags are then.

A verdict is on content, so it follows a picture that moves, and holds for its copies; no change of model touches it.
The tags are rewritten with it, so that every question sees it at no cost. What the model said alone is kept with the
reading: whoever takes a verdict back gets that again. Rejected: to weigh verdicts in the views, where each question
would look them up for each tag.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection, exists, select

from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import category_label, label, verdict
from tagger.store.tags.readings import Said

HUMAN = "human"
_LEAST = 0.2
"""As for all categories: `vision.categories.FLOOR`."""

_SOME = Prepared(select(exists(select(verdict.c.label_id))))
_ON = Prepared(
    select(verdict.c.sha256, verdict.c.label_id, verdict.c.is_right, label.c.head.is_not(None))
    .join(label, label.c.id == verdict.c.label_id)
    .where(verdict.c.sha256.in_(listed("contents")))
)
_MEMBERS = Prepared(select(category_label.c.label_id, category_label.c.category_id))


@dataclass(frozen=True, slots=True)
class VerdictIndex:
    """The verdicts on some pictures.

    `by_content` tells whether the model's labels are right, by a picture's sha256 and the label's id, and `on_heads` whether
    those of heads are; `categories_of` which categories each label is in.
    """

    by_content: Mapping[str, Mapping[int, bool]]
    categories_of: Mapping[int, Sequence[int]]
    on_heads: Mapping[str, Mapping[int, bool]] = field(default_factory=dict)

    def applied(self, sha256: str, said: Said) -> tuple[Said, str | None]:
        """Return what is said of a picture with the verdicts on it, and what its model said alone, as text.

        The text is None where there are no verdicts on it.
        """
        given = self.by_content.get(sha256)
        return (corrected(said, given, self.categories_of), to_text(said)) if given else (said, None)


def verdicts_on(connection: Connection, contents: Sequence[str]) -> VerdictIndex:
    """Return the verdicts on pictures of these sha256 hashes."""
    by_content: dict[str, dict[int, bool]] = defaultdict(dict)
    on_heads: dict[str, dict[int, bool]] = defaultdict(dict)
    if not _SOME.rows(connection)[0][0]:
        return VerdictIndex(by_content, {})
    for sha256, label_id, is_right, of_head in _ON.rows(connection, contents=as_list(contents)):
        (on_heads if of_head else by_content)[sha256][label_id] = bool(is_right)
    return VerdictIndex(by_content, _categories_of(connection) if by_content else {}, on_heads)


def corrected(said: Said, given: Mapping[int, bool], categories_of: Mapping[int, Sequence[int]]) -> Said:
    """Return what a model said, corrected by the verdicts `given`, by label.

    What people say is right comes first, with the score 1; what they say is wrong is gone. A category of a right label
    scores 1; one of a wrong label loses its share.
    """
    right = [label_id for label_id, is_right in given.items() if is_right]
    tags = [(label_id, 1.0, HUMAN) for label_id in right]
    tags += [one for one in said.tags if one[0] not in given]  # type: ignore[misc]
    scores = dict(said.categories)
    for label_id, score, _ in said.tags:
        for category_id in categories_of.get(label_id, ()) if given.get(label_id) is False else ():
            scores[category_id] = scores.get(category_id, 0.0) - score
    scores |= {category_id: 1.0 for label_id in right for category_id in categories_of.get(label_id, ())}
    categories = tuple((category_id, score) for category_id, score in scores.items() if score >= _LEAST)
    best = [score for _, score, _ in tags[:2]] + [0.0, 0.0]
    entropy = 0.0 if right else said.entropy
    margin = best[0] - best[1] if len(right) < 2 else 1.0
    return Said(tuple(tags), categories, best[0], margin, entropy, said.outdoor)


def to_text(said: Said) -> str:
    """Return it as JSON, as it is kept with a reading."""
    return json.dumps(asdict(said))


def from_text(text: str) -> Said:
    """Return what `to_text` made this text of."""
    data = json.loads(text)
    tags, categories = (tuple(tuple(one) for one in data.pop(name)) for name in ("tags", "categories"))
    return Said(tags, categories, **data)


def _categories_of(connection: Connection) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for label_id, category_id in _MEMBERS.rows(connection):
        found[label_id].append(category_id)
    return found
