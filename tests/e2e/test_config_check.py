"""`tagger config check` on what a config names besides folders: categories, thresholds, labels of one's own weights."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tagger.vision.models import BUILTIN
from tests.allowed import NO_PRIVILEGES, needs
from tests.e2e.command import TAGGER, environment, tagger


def config(home: Path, text: str) -> Path:
    file = home / "config.yaml"
    file.write_text(f"sources: [inbox]\n{text}")
    (home / "inbox").mkdir(exist_ok=True)
    return file


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ("pet: {includes: [dgo]}", ["pet.includes", "'dgo'", "did you mean 'dingo'?"]),
        ("a: {within: [b]}\nb: {within: [a]}", ["a", "b", "within one another"]),
        ("pet: {inclodes: [dog]}", ["pet", "inclodes"]),
        ("pet: {includes: dog}", ["pet", "includes", "list"]),
        ("pet: {name: pet}\nbird: null\npet: {name: pets}", ["'pet' is there twice", "line 3"]),
    ],
)
def test_a_category_file_that_cannot_be_used_is_refused_with_key_and_reason(
    tmp_path: Path, categories: str, said: list[str]
) -> None:
    (tmp_path / "own.yaml").write_text(categories)
    checked = tagger(tmp_path, "config", "check", "-c", config(tmp_path, "categories: own.yaml"))
    assert checked.returncode == 2
    assert all(word in checked.stderr for word in ["own.yaml", *said])


def test_a_category_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    checked = tagger(tmp_path, "config", "check", "-c", config(tmp_path, "categories: own.yaml"))
    assert checked.returncode == 2
    assert str(tmp_path / "own.yaml") in checked.stderr


@needs(NO_PRIVILEGES)
def test_whoever_may_not_read_a_config_is_told_who_may(tmp_path: Path) -> None:
    config(tmp_path, "").chmod(0)
    done = subprocess.run(
        [*NO_PRIVILEGES, TAGGER, "status", "--config", tmp_path / "config.yaml"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "config.yaml: you may not read it" in done.stderr
    assert "join" in done.stderr


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "much"])
def test_a_threshold_outside_0_to_1_is_refused(tmp_path: Path, threshold: str) -> None:
    checked = tagger(
        tmp_path, "config", "check", "-c", config(tmp_path, f"search: {{min_score: {threshold}}}")
    )
    assert checked.returncode == 2
    assert "search.min_score" in checked.stderr


def test_labels_that_are_not_as_many_as_the_classes_are_refused(tmp_path: Path) -> None:
    shutil.copy(BUILTIN / "resnet18-builtin.safetensors", tmp_path / "own.safetensors")
    (tmp_path / "own.json").write_text(json.dumps([f"thing {number}" for number in range(276)]))
    file = config(tmp_path, "model: {name: resnet18, weights: own.safetensors}")
    checked = tagger(tmp_path, "config", "check", "-c", file, TAGGER_ENGINE__BACKEND="openvino")
    assert checked.returncode == 3
    assert all(
        word in checked.stderr for word in ("own.safetensors", "277 classes, but 276 labels", "own.json")
    )


def test_a_key_that_is_there_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    checked = tagger(tmp_path, "config", "check", "-c", config(tmp_path, "rescan: 5\nrescan: 6"))
    assert checked.returncode == 2
    assert all(words in checked.stderr for words in ("'rescan' is there twice", "line 3"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model:\n\ttop_k: 3", ["line 3: it begins with a tab", "use spaces, not tabs"]),
        ("model: 'auto", ["line 2: a bracket or a quote is never closed"]),
        (
            "model:\n  top_k: 3\n top_k: 4",
            ["line 4: it is indented otherwise than the lines that it belongs to"],
        ),
        ("rescan: 5: 6", ["line 2: no key can stand here: is it indented right", "check the indentation"]),
        (
            "rescan: [5",
            ["line 2: a bracket or a quote is never closed", "check the indentation, quotes and brackets"],
        ),
        ("rescan: 5\nrescan: 6", ["line 3: 'rescan' is there twice", "keep one of the two"]),
        ("rescan: \x01", ["special characters are not allowed"]),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_what_is_no_yaml_is_told_with_its_file_and_line(
    tmp_path: Path, text: str, said: list[str], own: bool
) -> None:
    file = config(tmp_path, "categories: own.yaml" if own else text)
    (tmp_path / "own.yaml").write_text(f"# mine\n{text}")
    checked = tagger(tmp_path, "config", "check", "-c", file)
    assert checked.returncode == 2
    assert "unicode string" not in checked.stderr
    assert all(words in checked.stderr for words in ("own.yaml" if own else "config.yaml", *said))


def test_a_mistake_in_a_list_is_told_by_the_entry_that_has_it(tmp_path: Path) -> None:
    file = config(tmp_path, "")
    file.write_text("sources: [inbox, {path: b, path_pattern: '[a'}]")
    checked = tagger(tmp_path, "config", "check", "-c", file)
    assert "sources, second entry, path_pattern: '[a'" in checked.stderr
