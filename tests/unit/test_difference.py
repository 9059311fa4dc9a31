from tagger.records import Label, Reading, Tag
from tagger.vision.difference import Shift, difference


def reading(scores: dict[str, float], categories: dict[str, float] | None = None) -> Reading:
    tags = tuple(
        Tag(Label(f"n{name}", name), score, rank) for rank, (name, score) in enumerate(scores.items(), 1)
    )
    return Reading(tags, tags[0].score, 0, 0, tuple((categories or {}).items()))


def at(name: str) -> float:
    return 0.8 if name == "van" else 0.3


BEFORE = [reading({"cat": 0.9}, {"animal": 0.9}), reading({"cat": 0.5, "dog": 0.4}), reading({"van": 0.7})]
AFTER = [reading({"cat": 0.8}, {"animal": 0.1}), reading({"dog": 0.6, "cat": 0.2}), reading({"van": 0.9})]


def test_how_much_two_models_agree() -> None:
    found = difference(BEFORE, AFTER, at)
    assert (found.pictures, found.same_top, found.overlap) == (3, 2 / 3, 0.75)


def test_which_labels_and_categories_gain_and_lose_pictures() -> None:
    found = difference(BEFORE, AFTER, at)
    assert found.labels == (Shift("cat", 2, 1, 0, 1), Shift("van", 0, 1, 1, 0))
    assert found.categories == (Shift("animal", 1, 0, 0, 1),)


def test_a_model_does_not_differ_from_itself() -> None:
    found = difference(BEFORE, BEFORE, at)
    assert (found.same_top, found.overlap, found.labels, found.categories) == (1, 1, (), ())


def test_of_no_pictures_nothing_is_said() -> None:
    assert difference([], [], at).overlap is None
