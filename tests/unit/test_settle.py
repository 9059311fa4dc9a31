"""A file is held until it stops changing. No time passes here: the clock and the disk are plain values."""

import errno
import os
import stat
from dataclasses import dataclass, field

import pytest

from tagger.ingest.settle import Due, Settling
from tagger.records import Origin, Sighting, Stamp


def status(
    kind: int = stat.S_IFREG, size: int = 1, mtime: float = 1000, ctime: float = 1000
) -> os.stat_result:
    return os.stat_result(
        (kind | 0o644, 1, 1, 1, 0, 0, size, 0, int(mtime), int(ctime)),
        {"st_mtime_ns": int(mtime * 1e9), "st_ctime_ns": int(ctime * 1e9)},
    )


def seen(path: str, origin: Origin = Origin.WATCH, source: str = "pics") -> Sighting:
    return Sighting(path, source, origin)


@dataclass
class Disk:
    """What a stat finds at each path; nothing is there unless it was put."""

    files: dict[str, os.stat_result | OSError] = field(default_factory=dict)

    def put(self, path: str, size: int = 1, mtime: float = 1000, kind: int = stat.S_IFREG) -> None:
        self.files[path] = status(kind, size, mtime)

    def stat(self, sighting: Sighting) -> os.stat_result:
        found = self.files.get(sighting.path, FileNotFoundError(errno.ENOENT, "No such file or directory"))
        if isinstance(found, OSError):
            raise found
        return found


@pytest.fixture
def disk() -> Disk:
    return Disk()


def settling(disk: Disk, settle: float = 0.5, **options: float) -> Settling:
    give_up = bool(options.pop("give_up", False))
    capacity = int(options.pop("capacity", 10_000))
    settle_times = {"pics": settle, "slow": 10.0}
    return Settling(settle_times, disk.stat, capacity=capacity, give_up=give_up, **options)


def paths(due: Due) -> list[str]:
    return [stamp.path for stamp, _ in due.settled]


def grow(disk: Disk, held: Settling, until: float) -> None:
    """The file grows every 0.4 s, and is looked at each time."""
    for step in range(int(until / 0.4) + 1):
        disk.put("/a.png", size=step)
        held.add(seen("/a.png"), step * 0.4)
        assert paths(held.due(step * 0.4)) == []


def test_a_file_at_rest_is_handed_on_after_its_settling_time(disk: Disk) -> None:
    disk.put("/a.png", size=7, mtime=1234)
    held = settling(disk)
    held.add(seen("/a.png"), now=100)
    assert paths(held.due(100)) == []
    assert paths(held.due(100.49)) == []
    assert held.due(100.5).settled == [
        (Stamp("/a.png", "pics", 7, 1_234_000_000_000, 1_000_000_000_000), Origin.WATCH)
    ]
    assert len(held) == 0
    assert held.next_due() is None


@pytest.mark.parametrize("change", [{"size": 2}, {"mtime": 1001}, {"mtime": 999}])
def test_a_file_still_growing_is_held_back(disk: Disk, change: dict[str, int]) -> None:
    disk.put("/a.png")
    held = settling(disk)
    held.add(seen("/a.png"), 0)
    held.due(0)
    disk.put("/a.png", **change)
    assert paths(held.due(0.5)) == []
    assert paths(held.due(0.9)) == []
    assert paths(held.due(1.0)) == ["/a.png"]


def test_a_file_settles_so_long_after_its_last_event(disk: Disk) -> None:
    disk.put("/a.png")
    held = settling(disk)
    for now in (0, 0.3):
        held.add(seen("/a.png"), now)
        held.due(now)
    assert paths(held.due(0.5)) == []
    assert paths(held.due(0.8)) == ["/a.png"]


def test_many_events_of_one_file_are_one_entry(disk: Disk) -> None:
    disk.put("/a.png")
    held = settling(disk)
    for _ in range(1000):
        held.add(seen("/a.png"), 0)
    assert len(held) == 1
    held.due(0)
    assert paths(held.due(0.5)) == ["/a.png"]


@pytest.mark.parametrize("origins", [(Origin.SCAN, Origin.WEB), (Origin.WEB, Origin.SCAN)])
def test_the_most_urgent_origin_is_kept(disk: Disk, origins: tuple[Origin, Origin]) -> None:
    disk.put("/a.png")
    held = settling(disk, settle=0)
    for origin in origins:
        held.add(seen("/a.png", origin), 0)
    assert [origin for _, origin in held.due(0).settled] == [Origin.WEB]


def test_scans_that_come_more_often_than_a_file_settles_do_not_hold_it_forever(disk: Disk) -> None:
    disk.put("/a.png")
    held = settling(disk, settle=10)
    for now in (0, 4, 8):
        held.add(seen("/a.png", Origin.SCAN), now)
        held.due(now)
    assert paths(held.due(10)) == ["/a.png"]


def test_each_source_has_its_own_settling_time(disk: Disk) -> None:
    disk.put("/slow.png")
    disk.put("/quick.png")
    held = settling(disk)
    held.add(seen("/slow.png", source="slow"), 0)
    held.add(seen("/quick.png"), 0)
    held.due(0)
    assert paths(held.due(0.5)) == ["/quick.png"]
    assert paths(held.due(10)) == ["/slow.png"]


def test_a_settling_time_of_zero_holds_nothing_back(disk: Disk) -> None:
    disk.put("/a.png")
    held = settling(disk, settle=0)
    held.add(seen("/a.png"), 5)
    assert paths(held.due(5)) == ["/a.png"]


def test_a_clock_set_back_does_not_hold_a_file(disk: Disk) -> None:
    disk.put("/a.png", mtime=4_000_000_000)
    held = settling(disk)
    held.add(seen("/a.png"), 0)
    held.due(0)
    assert paths(held.due(0.5)) == ["/a.png"]


def test_next_due_tells_when_the_next_look_pays(disk: Disk) -> None:
    disk.put("/a.png")
    disk.put("/slow.png")
    held = settling(disk)
    assert held.next_due() is None
    held.add(seen("/slow.png", source="slow"), 100)
    assert held.next_due() == 100
    held.due(100)
    assert held.next_due() == 110
    held.add(seen("/a.png"), 101)
    assert held.next_due() == 101
    held.due(101)
    assert held.next_due() == 101.5


def test_following_next_due_hands_everything_on(disk: Disk) -> None:
    held = settling(disk)
    for number in range(20):
        disk.put(f"/{number}.png")
        held.add(seen(f"/{number}.png", source="slow" if number % 3 else "pics"), number / 10)
    handed_on: list[str] = []
    for _ in range(100):
        if (now := held.next_due()) is not None:
            handed_on += paths(held.due(now))
    assert sorted(handed_on) == sorted(disk.files)
    assert len(held) == 0


@pytest.mark.parametrize("looks_before", [0, 1])
@pytest.mark.parametrize("error", [FileNotFoundError(), NotADirectoryError()])
def test_a_file_that_vanishes_is_forgotten(disk: Disk, looks_before: int, error: OSError) -> None:
    disk.put("/a.png")
    held = settling(disk)
    held.add(seen("/a.png"), 0)
    for _ in range(looks_before):
        held.due(0)
    disk.files["/a.png"] = error
    held.due(0.5)
    assert len(held) == 0
    assert held.next_due() is None


def test_a_file_that_vanished_and_came_back_settles_anew(disk: Disk) -> None:
    disk.put("/a.png")
    held = settling(disk)
    held.add(seen("/a.png"), 0)
    held.due(0)
    gone = disk.files.pop("/a.png")
    held.add(seen("/a.png"), 0.2)
    held.due(0.2)
    disk.files["/a.png"] = gone
    held.add(seen("/a.png"), 0.4)
    held.due(0.4)
    assert paths(held.due(0.5)) == []
    assert paths(held.due(0.9)) == ["/a.png"]


def test_a_folder_comes_back_at_once_to_be_scanned(disk: Disk) -> None:
    disk.put("/new", kind=stat.S_IFDIR)
    held = settling(disk)
    held.add(seen("/new"), 0)
    assert held.due(0).folders == [seen("/new")]
    assert len(held) == 0


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
def test_what_is_neither_file_nor_folder_is_dropped(disk: Disk, kind: int) -> None:
    disk.put("/a.png", kind=kind)
    held = settling(disk, settle=0)
    held.add(seen("/a.png"), 0)
    assert held.due(0) == Due([], [])
    assert len(held) == 0


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "I/O error")])
def test_a_file_that_cannot_be_looked_at_is_handed_on_for_its_reader_to_report(
    disk: Disk, error: OSError
) -> None:
    disk.files["/a.png"] = error
    held = settling(disk)
    held.add(seen("/a.png"), 0)
    held.due(0)
    assert held.due(0.5).settled == [(Stamp("/a.png", "pics", 0, 0, 0), Origin.WATCH)]


def test_a_passing_error_only_delays_a_file(disk: Disk) -> None:
    disk.files["/a.png"] = OSError(errno.EIO, "I/O error")
    held = settling(disk)
    held.add(seen("/a.png"), 0)
    held.due(0)
    disk.put("/a.png", size=7)
    assert paths(held.due(0.5)) == []
    assert [stamp.size for stamp, _ in held.due(1).settled] == [7]


def test_a_file_that_never_rests_is_reported_once_and_held(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    held = settling(disk, patience=2)
    grow(disk, held, until=8)
    assert caplog.text.count("/a.png: still changing") == 1
    assert paths(held.due(9)) == ["/a.png"]


def test_a_scan_that_wants_to_end_gives_a_restless_file_up(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    held = settling(disk, patience=2, give_up=True)
    grow(disk, held, until=2.5)
    assert len(held) == 0
    assert "/a.png: still changing" in caplog.text


def test_a_file_that_was_not_looked_at_for_long_is_not_called_restless(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.put("/a.png")
    held = settling(disk, patience=2, give_up=True)
    held.add(seen("/a.png"), 0)
    held.due(60)
    assert paths(held.due(61)) == ["/a.png"]
    assert caplog.text == ""


def test_past_the_capacity_folders_are_kept_instead_and_scanned_when_there_is_room(disk: Disk) -> None:
    held = settling(disk, capacity=4)
    for number in range(100):
        disk.put(f"/x/{number}.png")
        held.add(seen(f"/x/{number}.png", Origin.SCAN), 0)
    held.add(seen("/y/a.png"), 0)
    held.add(seen("/x/late.png"), 0)
    assert len(held) == 4 + 2
    assert held.due(0).folders == []
    due = held.due(0.5)
    assert len(due.settled) == 4
    assert due.folders == [seen("/x"), seen("/y")]
    assert len(held) == 0


def test_a_file_that_is_held_already_needs_no_room(disk: Disk) -> None:
    disk.put("/a.png")
    held = settling(disk, capacity=1)
    held.add(seen("/a.png"), 0)
    held.due(0)
    held.add(seen("/a.png", Origin.CLI), 0.1)
    assert held.due(0.5).settled[0][1] is Origin.CLI


@pytest.mark.parametrize(
    ("mtime", "ctime", "old"),
    [
        (999.5, 999.5, True),
        (0, 0, True),
        (999.6, 0, False),
        (0, 999.6, False),  # just copied, with its original's mtime
        (2000, 0, False),  # from a machine whose clock is ahead
    ],
)
def test_only_a_file_that_rests_already_need_not_settle(
    disk: Disk, mtime: float, ctime: float, old: bool
) -> None:
    stamp = Stamp("/a.png", "pics", 1, int(mtime * 1e9), int(ctime * 1e9))
    assert settling(disk).is_old(stamp, wall_now=1000) is old
