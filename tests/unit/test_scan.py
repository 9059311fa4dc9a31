"""A walk finds what is there, whatever is there."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.config.sources import Source
from tagger.ingest.filters import Filters
from tagger.ingest.scan import Entered, PassedOver, SkipReason, meet, walk
from tagger.records import Stamp


def fill(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"picture")


def scan(root: Path, page_size: int = 1000, folder: Path | None = None) -> Iterator[list[Stamp]]:
    source = Source(path=root, name="pics")
    return walk(source, Filters([source], {".png"}), page_size, str(folder) if folder else None)


def found(root: Path, folder: Path | None = None) -> set[str]:
    return {os.path.relpath(stamp.path, root) for page in scan(root, folder=folder) for stamp in page}


def test_pictures_are_found_at_any_depth_and_others_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "x/y/b.PNG", "notes.txt", ".hidden/c.png", "x/@eaDir/d.png")
    assert found(tmp_path) == {"a.png", "x/y/b.PNG"}


def test_a_stamp_tells_what_a_stat_tells(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    now = (tmp_path / "a.png").stat()
    [[stamp]] = scan(tmp_path)
    expected = Stamp(f"{tmp_path}/a.png", "pics", now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    assert stamp == expected


def test_pages_hold_every_file_once_and_none_is_too_large(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number % 3}/{number}.png" for number in range(25)))
    pages = list(scan(tmp_path, page_size=10))
    assert sorted(len(page) for page in pages) == [5, 10, 10]
    assert len({stamp.path for page in pages for stamp in page}) == 25


def test_a_large_folder_is_given_out_while_it_is_read(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number}.png" for number in range(20)))
    pages = scan(tmp_path, page_size=2)
    first = next(pages)
    for file in tmp_path.iterdir():
        file.unlink()
    assert len(first) == 2
    assert list(pages) == []


def test_a_folder_inside_the_source_can_be_scanned_alone(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "x/b.png", "x/y/c.png", "z/d.png")
    assert found(tmp_path, folder=tmp_path / "x") == {"x/b.png", "x/y/c.png"}


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/a.png", "pics/b.png")
    (tmp_path / "pics/link.png").symlink_to(tmp_path / "elsewhere/a.png")
    (tmp_path / "pics/dangling.png").symlink_to("nowhere")
    (tmp_path / "pics/folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pics/loop").symlink_to(tmp_path / "pics")
    assert found(tmp_path / "pics") == {"b.png"}


def test_what_is_passed_over_is_told_with_its_reason(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "x/@eaDir/b.png", ".hidden/c.png", "notes.txt", "y/d.png")
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "linked").symlink_to("y")
    (tmp_path / "notes").symlink_to("notes.txt")
    (tmp_path / ".dotted").symlink_to("y")
    os.mkfifo(tmp_path / "pipe.png")
    source = Source(path=tmp_path, name="pics", exclude=("y",))
    met = list(meet(source, Filters([source], {".png"}), str(tmp_path)))
    assert {Path(one.path).name: one.reason for one in met if isinstance(one, PassedOver)} == {
        "link.png": SkipReason.LINK,
        "linked": SkipReason.FOLDER_LINK,
        "notes": SkipReason.FOLDER_LINK,
        "pipe.png": SkipReason.SPECIAL,
        "@eaDir": SkipReason.SYSTEM,
        ".hidden": SkipReason.SYSTEM,
    }
    assert sum(isinstance(one, Entered) for one in met) == 2
    assert [Path(one.path).name for one in met if isinstance(one, Stamp)] == ["a.png"]


def test_a_source_that_is_itself_a_link_is_scanned_under_its_own_name(tmp_path: Path) -> None:
    fill(tmp_path, "real/x/a.png")
    (tmp_path / "pics").symlink_to("real")
    assert found(tmp_path / "pics") == {"x/a.png"}


def test_only_regular_files_are_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.png", "folder.png/b.png")
    os.mkfifo(tmp_path / "fifo.png")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        assert found(tmp_path) == {"a.png", "folder.png/b.png"}


@pytest.mark.parametrize("name", [b"new\nline.png", b"\xff\xfe.png", b"\xe9t\xe9/a.png", b" .png"])
def test_any_name_the_file_system_allows_is_found(tmp_path: Path, name: bytes) -> None:
    fill(tmp_path, os.fsdecode(name))
    assert found(tmp_path) == {os.fsdecode(name)}


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[str]:
    """A folder below more folders than Python recurses into, which rmtree and pathlib do."""
    folders = [f"{tmp_path}{'/d' * level}" for level in range(1, sys.getrecursionlimit() + 20)]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102
    yield folders[-1]
    for folder in reversed(folders):
        os.rmdir(folder)  # noqa: PTH106


def test_no_tree_is_too_deep(tmp_path: Path, deep: str) -> None:
    picture = Path(deep, "a.png")
    picture.touch()
    paths = [stamp.path for page in scan(tmp_path) for stamp in page]
    picture.unlink()
    assert paths == [f"{deep}/a.png"]


def test_a_missing_source_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(scan(tmp_path / "unplugged"))


def test_a_folder_that_vanishes_meanwhile_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, "0.png", "1.png", "x/a.png", "y/b.png", "z/c.png")
    pages = scan(tmp_path, page_size=2)
    first = next(pages)
    (tmp_path / "y/b.png").unlink()
    (tmp_path / "y").rmdir()
    names = {os.path.relpath(stamp.path, tmp_path) for page in [first, *pages] for stamp in page}
    assert names == {"0.png", "1.png", "x/a.png", "z/c.png"}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"{tmp_path}/y" in warnings[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, "secret/a.png", "open/b.png")
    (tmp_path / "secret").chmod(0)
    names = found(tmp_path)
    (tmp_path / "secret").chmod(0o700)
    assert names == {"open/b.png"}
    assert f"{tmp_path}/secret" in caplog.text
