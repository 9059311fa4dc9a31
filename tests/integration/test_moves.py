"""Files that move keep their rows, on real folders: by their stamps without being read, else by what is read in them."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tagger.store.queue import forget
from tagger.store.queue.moves import MOST
from tests.integration.moving import HOUR_AGO, Site, drop


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, "^(?P<camera>[a-z]+)/")
    with closing(site.database):
        yield site


@pytest.mark.parametrize("target", ["src/b", "src/deep/er/a", "other/a"])
def test_a_renamed_folder_keeps_its_rows_and_no_file_of_it_is_read(site: Site, target: str) -> None:
    for name in ("a/1.png", "a/x/1.png", "a/x/2.png", "c/1.png"):
        drop(site.src / name, name)
    site.tag_all()
    before = site.rows
    (site.src.parent / target).parent.mkdir(parents=True, exist_ok=True)
    (site.src / "a").rename(site.src.parent / target)
    site.scan()
    site.work()
    assert site.rows == {path.replace("src/a", target): seq for path, seq in before.items()}
    assert site.read == []
    assert site.sql("SELECT * FROM missing_files") == []


def test_what_a_new_path_tells_is_read_anew(site: Site) -> None:
    drop(site.src / "yard/1.png")
    site.tag_all()
    (site.src / "yard").rename(site.src / "garden")
    site.scan()
    assert site.sql("SELECT camera FROM top_tag") == [("garden",)]


def test_what_is_forgotten_leaves_no_path_behind(site: Site) -> None:
    drop(site.src / "a/1.png")
    site.tag_all()
    (site.src / "a").rename(site.src / "b")
    site.scan()
    forget.expire(site.database, {"src": time.time_ns()}, [1])
    assert site.moves == []


def test_a_move_is_told(site: Site) -> None:
    drop(site.src / "a/1.png")
    site.tag_all()
    (site.src / "a").rename(site.src / "b")
    site.scan()
    [move] = site.moves
    assert (move.old_path, move.path) == (f"{site.src}/a/1.png", f"{site.src}/b/1.png")


def test_a_renamed_file_is_known_by_its_content(site: Site) -> None:
    """Its ctime is another, so it is read; its row and seq stay."""
    old = drop(site.src / "a/1.png")
    site.tag_all()
    before = site.rows
    old.rename(site.src / "a/2.png")
    site.scan()
    site.work()
    assert site.rows == {"src/a/2.png": before["src/a/1.png"]}
    assert site.read == ["2.png"]
    assert site.sql("SELECT count(*) FROM file") == [(1,)]


def test_a_file_that_goes_to_another_disk_is_known_by_its_content(site: Site) -> None:
    old = drop(site.src / "a/1.png")
    drop(site.src / "a/2.png")
    site.tag_all()
    before = site.rows
    (site.other / "a").mkdir()
    shutil.copy(old, site.other / "a/1.png")
    os.utime(site.other / "a/1.png", (HOUR_AGO, HOUR_AGO))
    old.unlink()
    site.scan()
    site.work()
    assert site.rows == {"other/a/1.png": before["src/a/1.png"], "src/a/2.png": before["src/a/2.png"]}


def test_a_copy_stays_a_copy(site: Site) -> None:
    old = drop(site.src / "a/1.png")
    site.tag_all()
    before = site.rows
    shutil.copytree(site.src / "a", site.src / "b")
    os.link(old, drop(site.src / "c/0.png").with_name("1.png"))
    site.scan()
    site.work()
    assert site.rows.keys() == {"src/a/1.png", "src/b/1.png", "src/c/0.png", "src/c/1.png"}
    assert site.rows["src/a/1.png"] == before["src/a/1.png"]
    assert site.moves == []


def test_one_of_two_that_are_alike_is_not_guessed(site: Site) -> None:
    for name in ("a/1.png", "b/1.png"):
        drop(site.src / name, "the same")
    site.tag_all()
    for name in ("a", "b"):
        shutil.rmtree(site.src / name)
    drop(site.src / "c/1.png", "the same")
    site.scan()
    site.work()
    assert site.moves == []
    assert site.sql("SELECT count(*) FROM file") == [(3,)]


def test_a_picture_of_today_is_none_that_was_missing_for_long(site: Site) -> None:
    old = drop(site.src / "a/1.png", "black")
    for number in range(9):
        drop(site.src / f"b/{number}.png")
    site.tag_all()
    old.unlink()
    site.scan()
    assert site.sql("SELECT count(*) FROM missing_files") == [(1,)]
    with site.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE file SET missing_since = '2024-01-01 00:00:00.000' WHERE missing_since > ''"
        )
    new = drop(site.src / "a/2.png", "black")
    os.utime(new, (HOUR_AGO + 9, HOUR_AGO + 9))
    site.scan()
    site.work()
    assert site.moves == []
    assert "src/a/2.png" in site.rows


def test_a_disk_that_is_away_keeps_what_is_on_it(site: Site) -> None:
    """Its folder is empty: what is of the same content elsewhere is a copy."""
    drop(site.other / "a/1.png")
    site.tag_all()
    site.other.rename(site.other.with_name("unmounted"))
    site.other.mkdir()
    drop(site.src / "a/1.png")
    site.scan()
    site.work()
    assert site.rows.keys() == {"other/a/1.png", "src/a/1.png"}


def test_a_source_whose_folder_and_name_are_others_keeps_its_rows(site: Site) -> None:
    drop(site.src / "a/1.png")
    site.tag_all()
    before = site.rows
    site.src.rename(site.src.with_name("photos"))
    site.start(photos=site.src.with_name("photos"), other=site.other)
    site.scan()
    site.work()
    assert site.rows == {"photos/a/1.png": before["src/a/1.png"]}
    assert site.read == []


def test_a_folder_that_becomes_a_source_of_its_own_keeps_its_rows(site: Site) -> None:
    drop(site.src / "a/1.png")
    drop(site.src / "2.png")
    site.tag_all()
    before = site.rows
    site.start(src=site.src, other=site.other, a=site.src / "a")
    site.scan()
    site.work()
    assert site.rows == before
    assert site.sql("SELECT source FROM top_tag ORDER BY source") == [("a",), ("src",)]


def test_a_folder_that_moved_back_after_it_was_missed_keeps_its_rows(site: Site) -> None:
    """It is read once more, since nobody knows for what it was missed."""
    for number in range(9):
        drop(site.src / f"b/{number}.png")
    drop(site.src / "a/1.png")
    site.tag_all()
    before = site.rows
    (site.src / "a").rename(site.src.parent / "elsewhere")
    site.scan()
    assert "src/a/1.png" not in site.rows
    (site.src.parent / "elsewhere").rename(site.src / "c")
    site.scan()
    site.work()
    assert site.rows == {path.replace("src/a", "src/c"): seq for path, seq in before.items()}
    assert site.read == ["1.png"]


def test_what_is_gone_is_found_where_it_is_asked_for(site: Site) -> None:
    for number in range(9):
        drop(site.src / f"b/{number}.png")
    site.tag_all()
    (site.src / "b/1.png").unlink()
    site.scan()
    assert "src/b/1.png" not in site.found("tabby")
    assert len(site.found("tabby")) == 8
    assert site.found("tabby state:gone") == ["src/b/1.png"]
    assert site.sql("SELECT count(*) FROM image_tags WHERE is_gone") == [(1,)]


def test_what_moved_during_a_scan_is_not_missing(site: Site) -> None:
    """The scan looked for it where it no longer was."""
    for number in range(9):
        drop(site.src / f"a/{number}.png")
    site.tag_all()
    before = len(site.moves)
    (site.src / "a").rename(site.src / "b")
    site.scan()
    with site.database.read() as connection:
        stamps = [row.id for row in connection.exec_driver_sql("SELECT id FROM file")]
    site.queue.mark_missing(str(stamps), before)
    assert site.sql("SELECT * FROM missing_files") == []


def test_files_of_one_tick_of_the_clock_are_told_by_their_names(site: Site) -> None:
    """After a copy of a folder, more of them than may be looked for one by one have one size and the same times."""
    files = [drop(site.src / f"a/{number:03}.png") for number in range(100)]
    for file in files:
        file.chmod(0o600)
    ticks = Counter(file.stat().st_ctime_ns for file in files)
    assert max(ticks.values()) > MOST
    site.tag_all()
    before = site.rows
    (site.src / "a").rename(site.src / "b")
    site.scan()
    site.work()
    assert site.rows == {path.replace("src/a", "src/b"): seq for path, seq in before.items()}
    assert site.read == []


@pytest.mark.parametrize("link", ["day", "1.png"])
def test_a_copy_of_what_lies_behind_a_link_stays_a_copy(site: Site, link: str) -> None:
    target = drop(site.folder / "linked/day/1.png")
    (site.src / link).symlink_to(target.parent if link == "day" else target)
    site.tag_all()
    [before] = site.rows.items()
    drop(site.src / "copy.png", target.name)
    site.scan()
    site.work()
    assert site.moves == []
    assert before in site.rows.items()


def test_what_moved_while_it_was_in_hand_has_one_row(site: Site) -> None:
    """What was read of it at the old path comes too late."""
    drop(site.src / "a/1.png")
    site.scan()
    in_hand = site.queue.claim(1)
    outcomes = [site.outcome(stamp) for stamp in in_hand]
    (site.src / "a").rename(site.src / "b")
    site.scan()
    site.writer.write(outcomes)
    site.work()
    assert site.rows.keys() == {"src/b/1.png"}
    assert site.sql("SELECT count(*) FROM file") == [(1,)]


def test_a_suspect_that_moved_is_still_one(site: Site) -> None:
    drop(site.src / "a/1.png")
    site.scan()
    site.queue.claim(1)
    (site.src / "a").rename(site.src / "b")
    site.start()
    site.scan()
    assert [stamp.path for stamp in site.queue.suspects()] == [f"{site.src}/b/1.png"]
    assert site.queue.claim(1) == []


def test_what_waits_and_moves_is_counted_once(site: Site) -> None:
    for number in range(3):
        drop(site.src / f"a/{number}.png")
    site.scan()
    (site.src / "a").rename(site.src / "b")
    site.scan()
    assert (site.queue.admitted, site.queue.waiting()) == (3, 3)


def test_the_same_frame_of_a_camera_that_deletes_its_oldest_is_a_new_picture(site: Site) -> None:
    """Cameras without a picture write one again and again; the last one that they write is none that they deleted."""
    for number in range(3):
        drop(site.src / f"{number}.png", "no signal")
    site.tag_all()
    (site.src / "0.png").unlink()
    before = site.rows
    new = drop(site.src / "3.png", "no signal")
    os.utime(new, (HOUR_AGO + 9, HOUR_AGO + 9))
    site.scan()
    site.work()
    assert site.moves == []
    assert site.rows["src/3.png"] > max(before.values())
