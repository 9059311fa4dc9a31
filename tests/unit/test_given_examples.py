"""Examples are given in folders, by queries, or in a YAML file, and what cannot be meant is refused in words."""

from pathlib import Path

import numpy as np
import pytest

from tagger.errors import ConfigError
from tagger.similar.suggest import chosen, doubts
from tagger.teach import given


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "examples.yaml"


def test_a_file_names_folders_and_queries(file: Path) -> None:
    file.write_text(
        "battle: shots/battle\n"
        "main city: {zh: 主城, from: [/a, b.png], query: 'path:**/city/**'}\n"
        "none: {query: ['path:**/menu/**', 'is:flat']}\n",
        encoding="utf-8",
    )
    read = given.of_file(file)
    assert read.labels == ["battle", "main city", "none"]
    assert [*read.paths["battle"]] == [file.parent / "shots/battle"]
    assert [*read.paths["main city"]] == [Path("/a"), file.parent / "b.png"]
    assert [*read.queries["none"]] == ["path:**/menu/**", "is:flat"]
    assert read.names_zh == {"main city": "主城"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "labels"),
        ("[battle]", "labels"),
        ("battle: {folder: x}", "battle: folder: no such key"),
        ("battle: 7", "battle"),
        ("a/b: x", "has no /"),
        ("unsure: x", "should look at"),
        ("battle: [", "is not YAML"),
        ("no: x", "put quotes around it"),
    ],
)
def test_a_file_that_cannot_be_meant_so_is_refused(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        given.of_file(file)
    assert words in str(refused.value)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        given.of_file(file)


def test_a_query_may_have_any_signs(file: Path) -> None:
    read = given.of_queries(["battle=score >= 0.5", "battle=is:night", " main  city = cat"])
    assert {label: [*its] for label, its in read.queries.items()} == {
        "battle": ["score >= 0.5", "is:night"],
        "main city": [" cat"],
    }


@pytest.mark.parametrize("option", ["battle", "battle=", "=cat", "battle= "])
def test_a_label_without_a_query_is_refused(option: str) -> None:
    with pytest.raises(ConfigError):
        given.of_queries([option])


def test_what_is_given_in_several_ways_comes_together(tmp_path: Path) -> None:
    (tmp_path / "battle").mkdir()
    both = given.of_folder(tmp_path) + given.of_queries(["battle=cat", "city=dog"])
    assert both.labels == ["battle", "city"]


def test_pictures_are_found_below_folders_and_dotfiles_are_not(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", ".c.png", "text.txt", "in/d.webp", ".trash/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = given.pictures([tmp_path], {".png", ".jpg", ".webp"})
    assert [one.relative_to(tmp_path).as_posix() for one in found] == ["a.JPG", "b.png", "in/d.webp"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        list(given.pictures([tmp_path / "nowhere"], {".png"}))


def test_pictures_between_two_labels_are_the_most_in_doubt() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.5, 0.45, 0.05], [0.3, 0.0, 0.7]], np.float32)
    assert doubts(scores, any_=False).argsort().tolist() == [0, 2, 1]
    assert doubts(np.array([[0.9, 0.5], [0.9, 0.1]], np.float32), any_=True).argmax() == 0


def test_pictures_that_are_like_one_another_or_known_are_asked_for_last() -> None:
    east, near_east, north, west = (1.0, 0.0), (0.99, 0.14), (0.0, 1.0), (-1.0, 0.0)
    pictures = np.array([east, near_east, north, west], np.float32)
    doubt = np.array([0.9, 0.89, 0.8, 0.7], np.float32)
    known = np.array([west], np.float32)
    assert list(chosen(doubt, pictures, known, 3))[:2] == [0, 2]
    assert list(chosen(doubt, pictures, known, 9))[-1] == 3
    assert list(chosen(doubt, pictures, known[:0], 1)) == [0]
