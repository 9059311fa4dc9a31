"""What the tags are, whatever a model and people say."""

from hypothesis import given
from hypothesis import strategies as st

from tagger.store.tags.readings import Said
from tagger.store.tags.verdicts import HUMAN, corrected, from_text, to_text

LABELS = range(8)
CATEGORIES_OF = {label: [label // 2, 9] for label in LABELS}


@st.composite
def readings(draw: st.DrawFn) -> Said:
    """As a model gives them: scores fall and add up to 1 at most; categories are sums over all classes."""
    labels = draw(st.lists(st.sampled_from(LABELS), unique=True, min_size=1, max_size=5))
    parts = draw(st.lists(st.floats(0.01, 1), min_size=len(labels), max_size=len(labels)))
    scores = sorted((part / (sum(parts) + 0.1) for part in parts), reverse=True)
    tags = tuple((label, score, None) for label, score in zip(labels, scores, strict=True))
    sums = {
        category: sum(score for label, score, _ in tags if category in CATEGORIES_OF[label])
        for category in (0, 1, 2, 3, 9)
    }
    categories = tuple((category, score) for category, score in sums.items() if score >= 0.2)
    return Said(tags, categories, scores[0], scores[0] - sum(scores[1:2]), 1.0)


verdicts = st.dictionaries(st.sampled_from(LABELS), st.booleans(), max_size=4)


@given(readings(), verdicts)
def test_what_is_right_is_there_once_what_is_wrong_is_not_and_the_rest_is_as_it_was(
    said: Said, given_: dict[int, bool]
) -> None:
    tags = corrected(said, given_, CATEGORIES_OF).tags
    right = [label for label, is_right in given_.items() if is_right]
    assert [one for one in tags if one[2]] == [(label, 1.0, HUMAN) for label in right]
    assert [one for one in tags if not one[2]] == [one for one in said.tags if one[0] not in given_]


@given(readings(), verdicts)
def test_scores_stay_probabilities_and_the_best_is_the_first(said: Said, given_: dict[int, bool]) -> None:
    new = corrected(said, given_, CATEGORIES_OF)
    assert all(0 < score <= 1 for _, score in new.categories)
    assert new.top_score == max((score for _, score, _ in new.tags), default=0)
    assert 0 <= new.margin <= 1


@given(readings(), verdicts)
def test_a_category_is_certain_where_one_of_its_labels_is(said: Said, given_: dict[int, bool]) -> None:
    scores = dict(corrected(said, given_, CATEGORIES_OF).categories)
    for label, is_right in given_.items():
        if is_right:
            assert all(scores[category] == 1 for category in CATEGORIES_OF[label])


@given(readings())
def test_what_the_model_said_is_kept_to_the_last_bit(said: Said) -> None:
    assert from_text(to_text(said)) == said
    assert corrected(said, {}, CATEGORIES_OF).tags == said.tags
