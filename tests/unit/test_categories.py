"""Which classes are in which category, and what a user's file changes of that."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.errors import ConfigError
from tagger.records import Category, Label
from tagger.vision import categories, labels
from tagger.vision.categories import Categories
from tagger.vision.models import BUILTIN

IMAGENET = labels.imagenet()
KEYS = {label.name: label.key for label in IMAGENET}
OWN = (Label("zoo/okapi", "okapi"), Label("zoo/quoll", "quoll"))
ROOT = Path(__file__).parents[2]


def loaded(folder: Path, text: str, own: Sequence[Label] = ()) -> Categories:
    path = folder / "my-categories.yaml"
    path.write_text(text, encoding="utf-8")
    return categories.load(path, own)


def named(found: Categories, key: str) -> set[str]:
    """The names of ImageNet's classes in a category."""
    return {label.name for label in IMAGENET if label.key in found.members[key]}


def category(found: Categories, key: str) -> Category:
    (one,) = (one for one in found.categories if one.key == key)
    return one


class TestShipped:
    found = categories.load()

    def test_every_class_is_in_a_category(self) -> None:
        inside = frozenset[str]().union(*self.found.members.values())
        assert inside == {label.key for label in IMAGENET}

    def test_no_category_is_empty(self) -> None:
        assert [key for key, members in self.found.members.items() if not members] == []

    def test_every_category_has_a_name_in_both_languages(self) -> None:
        assert len(self.found.categories) == 56
        assert [one.key for one in self.found.categories if not (one.name and one.name_zh)] == []

    def test_no_word_means_two_categories(self) -> None:
        words = [
            word.casefold()
            for one in self.found.categories
            for word in {one.name, one.name_zh, *one.synonyms}
        ]
        assert sorted(words) == sorted(set(words))

    def test_no_synonym_of_a_class_means_a_category(self) -> None:
        words = {word for one in self.found.categories for word in (one.name, one.name_zh, *one.synonyms)}
        assert [label.name for label in IMAGENET if words & {label.name_zh, *label.synonyms}] == []

    def test_a_category_has_what_is_in_those_within_it(self) -> None:
        for one in self.found.categories:
            for parent in one.within:
                assert self.found.members[one.key] <= self.found.members[parent], one.key
        assert len(self.found.members["dog"]) == 119
        assert len(self.found.members["animal"]) == 398

    def test_the_table_leaves_parents_out(self) -> None:
        within = {one.key: set(one.within) for one in self.found.categories}
        for row in labels.rows():
            listed = set(row["categories"].split(labels.SEPARATOR))
            assert not listed & set().union(*(within[key] for key in listed)), row["name"]

    def test_classes_are_known_by_key_and_not_by_name(self) -> None:
        assert "dogsled" in named(self.found, "snow") - named(self.found, "animal")
        assert named(self.found, "bird") & {"crane (bird)", "crane (machine)"} == {"crane (bird)"}
        assert not named(self.found, "animal") & {"teddy", "hotdog", "mouse", "coral reef"}

    def test_the_documents_list_is_that_of_the_table(self) -> None:
        text = (ROOT / "docs/categories.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.*?) ?\| (\d+) \|$", text, re.MULTILINE)
        assert rows == [
            (one.key, one.name, one.name_zh, ", ".join(one.within), str(len(self.found.members[one.key])))
            for one in self.found.categories
        ]


class TestUsersFile:
    def test_adds_a_category_of_classes_named_by_key_or_name(self, tmp_path: Path) -> None:
        text = "sweets: {name_zh: 甜食, synonyms: [dessert], within: [food], includes: [Trifle, n07614500]}"
        found = loaded(tmp_path, text)
        assert category(found, "sweets") == Category("sweets", "sweets", "甜食", ("dessert",), ("food",))
        assert named(found, "sweets") == {"trifle", "ice cream"}

    def test_extends_one_that_ships(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, "dog: {name_zh: 汪, synonyms: [doggo], includes: [timber wolf]}")
        assert named(found, "dog") == named(TestShipped.found, "dog") | {"timber wolf"}
        shipped = category(TestShipped.found, "dog")
        assert category(found, "dog") == Category(
            "dog", "dog", "汪", (*shipped.synonyms, "doggo"), shipped.within
        )

    def test_excludes_a_class_from_one_that_ships(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, "dog: {excludes: [dingo]}\nanimal: {excludes: [tabby]}")
        assert named(found, "dog") == named(TestShipped.found, "dog") - {"dingo"}
        assert "tabby" not in named(found, "animal")
        assert "tabby" in named(found, "cat")

    def test_null_removes_one_and_its_parts_stay(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, "animal: null")
        assert "animal" not in found.members
        assert category(found, "dog").within == ()
        assert found.members["dog"] == TestShipped.found.members["dog"]

    def test_includes_and_within_nest_to_any_depth(self, tmp_path: Path) -> None:
        text = "pet: {includes: [dog, cat, hamster]}\nhousehold: {includes: [pet]}\npug: {within: [pet], includes: [pug]}"
        found = loaded(tmp_path, text)
        inside = found.members["dog"] | found.members["cat"] | {KEYS["hamster"]}
        assert found.members["pet"] == found.members["household"] == inside
        assert category(found, "dog").within == ("animal", "pet")
        assert named(found, "pug") == {"pug"}

    def test_takes_classes_of_the_users_own_model_by_key_and_by_name(self, tmp_path: Path) -> None:
        found = loaded(
            tmp_path, "hoofed_animal: {includes: [zoo/okapi]}\nmarsupial: {includes: [quoll]}", OWN
        )
        assert "zoo/okapi" in found.members["hoofed_animal"] & found.members["animal"]
        assert found.members["marsupial"] == {"zoo/quoll"}

    @pytest.mark.parametrize("text", ["", "# nothing yet\n", "dog: {}"])
    def test_may_change_nothing(self, tmp_path: Path, text: str) -> None:
        assert loaded(tmp_path, text) == TestShipped.found

    def test_that_is_given_as_an_example_is_right(self) -> None:
        path = ROOT / "config/categories.yaml"
        found = categories.load(path)
        assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) & found.members.keys()


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("fish: {includes: [goldfsh]}", "fish.includes", "no class 'goldfsh'", "'goldfish'"),
        ("fish: {excludes: [goldfsh]}", "fish.excludes", "no class 'goldfsh'", "'goldfish'"),
        ("shop: {includes: [furnitur]}", "shop.includes", "no class 'furnitur'", "'furniture'"),
        ("shop: {includes: [zzz]}", "shop.includes", "no class 'zzz'", "how a class is named"),
        ("fish: {within: [anmal]}", "fish.within", "no category 'anmal'", "'animal'"),
        ("animal: {excludes: [dog]}", "animal.excludes", "'dog' is a category", "classes"),
        ("dgo: null", "dgo", "no category 'dgo'", "'dog'"),
        ("animal: {within: [dog]}", "animal → dog → animal", "within one another", "out"),
        ("dog: {within: [dog]}", "dog → dog", "within one another", "out"),
        ("dog: [", "my-categories.yaml", "not YAML", "indentation"),
        ("dog: {synonyms: [2026-13-45]}", "my-categories.yaml", "line 1: there is no such date", "quotes"),
        ("- dog", "my-categories.yaml", "must hold categories' keys", "docs/categories.md"),
        ("Dog: {}", "Dog", "small letters", "docs/categories.md"),
        ("7: {}", "7", "small letters", "docs/categories.md"),
        ("dog: beagle", "dog", "not 'beagle'", "docs/categories.md"),
        ("dog: {includes: beagle}", "dog", "includes: must be a valid list", "docs/categories.md"),
        (
            "dog: {synonyms: [no]}",
            "dog",
            "synonyms, first entry: must be text, not False",
            "docs/categories.md",
        ),
        ("dog: {include: [beagle]}", "dog", "did you mean 'includes'?", "docs/categories.md"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_key_and_what_to_do(
    tmp_path: Path, text: str, where: str, what: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert refused.value.where.endswith(where)
    assert refused.value.where.startswith(str(tmp_path))
    assert what in refused.value.what
    assert hint in refused.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        categories.load(tmp_path / "my-categories.yaml")


def test_a_category_may_be_called_as_a_class_in_it(tmp_path: Path) -> None:
    assert named(loaded(tmp_path, "jeep: {includes: [jeep, half track]}"), "jeep") == {"jeep", "half track"}


class TestSha256:
    shipped = TestShipped.found.taxonomy(IMAGENET).sha256

    @pytest.mark.parametrize(
        "text", ["dog: {includes: [timber wolf]}", "dog: {excludes: [dingo]}", "dog: null"]
    )
    def test_changes_with_what_is_in_a_category(self, tmp_path: Path, text: str) -> None:
        assert loaded(tmp_path, text).taxonomy(IMAGENET).sha256 != self.shipped

    @pytest.mark.parametrize(
        "text", ["dog: {name: hound, name_zh: 汪, synonyms: [doggo]}", "dog: {includes: [pug]}"]
    )
    def test_stays_with_new_names(self, tmp_path: Path, text: str) -> None:
        assert loaded(tmp_path, text).taxonomy(IMAGENET).sha256 == self.shipped

    def test_is_of_the_models_own_classes(self, tmp_path: Path) -> None:
        without_wolves = [label for label in IMAGENET if label.name != "timber wolf"]
        found = loaded(tmp_path, "dog: {includes: [timber wolf]}").taxonomy(without_wolves)
        assert found.sha256 == TestShipped.found.taxonomy(without_wolves).sha256


class TestScores:
    labels = labels.read(BUILTIN / "resnet18-builtin.json").labels
    found = TestShipped.found
    matrix = found.matrix(labels)

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1, width=32), min_size=len(labels), max_size=len(labels)))
    def test_a_category_has_the_sum_of_its_classes_and_no_less_than_a_part(self, given: list[float]) -> None:
        row = np.array(given, np.float32) / max(sum(given), 1)
        scores = dict(zip((one.key for one in self.found.categories), row @ self.matrix, strict=True))
        for key, members in self.found.members.items():
            own = sum(float(p) for p, label in zip(row, self.labels, strict=True) if label.key in members)
            assert scores[key] == pytest.approx(own, abs=1e-5)
        for one in self.found.categories:
            for parent in one.within:
                assert scores[parent] >= scores[one.key] - 1e-5

    def test_a_class_counts_once_in_a_category_that_has_it_twice(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, "animal: {includes: [beagle, dog, n02088364]}")
        assert set(np.unique(found.matrix(IMAGENET))) == {0, 1}
