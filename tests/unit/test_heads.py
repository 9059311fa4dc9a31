"""A head and its files: what it says of features, and what is refused of files that are damaged or foreign."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tagger.errors import ConfigError, ModelError
from tagger.heads import files, light
from tagger.heads.head import Fit, Head
from tagger.heads.names import check_head, check_label
from tagger.records import Features, Health, ModelIdentity

REFUSED = r"scene\.json.*\n.*tagger teach scene"
MODEL = ModelIdentity("fake", "0" * 64, "center")


def made(any_: bool = False, **changed: object) -> Head:
    """Return a head of two labels, each of which lies along one of three features."""
    weights = np.array([[9, 0], [0, 9], [0, 0]] if any_ else [[9, 0, 0], [0, 9, 0], [0, 0, 9]], np.float32)
    bias = np.full(2, -4.5, np.float32) if any_ else np.zeros(3, np.float32)
    fit = Fit(MODEL, weights, bias, (0.5, 0.5), (0.5, 0.5))
    values = {"name": "scene", "labels": ("battle", "main city"), "any": any_, "fits": (fit,)}
    return Head(**{**values, "learned_at": datetime(2026, 1, 2, tzinfo=UTC), **changed})  # type: ignore[arg-type]


def said(head: Head, *vector: float) -> list[str]:
    (tags,) = head.tags(head.fits[0], np.array([vector], np.float32))
    return [tag.label for tag in tags]


def test_a_picture_has_the_label_that_its_features_are_like_or_none() -> None:
    head = made()
    assert said(head, 1, 0, 0) == ["battle"]
    assert said(head, 0, 1, 0) == ["main city"]
    assert said(head, 0, 0, 1) == ["none"]
    assert said(head, 0.6, 0.55, 0.6) == ["none"]


def test_a_head_goes_by_light_where_it_learned_to() -> None:
    vector = light.lit(Features(np.ones(3, np.float16).tobytes(), b"", 0), Health(0.85, 0.2, 0.29, 40, False))
    numbers = np.frombuffer(vector, np.float16)
    assert list(numbers[:3]) == [1, 1, 1]
    assert numbers[3] == pytest.approx(2, abs=0.01), "brighter than is usual by two deviations"
    assert list(numbers[4:]) == [0, 0, 0, 0], "as usual, and not known"
    for width, read in ((3, vector[:6]), (8, vector), (4, b"")):
        fit = Fit(MODEL, np.zeros((width, 3), np.float32), np.zeros(3, np.float32), (0.5, 0.5), (0.5, 0.5))
        assert fit.reads(vector) == read


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_light_that_is_no_number_is_bounded(number: float) -> None:
    numbers = np.frombuffer(light.with_light(b"\0\0", [number] * 5), np.float16)
    assert np.isfinite(numbers).all() and np.abs(numbers).max() <= 3


def test_a_head_of_any_labels_gives_as_many_as_there_are() -> None:
    head = made(any_=True)
    assert said(head, 1, 0.8, 0) == ["battle", "main city"]
    assert said(head, 0, 0.8, 0) == ["main city"]
    assert said(head, 0, 0, 1) == ["none"]


def test_a_label_that_must_not_be_missed_comes_before_a_better_one_and_is_unsure_between_its_thresholds() -> (
    None
):
    fit = Fit(MODEL, np.eye(3, dtype=np.float32) * 2, np.zeros(3, np.float32), (0.3, 0.4), (0.2, 0.4))
    head = made(fits=(fit,), recalls={"battle": 0.98})
    assert said(head, 0.5, 0.8, 0) == ["battle"]
    assert said(head, 0, 0, 1) == ["none"]
    assert said(head, 0.4, 0, 1) == ["unsure"]


def test_a_doubt_about_a_label_that_must_not_be_missed_comes_before_a_label_that_is_sure() -> None:
    fit = Fit(MODEL, np.eye(3, dtype=np.float32) * 2, np.zeros(3, np.float32), (0.5, 0.5), (0.1, 0.5))
    assert said(made(fits=(fit,), recalls={"battle": 0.98}), 0, 0.9, 0) == ["unsure"]
    numbers = np.eye(3, 2, dtype=np.float32) * 9, np.full(2, -4.5, np.float32)
    both = Fit(MODEL, *numbers, (0.6, 0.5), (0.1, 0.5))
    assert said(made(any_=True, fits=(both,), recalls={"battle": 0.98}), 0.4, 0.9, 0) == [
        "unsure",
        "main city",
    ]


def test_a_head_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    files.write(
        tmp_path, made(names_zh={"battle": "战斗"}, examples={"battle": ["ab"]}, report={"accuracy": 0.9})
    )
    head = files.read(tmp_path, "scene")
    assert head is not None
    assert head.label("battle").name_zh == "战斗"
    assert head.report == {"accuracy": 0.9}
    assert head.tags(head.fits[0], np.eye(3, dtype=np.float32)) == made().tags(
        made().fits[0], np.eye(3, dtype=np.float32)
    )
    assert len(head.sha256) == 64


def test_there_is_no_head_where_none_was_learned(tmp_path: Path) -> None:
    assert files.read(tmp_path, "scene") is None


def _lengthen(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(10**12)


def _link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "the text ends early": lambda text, _: text.write_bytes(text.read_bytes()[:100]),
    "the numbers end early": lambda _, numbers: numbers.write_bytes(numbers.read_bytes()[:-1]),
    "no numbers": lambda _, numbers: numbers.unlink(),
    "other numbers": lambda _, numbers: numbers.write_bytes(
        save({"0.weights": np.zeros((3, 3), np.float32)})
    ),
    "another name": lambda text, _: text.write_text(
        json.dumps(json.loads(text.read_text()) | {"name": "mood"})
    ),
    "a device": lambda _, numbers: _link(numbers),
    "a terabyte": lambda _, numbers: _lengthen(numbers),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_files_are_refused_by_name(tmp_path: Path, damage: str) -> None:
    files.write(tmp_path, made())
    DAMAGES[damage](tmp_path / "scene.json", tmp_path / "scene.safetensors")
    with pytest.raises(ModelError, match=REFUSED):
        files.read(tmp_path, "scene")


def test_numbers_that_are_none_or_are_of_other_labels_are_refused(tmp_path: Path) -> None:
    good = made().fits[0]
    for head in (made(fits=(replace(good, weights=good.weights * np.nan),)), made(labels=("a", "b", "c"))):
        files.write(tmp_path, head)
        with pytest.raises(ModelError, match=REFUSED):
            files.read(tmp_path, "scene")


@pytest.mark.parametrize("name", ["", "Scene", "1st", "is", "none", "a b", "场景", "a" * 61])
def test_heads_that_cannot_be_asked_for_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check_head(name)


@pytest.mark.parametrize("name", ["", "  ", "a/b", 'say "x"', "a\nb\0", "x" * 61])
def test_labels_that_could_not_be_searched_for_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check_label(name)


def test_labels_may_be_in_any_language_and_of_several_words() -> None:
    assert check_label(" 主城 ") == "主城"
    assert check_label("main   city") == "main city"
