"""People correct tags, and models change, with the command as it is used."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.command import restored, rows, tagger

pytestmark = pytest.mark.long

COLOURS = {"red.png": (255, 0, 0), "blue.png": (0, 0, 255), "white.png": (255, 255, 255)}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home with three pictures that were tagged, and a copy of it."""
    folder = tmp_path_factory.mktemp("scanned")
    home, kept = folder / "home", folder / "kept"
    (home / "inbox").mkdir(parents=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 48), colour).save(home / "inbox" / name)
    (home / "config.yaml").write_text("sources: [inbox]\ndatabase: tags.db\n")
    assert run(home, "scan").returncode == 0
    shutil.copytree(home, kept)
    return home, kept


@pytest.fixture
def home(scanned: tuple[Path, Path]) -> Path:
    """With three pictures that were tagged."""
    return restored(*scanned)


def run(home: Path, *arguments: object):  # type: ignore[no-untyped-def]
    return tagger(home, *arguments, "--config", home / "config.yaml")


def best(home: Path) -> dict[str, str]:
    found = rows(home / "tags.db", "SELECT path, label FROM top_tag")
    return {Path(path).name: label for path, label in found}


def test_a_corrected_picture_is_found_by_what_it_is_and_not_by_what_it_is_not(home: Path) -> None:
    said = run(home, "label", home / "inbox/red.png", "--add", "blue", "--remove", "red")
    assert (said.returncode, said.stdout) == (0, "1 picture has other tags now\n")
    assert "red.png" in run(home, "search", "blue").stdout
    assert run(home, "search", "red").stdout == ""
    assert rows(home / "tags.db", "SELECT label FROM image_tags WHERE by = 'human'") == [("blue",)]


def test_copies_that_change_too_are_told_of(home: Path) -> None:
    for number in (1, 2):
        (home / f"inbox/copy{number}.png").write_bytes((home / "inbox/red.png").read_bytes())
        run(home, "scan")
        its = "its copy" if number == 1 else "its 2 copies"
        said = run(home, "label", home / "inbox/red.png", "--add" if number == 1 else "--clear", "blue")
        assert said.stdout == f"1 picture and {its} have other tags now\n"
    both = (home / "inbox/copy1.png", home / "inbox/blue.png")
    assert (
        run(home, "label", *both, "--add", "green").stdout == "2 pictures and 2 copies have other tags now\n"
    )


def test_it_stays_when_everything_is_tagged_anew(home: Path) -> None:
    run(home, "label", home / "inbox/red.png", "--remove", "red")
    before = best(home)
    assert run(home, "retag").stdout == "3 pictures are tagged anew\n"
    assert "3 new, 3 tagged" in run(home, "scan").stdout
    assert best(home) == before
    run(home, "label", home / "inbox/red.png", "--clear", "red")
    assert best(home)["red.png"] == "red"


def test_a_threshold_applies_in_views_and_searches(home: Path) -> None:
    (home / "config.yaml").write_text("sources: [inbox]\ndatabase: tags.db\nthresholds: {red: 1.0}\n")
    run(home, "scan")
    assert run(home, "search", "red").stdout == ""
    assert "red.png" in run(home, "search", "red >= 0.5").stdout
    assert rows(home / "tags.db", "SELECT * FROM image_tags WHERE label = 'red'") == []
    assert best(home)["red.png"] == "red"


def test_a_threshold_for_what_is_not_known_is_refused_with_key_and_reason(home: Path) -> None:
    (home / "config.yaml").write_text("sources: [inbox]\nthresholds: {rad: 0.5}\n")
    for command in (("config", "check"), ("scan",)):
        said = run(home, *command)
        assert said.returncode == 2
        assert "thresholds.rad" in said.stderr
        assert "no label or category has this name" in said.stderr


def test_a_threshold_is_between_0_and_1(home: Path) -> None:
    (home / "config.yaml").write_text("sources: [inbox]\nthresholds: {red: 1.5}\n")
    said = run(home, "config", "check")
    assert said.returncode == 2
    assert "thresholds.red" in said.stderr


def test_calibration_says_how_often_a_label_is_right_and_what_follows(home: Path) -> None:
    assert "no verdicts yet" in run(home, "calibrate").stdout
    for name in ("red.png", "blue.png"):
        run(home, "label", home / "inbox" / name, "--add", "red")
    said = run(home, "calibrate", "--at-least", 1, "--json").stdout
    assert '"label": "red"' in said
    assert '"verdicts": 2' in said
    assert 'thresholds:\n  "red": ' in run(home, "calibrate", "--at-least", 1).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["red.png"], "what is right?"),
        (["red.png", "--add", "rad"], "no label has this name"),
        (["red.png", "--add", "red", "--remove", "red"], "is named more than once"),
        (["none.png", "--add", "red"], "there are no tags of this file"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(home: Path, arguments: list[str], said: str) -> None:
    name, *others = arguments
    refused = run(home, "label", home / "inbox" / name, *others)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_a_model_does_not_differ_from_itself_and_one_that_is_not_here_is_named(home: Path) -> None:
    same = run(home, "models", "diff", "resnet18", "resnet18", "--sample", 2)
    assert "2 pictures: the same best label on 100.0%" in same.stdout
    other = run(home, "models", "diff", "resnet18", "resnet50")
    assert other.returncode == 3
    assert "tagger models fetch resnet50" in other.stderr
