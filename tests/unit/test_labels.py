"""Label identities and names."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tagger.errors import ModelError
from tagger.records import Label
from tagger.vision import labels
from tagger.vision.models import BUILTIN

GOLDFISH = Label("n01443537", "goldfish", "金鱼")


def written(folder: Path, document: object) -> Path:
    path = folder / "zoo.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_imagenet_has_a_thousand_labels_each_with_a_name_in_both_languages() -> None:
    found = labels.imagenet()
    assert len({label.key for label in found}) == len(found) == 1000
    assert [label for label in found if not (label.name and label.name_zh)] == []
    assert [label.name_zh for label in found if not any("一" <= c <= "鿿" for c in label.name_zh)] == []


@pytest.mark.parametrize("field", ["name", "name_zh"])
def test_names_differ_even_without_case(field: str) -> None:
    names = Counter(getattr(label, field).casefold() for label in labels.imagenet())
    assert [name for name, n in names.items() if n > 1] == []


def test_no_synonym_is_the_name_of_another_class() -> None:
    names = {name.casefold() for label in labels.imagenet() for name in (label.name, label.name_zh)}
    assert [
        (label.name, word)
        for label in labels.imagenet()
        for word in label.synonyms
        if word.casefold() in names
    ] == []


def test_no_class_has_a_synonym_twice() -> None:
    for label in labels.imagenet():
        words = [word.casefold() for word in label.synonyms]
        assert len(set(words)) == len(words), label.name


def test_the_table_is_in_class_order() -> None:
    found = labels.imagenet()
    assert (found[0].name, found[1], found[999].name) == ("tench", GOLDFISH, "toilet tissue")
    keys = [label.key for label in found]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("key", "name", "name_zh"),
    [
        ("n02012849", "crane (bird)", "鹤"),
        ("n03126707", "crane (machine)", "起重机"),
        ("n01847000", "drake", "公鸭"),
        ("n03793489", "mouse", "鼠标"),
        ("n03250847", "drumstick", "鼓槌"),
        ("n03954731", "plane", "刨子"),
        ("n09193705", "alp", "高山"),
        ("n07579787", "plate", "盘装主菜"),
    ],
)
def test_an_ambiguous_name_is_of_the_right_sense_in_chinese(key: str, name: str, name_zh: str) -> None:
    (label,) = (label for label in labels.imagenet() if label.key == key)
    assert (label.name, label.name_zh) == (name, name_zh)


def test_synonyms_are_in_both_languages() -> None:
    (shark,) = (label for label in labels.imagenet() if label.name == "great white shark")
    assert {"white shark", "噬人鲨"} <= set(shark.synonyms)


def test_two_classes_of_one_name_carry_their_sense() -> None:
    names = {label.name for label in labels.imagenet()}
    assert {"crane (bird)", "crane (machine)", "Cardigan (dog)", "cardigan (garment)"} <= names
    assert not {"crane", "cardigan", "Cardigan", "maillot"} & names


def test_the_built_in_classes_are_imagenets_own() -> None:
    builtin = labels.read(BUILTIN / "resnet18-builtin.json").labels
    assert len(builtin) == 277
    assert GOLDFISH in builtin
    assert set(builtin) <= set(labels.imagenet())


def test_own_labels_are_keyed_by_the_weights_file(tmp_path: Path) -> None:
    found = labels.read(written(tmp_path, ["okapi", "quoll"])).labels
    assert found == (Label("zoo/okapi", "okapi"), Label("zoo/quoll", "quoll"))


def test_an_own_label_with_a_wordnet_id_is_the_class_of_that_id(tmp_path: Path) -> None:
    document = {"classes": [{"name": "my fish", "wnid": "n01443537"}, {"name": "okapi", "wnid": "n02432511"}]}
    assert labels.read(written(tmp_path, document)).labels == (GOLDFISH, Label("n02432511", "okapi"))


def test_an_own_label_does_not_take_a_name_of_imagenets(tmp_path: Path) -> None:
    found = labels.read(written(tmp_path, ["Goldfish"])).labels
    assert found == (Label("zoo/Goldfish", "Goldfish (zoo)"),)


def test_own_preprocessing_is_read(tmp_path: Path) -> None:
    given = {"resize": 64, "crop": 60, "interpolation": "bicubic", "mean": [0, 0, 0], "std": [1, 1, 1]}
    found = labels.read(written(tmp_path, {"classes": ["okapi"], "preprocessing": given})).preprocessing
    assert str(found) == "resize=64 crop=60 bicubic mean=0.0,0.0,0.0 std=1.0,1.0,1.0"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(["okapi", "Okapi"], "two classes are called 'okapi'", id="one name twice"),
        pytest.param({"names": ["okapi"]}, "classes: Field required", id="another key"),
        pytest.param({"classes": []}, "classes", id="no class"),
        pytest.param([1, 2], "no labels", id="numbers"),
        pytest.param("okapi", "no labels", id="a word"),
        pytest.param(
            {"classes": ["okapi"], "preprocessing": {"resize": 64}}, "crop", id="half a preprocessing"
        ),
    ],
)
def test_what_is_no_list_of_labels_is_refused_in_a_sentence(
    tmp_path: Path, document: object, said: str
) -> None:
    path = written(tmp_path, document)
    with pytest.raises(ModelError) as refused:
        labels.read(path)
    assert refused.value.where == str(path)
    assert said in refused.value.what
    assert refused.value.hint


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zoo.json"
    path.write_text("okapi, quoll")
    with pytest.raises(ModelError, match="Invalid JSON"):
        labels.read(path)
