"""Moves of whatever names, times and depths there are, and of folders that take one another's place."""

import os
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tagger.host import mounts
from tagger.host.beneath import LONGEST
from tagger.ingest.filters import Filters
from tagger.ingest.scan import walk
from tagger.store.tags.moves import Moves
from tests.integration.moving import Site, drop
from tests.integration.shelf import sha

ODD = {
    "not UTF-8": "caf\udce9",
    "a line break": "two\nlines",
    "a leading dash": "-rf",
    "quotes": 'it\'s "quoted" \\ `so`',
    "emoji": "\N{DUCK}\N{ZERO WIDTH JOINER}\N{DUCK}",
    "right to left": "\N{RIGHT-TO-LEFT OVERRIDE}gnp",
    "wildcards": "%_*?[a]",
    "blanks": " a ",
    "255 bytes": "x" * 251,
    "decomposed": unicodedata.normalize("NFD", "Müller"),
}
FAT_TIMES = {"1980": 315_532_800, "2107": 4_354_819_198}
"""The first and last seconds that a memory card can tell."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, "")
    with closing(site.database):
        yield site


def move(site: Site, *moves: tuple[str, str]) -> None:
    """Rename folders below the source, scan, and read what is to be read."""
    for old, new in moves:
        (site.src / old).rename(site.src / new)
    site.scan()
    site.work()


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_folders_and_files_of_odd_names_keep_their_rows(site: Site, name: str) -> None:
    drop(site.src / f"a/{name}.png", "one")
    drop(site.src / f"a/{name}/2.png", "two")
    site.tag_all()
    before = site.rows
    move(site, ("a", name))
    assert site.rows == {path.replace("src/a", f"src/{name}", 1): seq for path, seq in before.items()}
    move(site, (name, "b"))
    assert site.rows == {path.replace("src/a", "src/b", 1): seq for path, seq in before.items()}
    assert site.read == []
    assert [move.old_path for move in site.moves if move.path.endswith("/2.png")] == [
        f"{site.src}/a/{name}/2.png",
        f"{site.src}/{name}/{name}/2.png",
    ]


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_a_file_that_gets_an_odd_name_is_known_by_its_content(site: Site, name: str) -> None:
    drop(site.src / "1.png")
    site.tag_all()
    before = site.rows
    move(site, ("1.png", f"{name}.png"))
    assert site.rows == {f"src/{name}.png": before["src/1.png"]}


def test_a_folder_whose_name_is_composed_otherwise_keeps_its_rows(site: Site) -> None:
    one, other = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    drop(site.src / one / "1.png")
    site.tag_all()
    before = site.rows
    move(site, (one, other))
    assert site.rows == {f"src/{other}/1.png": before[f"src/{one}/1.png"]}
    assert site.read == []


def test_a_folder_whose_name_changes_in_case_keeps_its_rows(site: Site) -> None:
    drop(site.src / "DCIM/1.png")
    site.tag_all()
    before = site.rows
    move(site, ("DCIM", "dcim"))
    assert site.rows == {"src/dcim/1.png": before["src/DCIM/1.png"]}
    assert site.read == []


def test_a_path_that_is_as_long_as_one_can_be_moves_as_any(site: Site) -> None:
    """Renamed so that it is too long it is left out, and told as missing."""
    path = _deep(site.src / "a", LONGEST)
    site.tag_all()
    before = site.rows
    assert before.keys() == {os.path.relpath(path, site.src.parent)}
    move(site, ("a", "b"))
    assert list(site.rows.values()) == list(before.values())
    assert site.read == []
    move(site, ("b", "longer"))
    assert len(site.moves) == 1
    move(site, ("longer", "c"))
    assert list(site.rows.values()) == list(before.values())


@pytest.mark.parametrize("time", FAT_TIMES.values(), ids=FAT_TIMES)
def test_files_of_the_first_and_last_times_keep_their_rows(site: Site, time: int) -> None:
    """Their folder is renamed, and then they are."""
    os.utime(drop(site.src / "a/1.png"), (time, time))
    site.tag_all()
    before = site.rows
    move(site, ("a", "b"))
    assert (site.rows, site.read) == ({"src/b/1.png": before["src/a/1.png"]}, [])
    move(site, ("b/1.png", "b/2.png"))
    assert site.rows == {"src/b/2.png": before["src/a/1.png"]}


def test_folders_that_rotate_keep_their_rows(site: Site) -> None:
    """Cameras name files by the time, and folders by how many days ago that was."""
    for day in (1, 2, 3):
        drop(site.src / f"day{day}/2024050{day}.png")
    site.tag_all()
    before = site.rows
    (site.src / "day3/20240503.png").unlink()
    (site.src / "day3").rmdir()
    (site.src / "day2").rename(site.src / "day3")
    (site.src / "day1").rename(site.src / "day2")
    drop(site.src / "day1/20240500.png")
    site.scan()
    site.work()
    after = site.rows
    assert after["src/day3/20240502.png"] == before["src/day2/20240502.png"]
    assert after["src/day2/20240501.png"] == before["src/day1/20240501.png"]
    assert site.read == ["20240500.png"]


@pytest.mark.parametrize("files", ["day{}/frame.png", "frame.{}.png"])
def test_what_rotates_onto_known_paths_has_the_tags_of_what_is_there(site: Site, files: str) -> None:
    """Where names repeat, another file is at each path: those changed, and nothing is there twice."""
    paths = [site.src / files.format(day) for day in range(1, 5)]
    for number, path in enumerate(paths[:3]):
        drop(path, "x" * (number + 1))
    site.tag_all()
    for old, new in zip(paths[2::-1], paths[:0:-1], strict=True):
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
    drop(paths[0], "x" * 9)
    site.scan()
    site.work()
    expected = {path: sha("x" * count) for path, count in zip(paths, (9, 1, 2, 3), strict=True)}
    assert site.contents == {os.path.relpath(path, site.src.parent): of for path, of in expected.items()}
    assert len(site.rows) == len(paths)


def test_two_folders_that_change_places_have_the_tags_of_what_is_there(site: Site) -> None:
    drop(site.src / "a/1.png", "one")
    drop(site.other / "a/1.png", "and another")
    site.tag_all()
    move(site, ("a", "../spare"), ("../other/a", "a"), ("../spare", "../other/a"))
    assert site.contents == {"src/a/1.png": sha("and another"), "other/a/1.png": sha("one")}


def test_a_move_that_was_cut_short_is_gone_on_with_by_the_next_scan(site: Site) -> None:
    """A process that dies between two pages has moved the rows of the first one."""
    for number in range(9):
        drop(site.src / f"a/{number}.png")
    site.tag_all()
    before = site.rows
    (site.src / "a").rename(site.src / "b")
    first = next(walk(site.sources[0], Filters(site.sources, {".png"}), page_size=4))
    Moves(site.queue, site.redates, site.reaches).follow(first)
    assert len(site.moves) == 4
    site.start()
    site.scan()
    site.work()
    assert site.rows == {path.replace("src/a", "src/b"): seq for path, seq in before.items()}
    assert site.read == []


def _deep(top: Path, length: int) -> Path:
    """A picture so deep that its path has so many bytes; the folders on the way are made one in another."""
    left = length - len(os.fsencode(top)) - len("/") - 100
    parts = ["d" * 255] * (left // 256) + ["e" * (left % 256 or 1)]
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for part in parts:
        os.mkdir(part, dir_fd=at)
        above, at = at, os.open(part, os.O_RDONLY, dir_fd=at)
        os.close(above)
    folder = "/".join((str(top), *parts))
    name = "n" * (length - len(folder) - len("/.png")) + ".png"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.utime(name, (1_700_000_000, 1_700_000_000), dir_fd=at)
    os.close(at)
    return Path(f"{folder}/{name}")


@contextmanager
def _shared(folder: Path, share: Path) -> Iterator[None]:
    """Stands for a folder of another machine, by bindfs."""
    share.mkdir()
    with subprocess.Popen(["bindfs", "-f", folder, share], stderr=subprocess.DEVNULL) as server:
        while not mounts.file_system(share).startswith("fuse"):
            if server.poll() is not None:
                pytest.skip("FUSE does not work here")
        try:
            yield
        finally:
            subprocess.run(["umount", share], check=True)


@pytest.mark.skipif(not shutil.which("bindfs"), reason="needs bindfs, a FUSE file system")
def test_a_folder_that_goes_to_another_source_of_one_network_drive_keeps_its_rows(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with _shared(tmp_path / "disk", tmp_path / "share"):
        site = Site(tmp_path / "share", "")  # its database, too, which no worker would have there
        with closing(site.database):
            drop(site.src / "a/1.png")
            site.tag_all()
            before = site.rows
            move(site, ("a", "../other/a"))
            assert site.rows == {"other/a/1.png": before["src/a/1.png"]}
            assert site.read == []
