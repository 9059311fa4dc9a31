"""What markers leave out, of folders that hold them."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tagger.config.sources import Source
from tagger.ingest.filters import Filters
from tagger.ingest.markers import LARGEST, MOST_PATTERNS, Markers
from tagger.ingest.scan import walk
from tagger.ingest.settle import Settling, look_beneath
from tagger.records import Origin, Sighting

NAMES = (
    "a.png",
    "b.png",
    "raw/a.png",
    "raw/x/b.png",
    "raw/x/c [1].png",
    "x/raw/a.png",
    "x/raw.png",
    "x/y/z/a.png",
    "#a.png",
    "!a.png",
    "äb.png",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(root: Path, *markers: str, folder: str = "") -> set[str]:
    source = Source(path=root, name="pics", markers=markers)
    start = str(root / folder) if folder else None
    stamps = {
        stamp.path for page in walk(source, Filters([source], {".png"}), folder=start) for stamp in page
    }
    assert not any(Markers(source).leave_out(path, is_folder=False) for path in stamps)
    return {os.path.relpath(path, root) for path in stamps}


def test_a_marker_is_a_file_like_any_other_where_none_is_asked_for(root: Path) -> None:
    (root / "raw/.nomedia").touch()
    assert found(root) == set(NAMES)
    assert found(root, ".noimage") == set(NAMES)


@pytest.mark.parametrize("text", ["", "\n", " \n\t"])
def test_a_folder_that_holds_a_marker_is_left_out_with_all_in_it(root: Path, text: str) -> None:
    (root / "raw/.nomedia").write_text(text)
    rest = {name for name in NAMES if not name.startswith("raw/")}
    assert found(root, ".noimage", ".nomedia") == rest
    assert found(root, ".nomedia", folder="raw/x") == set()
    assert Markers(Source(path=root, markers=(".nomedia",))).leave_out(f"{root}/raw/x/b.png", is_folder=False)
    (root / "raw/.nomedia").unlink()
    assert found(root, ".nomedia") == set(NAMES)


def test_a_marker_in_the_source_s_own_folder_counts(root: Path) -> None:
    (root / ".nomedia").touch()
    assert found(root, ".nomedia") == set()


@pytest.mark.parametrize("what", ["link", "pipe", "large", "many", "unreadable pattern"])
def test_a_marker_that_tells_nothing_leaves_all_out(root: Path, what: str) -> None:
    marker = root / "raw/.ignore"
    match what:
        case "link":
            marker.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(marker)
        case "large":
            marker.write_text("#" * (LARGEST + 1))
        case "many":
            marker.write_text("c.png\n" * (MOST_PATTERNS + 1))
        case _:
            marker.write_text("[z-a]\n")
    assert found(root, ".ignore") == {name for name in NAMES if not name.startswith("raw/")}


PATTERNS = (
    "raw",
    "raw/",
    "/raw",
    "/raw/",
    "x/raw",
    "raw/**",
    "**/raw/**",
    "**/z/*.png",
    "*.png\n!a.png",
    "raw/\n!raw/a.png",
    "*\n!*/\n!a.png",
    "/a.png",
    "?.png",
    "[ab].png",
    "[!a].png",
    "[^a].png",
    "c \\[1\\].png",
    "\\#a.png",
    "\\!a.png",
    "# raw\n\nb.png   \n",
    "x/**/a.png",
    "x/*/a.png",
    "A.png",
    "äb.png",
    "r*w",
    "raw.png/",
    "**",
    "a.png\r\nb.png\r\n",
    "b.png\t",
    "x\u2028.png",
    "/",
    "!",
    "r**w",
)


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
@pytest.mark.parametrize("text", PATTERNS)
@pytest.mark.parametrize("place", ["", "x"])
def test_patterns_mean_what_they_mean_to_git(root: Path, text: str, place: str) -> None:
    (root / place / ".gitignore").write_text(text, newline="")
    git = ["git", "-C", str(root), "-c", "core.quotePath=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    command = [*git, "ls-files", "--others", "--exclude-standard", "-z", "*.png"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(root / ".git")
    assert found(root, ".gitignore") == set(listed.split("\0")) - {""}


def test_an_inner_marker_takes_back_what_an_outer_one_leaves_out(root: Path) -> None:
    (root / ".ignore").write_text("a.png\n")
    (root / "raw/.ignore").write_text("!a.png\n")
    assert found(root, ".ignore") == set(NAMES) - {"a.png", "x/raw/a.png", "x/y/z/a.png"}


def test_no_pattern_takes_long(root: Path) -> None:
    (root / ("a" * 200 + ".png")).touch()
    (root / ".ignore").write_text("*a" * 500 + "b.jpg\n")
    assert len(found(root, ".ignore")) == len(NAMES) + 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/x"])
def test_a_marker_is_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must be the name of a file"):
        Source(path=tmp_path, markers=(name,))


def test_a_picture_that_was_seen_in_a_marked_folder_does_not_settle(root: Path) -> None:
    (root / "raw/.nomedia").touch()
    held = Settling({"pics": 0.5}, partial(look_beneath, {"pics": Source(path=root, markers=(".nomedia",))}))
    for name in ("raw/a.png", "raw/x", "a.png", "x"):
        held.add(Sighting(f"{root}/{name}", "pics", Origin.WATCH), 0)
    first, second = held.due(0), held.due(1)
    assert [stamp.path for stamp, _ in second.settled] == [f"{root}/a.png"]
    assert [folder.path for folder in first.folders] == [f"{root}/x"]
    assert len(held) == 0
