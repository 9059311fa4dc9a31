"""The three uses of docs/heads.md, on real pictures: examples of some, and how the others are labelled."""

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import rows, tagger

pytestmark = pytest.mark.long

EXAMPLES, OTHERS = 20, 15
FOREIGN = "rooms/frontal"
"""Houses from outside, which show none of the labels."""


@pytest.fixture
def sets() -> Path:
    folder = os.environ.get("TAGGER_SETS")
    if not folder:
        pytest.skip("TAGGER_SETS names no folder of labelled pictures")
    return Path(folder)


def laid_out(home: Path, sets: Path, labels: dict[str, list[str]], foreign: str = FOREIGN) -> None:
    """Copy examples of each label into a folder of its own, and others into the library, where each one's name tells its label."""
    for label, folders in labels.items():
        for folder in folders:
            spread(home, sorted((sets / folder).iterdir()), label)
    for number, file in enumerate(sorted((sets / foreign).iterdir())):
        copy(file, home / "inbox" / f"none-{number}{file.suffix}")
    (home / "config.yaml").write_text(
        "sources: [{path: inbox, crop: squash}]\ndatabase: tags.db\nheads: [own]\n"
    )


def spread(home: Path, files: list[Path], label: str) -> None:
    """Copy pictures that lie apart, since neighbours are alike: four of seven are examples."""
    step = max(len(files) // (EXAMPLES + OTHERS), 1)
    for at, file in enumerate(files[::step][: EXAMPLES + OTHERS]):
        if at % 7 < 4:
            copy(file, home / "examples" / label / f"{file.parent.name}-{file.name}")
        else:
            copy(file, home / "inbox" / f"{label}-{file.parent.name}-{file.name}")


def copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)


def run(home: Path, *arguments: object) -> str:
    said = tagger(home, *arguments, "--config", home / "config.yaml", TAGGER_ENGINE__BACKEND="auto")
    assert said.returncode == 0, said.stderr
    return said.stdout


def taught(home: Path, *arguments: object) -> str:
    """Tag the library, teach the head, and have it label what is there."""
    run(home, "scan")
    said = run(home, "teach", "own", "--from", home / "examples", *arguments)
    run(home, "scan")
    return said


def right(home: Path, known: bool, column: str = "label") -> float:
    """Return the part of the library's pictures that got their label, of those that have one or of those that show none."""
    found = [
        (Path(path).name.partition("-")[0], said)
        for path, said in rows(home / "tags.db", f"SELECT path, {column} FROM head_tags WHERE head = 'own'")  # noqa: S608
    ]
    wanted = [str(true) == str(said) for true, said in found if (true != "none") == known]
    return sum(wanted) / len(wanted)


def test_games_are_told_apart_and_from_other_pictures(tmp_path: Path, sets: Path) -> None:
    games = {
        one.name.replace("-", " "): [f"game-titles/{one.name}"] for one in (sets / "game-titles").iterdir()
    }
    laid_out(tmp_path, sets, games)
    taught(tmp_path)
    assert right(tmp_path, known=True) >= 0.85  # of a library of which six in ten have a label
    assert right(tmp_path, known=False) >= 0.9


def test_cameras_learn_day_and_night(tmp_path: Path, sets: Path) -> None:
    laid_out(tmp_path, sets, {"day": ["daynight/day"], "night": ["daynight/night"]}, foreign="kind/document")
    taught(tmp_path)
    assert right(tmp_path, known=True) >= 0.9


def test_what_must_not_be_missed_is_flagged_or_unsure(tmp_path: Path, sets: Path) -> None:
    weapons = [f"weapons/{one.name}" for one in (sets / "weapons").iterdir() if one.name != "no_weapon"]
    laid_out(tmp_path, sets, {"reject": weapons}, foreign="weapons/no_weapon")
    said = taught(tmp_path, "--recall", "reject=0.95")
    assert "of 95% wanted" in said
    found = rows(tmp_path / "tags.db", "SELECT path, state FROM head_tags WHERE head = 'own'")
    missed = [path for path, state in found if "reject-" in path and state == "clear"]
    assert len(missed) <= 0.15 * sum("reject-" in path for path, _ in found)
    assert {state for _, state in found} <= {"flagged", "unsure", "clear"}
