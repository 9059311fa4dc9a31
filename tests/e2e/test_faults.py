"""What the world does to a daemon: each fault is provoked for real, and nothing may be lost by it.

Waiting is reading the log. Rescans are put off for a day, unless a test is about them: what is found is found by what
the test is about.
"""

import errno
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.allowed import NO_PRIVILEGES, OWN_LIMITS, OWN_MOUNTS, needs
from tests.conftest import Painter
from tests.e2e.command import TAGGER, Daemon, environment, rows, running, tagger
from tests.unit.test_decode_long import fax

pytestmark = pytest.mark.long

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
LABELS = "SELECT path, label FROM top_tag"
NO_RESCAN = {"TAGGER_RESCAN": "86400"}


@pytest.fixture
def daemon(tmp_path: Path, inbox: Path, database: Path) -> Iterator[Daemon]:
    with running(tmp_path, inbox, "--database", database, **NO_RESCAN) as daemon:
        yield daemon


def labels(database: Path) -> dict[str, str]:
    return {Path(path).name: label for path, label in rows(database, LABELS)}


# Writing


def test_a_file_read_too_early_is_tagged_once_the_rest_has_come(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    whole = paint(tmp_path / "whole.png").read_bytes()
    with (inbox / "slow.png").open("wb", buffering=0) as file:
        file.write(whole[:60])
        daemon.wait_for("slow.png: .*damaged")
        file.write(whole[60:])
        daemon.wait_for("slow.png: red")
    assert rows(database, "SELECT * FROM failed_files") == []


def test_a_preallocated_file_is_tagged_once_it_is_filled(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    whole = paint(tmp_path / "whole.bmp", BLUE).read_bytes()
    with (inbox / "pre.bmp").open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(whole))
        daemon.wait_for("pre.bmp: not a picture")
        file.write(whole)
        daemon.wait_for("pre.bmp: blue")


def test_a_file_that_is_opened_again_and_again_is_inferred_once(
    inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    for _ in range(200):
        paint(inbox / "cam.png")
    with (inbox / "cam.png").open("r+b"):  # as a scanner does that looks back at its work
        daemon.wait_for("cam.png: red")
    paint(inbox / "end.png", BLUE)
    daemon.wait_for("end.png: blue")
    assert rows(database, "SELECT seq FROM sqlite_sequence WHERE name = 'reading'") == [(2,)]


def test_a_file_that_never_rests_holds_up_no_other(inbox: Path, paint: Painter, daemon: Daemon) -> None:
    stream = (inbox / "stream.png").open("wb", buffering=0)
    with stream, subprocess.Popen(["sh", "-c", "while :; do echo; done"], stdout=stream) as writer:
        paint(inbox / "still.png")
        daemon.wait_for("still.png: red")
        writer.kill()


# In flight


def test_a_picture_replaced_while_it_is_inferred_gets_the_tags_of_what_is_there(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    stop = {"TAGGER_FAILPOINTS": "infer=stop:1"} | NO_RESCAN
    with running(tmp_path, inbox, "--database", database, **stop) as daemon:
        paint(inbox / "cam.png", RED)
        daemon.wait_until_stopped()
        paint(tmp_path / "new.png", BLUE).rename(inbox / "cam.png")
        daemon.go_on()
        daemon.wait_for("cam.png: blue")
    assert labels(database) == {"cam.png": "blue"}


@pytest.mark.parametrize("place", ["read", "infer"])
def test_a_picture_deleted_in_flight_is_no_error(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, place: str
) -> None:
    stop = {"TAGGER_FAILPOINTS": f"{place}=stop:1"} | NO_RESCAN
    with running(tmp_path, inbox, "--database", database, **stop) as daemon:
        paint(inbox / "gone.png", RED)
        daemon.wait_until_stopped()
        (inbox / "gone.png").unlink()
        daemon.go_on()
        paint(inbox / "next.png", BLUE)
        daemon.wait_for("next.png: blue")
        assert daemon.stop(signal.SIGTERM) == 0
    assert "WARNING" not in daemon.log
    assert rows(database, "SELECT * FROM failed_files") == []


# Events


def test_events_that_the_kernel_dropped_are_made_up_for(
    inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    """The daemon is stopped, so that its queue fills for real: 16,384 events on most machines."""
    paint(inbox / "a.png")
    daemon.wait_for("a.png: red")
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    daemon.process.send_signal(signal.SIGSTOP)
    daemon.wait_until_stopped()  # on a busy machine its threads read on for a while
    noise = [os.open(inbox / f"{number}.txt", os.O_WRONLY | os.O_CREAT) for number in range(2)]
    for number in range(room + 1000):
        os.write(noise[number % 2], b"!")
    for descriptor in noise:
        os.close(descriptor)
    pictures = [paint(inbox / f"{n % 3}" / f"lost{n}.png", number=n) for n in range(100)]
    daemon.go_on()
    daemon.wait_for("events were lost")
    while len(labels(database)) < 1 + len(pictures):
        daemon.wait_for("tagged|png: red")
    paint(inbox / "2" / "later.png", BLUE)
    daemon.wait_for("later.png: blue")


@needs(OWN_LIMITS)
def test_pictures_in_folders_beyond_the_limit_of_watches_are_found_by_polling(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    for number in range(20):
        (inbox / str(number)).mkdir()
    few = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
    within = (*OWN_LIMITS, "sh", "-c", few, "sh")
    polling = {"TAGGER_POLL": "1"} | NO_RESCAN
    with running(tmp_path, inbox, "--database", database, within=within, **polling) as daemon:
        paint(inbox / "19" / "a.png")
        daemon.wait_for("a.png: red")
        paint(inbox / "0" / "b.png", BLUE)
        daemon.wait_for("b.png: blue")
        assert daemon.stop(signal.SIGTERM) == 0
    assert daemon.log.count("max_user_watches") == 1


# The folder itself


def test_a_folder_that_was_deleted_and_made_again_is_watched_again(
    inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    paint(inbox / "a.png")
    daemon.wait_for("a.png: red")
    shutil.rmtree(inbox)
    daemon.wait_for("inbox: is away")
    paint(inbox / "b.png", BLUE)
    daemon.wait_for("b.png: blue")
    paint(inbox / "c.png", GREEN)
    daemon.wait_for("c.png: green")


@needs(OWN_MOUNTS)
def test_a_disk_that_is_taken_out_and_put_back_costs_no_tags(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    disk = f'mount -t tmpfs none {inbox} && exec "$@"'
    within = (*OWN_MOUNTS, "sh", "-c", disk, "sh")
    often = {"TAGGER_RESCAN": "1"}
    with running(tmp_path, inbox, "--database", database, within=within, **often) as daemon:
        inside = ("nsenter", "--mount", f"--target={daemon.process.pid}")
        picture = paint(tmp_path / "a.png")
        subprocess.run([*inside, "cp", picture, inbox], check=True)
        daemon.wait_for("inbox/a.png: red")
        subprocess.run([*inside, "umount", "--lazy", inbox], check=True)
        daemon.wait_for("inbox: is another folder now, or something was mounted or unmounted there")
        subprocess.run([*inside, "mount", "-t", "tmpfs", "none", inbox], check=True)
        subprocess.run([*inside, "cp", paint(tmp_path / "b.png", BLUE), inbox], check=True)
        daemon.wait_for("inbox/b.png: blue")
    assert labels(database) == {"a.png": "red", "b.png": "blue"}


@needs(OWN_MOUNTS)
def test_one_stray_file_where_a_disk_is_not_mounted_has_no_other_forgotten(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    paint(inbox / "stray.png", BLUE)  # somebody copied it while the disk was away
    pictures = tmp_path / "pictures"
    for number in range(30):
        paint(pictures / f"{number}.png", number=number)
    disk = f'mount -t tmpfs none {inbox} && cp -p {pictures}/* {inbox} && exec "$@"'
    within = (*OWN_MOUNTS, "sh", "-c", disk, "sh")
    often = {"TAGGER_RESCAN": "1"}
    with running(tmp_path, inbox, "--database", database, within=within, **often) as daemon:
        inside = ("nsenter", "--mount", f"--target={daemon.process.pid}")
        while len(labels(database)) < 30:
            daemon.wait_for("tagged|red")
        while rows(database, "SELECT count(*) FROM source WHERE volume IS NOT NULL") != [(1,)]:
            pass
        subprocess.run([*inside, "umount", "--lazy", inbox], check=True)
        daemon.wait_for("inbox: it is on .* now, not on tmpfs, and 30 of its 3[01] files are not there")
        for number in range(5):  # of which each is found by one scan more
            paint(inbox / "later" / f"{number}.png", BLUE, number=100 + number)
            daemon.wait_for(f"later/{number}.png: blue")
        assert rows(database, "SELECT count(*) FROM missing_files") == [(0,)]
    with closing(
        sqlite3.connect(database)
    ) as earlier:  # as an earlier Tagger has it, which believed two scans
        earlier.execute(
            "UPDATE file SET state = 'gone', missing_since = '2024-01-01' WHERE path GLOB '[0-9]*.png'"
        )
        earlier.commit()
    kept = tagger(tmp_path, "prune", "--database", database)
    assert kept.returncode == 1
    assert kept.stdout == "0 missing files forgotten, of 36 files known\n"
    assert f"inbox: 30 of 36 files would be forgotten, but its folder, {inbox}, is on" in kept.stderr
    assert "tagger prune --yes" in kept.stderr
    assert rows(database, "SELECT count(*) FROM file") == [(36,)]
    said = tagger(tmp_path, "prune", "--yes", "--database", database)
    assert said.returncode == 0
    assert "30 missing files forgotten, of 36 files known" in said.stdout
    assert "its place is" in said.stdout
    assert rows(database, "SELECT count(*) FROM file") == [(6,)]


def scan_ten_and_miss_one(home: Path, inbox: Path, database: Path, paint: Painter) -> None:
    """Scan ten pictures, and once more without `3.png`."""
    for number in range(10):
        paint(inbox / f"{number}.png", number=number)
    tagger(home, "scan", inbox, "--database", database)
    (inbox / "3.png").unlink()
    tagger(home, "scan", inbox, "--database", database)


@pytest.mark.parametrize("away", [shutil.rmtree, lambda folder: folder.rename(folder.parent / "elsewhere")])
def test_what_is_missing_in_a_folder_that_is_away_is_forgotten_only_on_a_second_word(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, away: Callable[[Path], object]
) -> None:
    scan_ten_and_miss_one(tmp_path, inbox, database, paint)
    away(inbox)
    kept = tagger(tmp_path, "prune", "--database", database)
    assert "1 of 10 files would be forgotten, but its folder" in kept.stderr
    assert rows(database, "SELECT count(*) FROM file") == [(10,)]
    assert tagger(tmp_path, "prune", "--yes", "--database", database).returncode == 0
    assert rows(database, "SELECT count(*) FROM file") == [(9,)]


def test_an_empty_folder_proves_nothing(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    paint(inbox / "a.png")
    for _ in range(3):
        assert tagger(tmp_path, "scan", inbox, "--database", database).returncode == 0
        shutil.rmtree(inbox)
        inbox.mkdir()
    assert rows(database, "SELECT state, missing_since FROM file") == [("done", None)]


def test_what_was_deleted_is_missing_after_a_scan_and_forgotten_on_demand(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    scan_ten_and_miss_one(tmp_path, inbox, database, paint)
    missing = "SELECT path FROM file WHERE missing_since <= datetime('now', '+1 second')"
    assert rows(database, missing) == [("3.png",)]
    assert "1 missing file forgotten" in tagger(tmp_path, "prune", "--database", database).stdout
    assert rows(database, "SELECT count(*) FROM file") == [(9,)]


@needs(NO_PRIVILEGES)
def test_a_file_in_a_folder_that_cannot_be_read_is_not_missing(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    for number in range(10):
        paint(inbox / f"{number}.png", number=number)
    paint(inbox / "closed" / "a.png", BLUE)
    scan = (*NO_PRIVILEGES, str(TAGGER), "scan", str(inbox), "--database", str(database))
    for mode in (0o755, 0o000, 0o000):
        (inbox / "closed").chmod(mode)
        subprocess.run(scan, env=environment(tmp_path), check=True, capture_output=True)
    assert rows(database, "SELECT count(*) FROM file WHERE state = 'done'") == [(11,)]


@needs(("bindfs", "--version"))
def test_a_network_share_is_polled_and_no_place_for_a_database(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    """bindfs stands for the other machine: what it writes into the folder behind is not announced in front."""
    share = tmp_path / "share"
    share.mkdir()
    if subprocess.run(["bindfs", inbox, share], check=False).returncode:
        pytest.skip("FUSE does not work here")
    try:
        polling = {"TAGGER_POLL": "1"} | NO_RESCAN
        with running(tmp_path, share, "--database", share / "tags.db", **polling) as daemon:
            assert "the database lies on fuse" in daemon.log
            paint(inbox / "a.png")
            daemon.wait_for("share/a.png: red")
            paint(inbox / "a.png", BLUE)
            daemon.wait_for("share/a.png: blue")
            assert daemon.stop(signal.SIGTERM) == 0
    finally:
        subprocess.run(["umount", share], check=True)


# What is in it


def test_what_is_no_regular_file_is_neither_followed_nor_opened(
    inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    (inbox / "loop").symlink_to(inbox)
    (inbox / "loop.png").symlink_to(inbox / "loop.png")
    os.mkfifo(inbox / "fifo.png")
    os.mknod(inbox / "null.png", 0o20666, os.makedev(1, 3)) if os.geteuid() == 0 else None
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(os.path.relpath(inbox / "socket.png"))
    (inbox / "away.png").symlink_to(paint(inbox.parent / "elsewhere.png"))
    paint(inbox / "end.png", BLUE)
    daemon.wait_for("end.png: blue")
    assert [path for (path,) in rows(database, "SELECT path FROM file")] == ["end.png"]


NAMES = [
    b"caf\xe9.png",
    b"line\nbreak.png",
    b"n" * 251 + b".png",
    "שלום.png".encode(),
    "\u202egnp.exe.png".encode(),
    "🚐🏔.png".encode(),
    b"' OR 1=1; --.png",
    b"<script>.png",
    b"\x1b[31mred.png",
]


def test_every_name_is_tagged_kept_apart_and_shown_safely(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    picture = paint(tmp_path / "a.png")
    for number, name in enumerate(NAMES):
        paint(picture, number=number).rename(os.fsdecode(bytes(inbox) + b"/" + name))
    while rows(database, "SELECT count(*) FROM top_tag") != [(len(NAMES),)]:
        daemon.wait_for("tagged|red")
    found = tagger(tmp_path, "search", "red", "--json", "--database", database).stdout
    paths = {os.fsencode(json.loads(line)["path"]) for line in found.splitlines()}
    assert paths == {bytes(inbox) + b"/" + name for name in NAMES}
    shown = tagger(tmp_path, "search", "red", "--database", database).stdout
    assert "\x1b" not in shown + daemon.log
    assert "\u202e" not in shown + daemon.log


# What cannot be read


@needs(NO_PRIVILEGES)
def test_a_file_that_may_not_be_read_is_tried_again_and_its_siblings_go_on(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database, within=NO_PRIVILEGES, **NO_RESCAN) as daemon:
        paint(tmp_path / "closed.png").chmod(0)
        (tmp_path / "closed.png").rename(inbox / "closed.png")
        daemon.wait_for("closed.png: .*Permission denied")
        paint(inbox / "open.png", BLUE)
        daemon.wait_for("open.png: blue")
        [(attempts, waits)] = rows(
            database, "SELECT attempts, next_try_at > datetime('now') FROM failed_files"
        )
        assert (attempts, waits) == (1, 1)
        (inbox / "closed.png").chmod(0o644)
        said = tagger(tmp_path, "retry", inbox / "closed.png", "--database", database)
        assert said.stdout == "1 file is tried again\n"
        daemon.wait_for("closed.png: red")


@needs(OWN_MOUNTS)
def test_a_disk_error_is_one_files_failure(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    broken = _file_with_an_io_error()
    (inbox / "broken.png").touch()
    paint(inbox / "good.png")
    bound = f'mount --bind {broken} {inbox}/broken.png && exec "$@"'
    with running(
        tmp_path, inbox, "--database", database, within=(*OWN_MOUNTS, "sh", "-c", bound, "sh"), **NO_RESCAN
    ) as daemon:
        daemon.wait_for("broken.png: .*Input/output error")
        while labels(database) != {"good.png": "red"}:
            daemon.wait_for("tagged|red")
    assert rows(database, "SELECT stage, next_try_at IS NOT NULL FROM failed_files") == [("read", 1)]


def _file_with_an_io_error() -> Path:
    """The kernel has some files of its own that answer so."""
    for path in Path("/sys/devices").glob("*/power/autosuspend_delay_ms"):
        try:
            path.read_bytes()
        except OSError as error:
            if error.errno == errno.EIO:
                return path
    pytest.skip("no file here that answers with EIO")


# Poison


@pytest.mark.parametrize(
    ("failpoint", "code", "reason"),
    [
        ("decode=kill@poison", -signal.SIGKILL, "killed by SIGKILL"),
        ("decode=hang@poison", 5, "took too long"),
    ],
)
def test_a_file_that_kills_or_hangs_its_reader_is_quarantined_and_no_other(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, failpoint: str, code: int, reason: str
) -> None:
    poison = {"TAGGER_FAILPOINTS": failpoint, "TAGGER_DECODE__DEADLINE": "2"} | NO_RESCAN
    with running(tmp_path, inbox, "--database", database, **poison) as daemon:
        for number in range(20):
            paint(inbox / f"{number}.png", number=number)
        paint(inbox / "poison.png", BLUE, number=99)
        assert daemon.end() == code
    with running(tmp_path, inbox, "--database", database, **poison) as daemon:
        for _ in range(3):
            daemon.wait_for("poison.png: tagging it alone ended the process")
        while len(labels(database)) < 20:
            daemon.wait_for("tagged|red")
        paint(inbox / "new.png", GREEN)
        daemon.wait_for("new.png: green")
        assert daemon.stop(signal.SIGTERM) == 0
    listed = tagger(tmp_path, "status", "--failed", "--database", database).stdout
    assert listed.count("\n") == 1
    assert "quarantined\t3" in listed
    assert "poison.png" in listed
    assert reason in listed
    assert tagger(tmp_path, "scan", inbox, "--database", database).returncode == 0
    assert len(labels(database)) == 21
    tagger(tmp_path, "retry", "--all", "--database", database)
    tagger(tmp_path, "scan", inbox, "--database", database)
    assert labels(database)["poison.png"] == "blue"


def test_a_picture_that_takes_too_long_to_decode_fails_alone_and_the_daemon_goes_on(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    with running(tmp_path, inbox, "--database", database, TAGGER_DECODE__DEADLINE="1", **NO_RESCAN) as daemon:
        (inbox / "fax.tif").write_bytes(fax(430, 200_000, 10_000))
        daemon.wait_for("fax.tif: its decoder says: Fax3Decode1D")
        for name in ("red.png", "red.gif"):
            paint(inbox / name)
            daemon.wait_for(f"{name}: red")
        assert daemon.stop(signal.SIGTERM) == 0
    listed = tagger(tmp_path, "status", "--failed", "--database", database).stdout
    assert "fax.tif" in listed
    assert "decoding it" in listed


@pytest.mark.parametrize("place", ["settle", "decode", "infer", "store"])
def test_a_stage_that_dies_takes_the_process_with_it(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, place: str
) -> None:
    with running(
        tmp_path, inbox, "--database", database, TAGGER_FAILPOINTS=f"{place}=raise", **NO_RESCAN
    ) as daemon:
        paint(inbox / "a.png")
        assert daemon.end() == 1
    assert "stopped by an error: a failpoint" in daemon.log
    tagger(tmp_path, "scan", inbox, "--database", database)
    assert labels(database) == {"a.png": "red"}


# The database


def test_a_database_that_another_program_holds_is_waited_for(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        pictures = [paint(inbox / f"{number}.png", number=number) for number in range(30)]
        daemon.wait_for("tags.db: database is locked; work pauses until it can be written: another program")
        other.execute("COMMIT")
    daemon.wait_for("work goes on")
    while len(labels(database)) < len(pictures):
        daemon.wait_for("tagged|red")


def test_a_stop_is_in_time_although_another_program_holds_the_database(
    inbox: Path, database: Path, paint: Painter, daemon: Daemon
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        paint(inbox / "a.png")
        daemon.wait_for("work pauses")
        assert daemon.stop(signal.SIGTERM) == 4
    tagger(inbox.parent, "scan", inbox, "--database", database)
    assert labels(database) == {"a.png": "red"}


@needs(OWN_MOUNTS)
def test_a_full_disk_is_waited_for(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    small = f'mount -t tmpfs -o size=64m none {disk} && exec "$@"'
    within = (*OWN_MOUNTS, "sh", "-c", small, "sh")
    with running(tmp_path, inbox, "--database", disk / "tags.db", within=within, **NO_RESCAN) as daemon:
        inside = ("nsenter", "--mount", f"--target={daemon.process.pid}")
        fill = ["dd", "if=/dev/zero", f"of={disk}/ballast", "bs=4k"]
        subprocess.run([*inside, *fill], check=False, capture_output=True)
        pictures = [paint(inbox / f"{number}.png", number=number) for number in range(300)]
        daemon.wait_for("tags.db: database or disk is full; work pauses until it can be written: make room")
        subprocess.run([*inside, "rm", disk / "ballast"], check=True)
        daemon.wait_for("work goes on")
        count = [*inside, "sqlite3", f"file:{disk}/tags.db?mode=ro", "SELECT count(*) FROM top_tag"]
        while (
            subprocess.run(count, check=True, capture_output=True, text=True).stdout != f"{len(pictures)}\n"
        ):
            daemon.wait_for("tagged|red")


@needs((*OWN_MOUNTS, "sh", "-c", "mkfs.ext4 -V && losetup -f", "sh"))
def test_a_disk_that_turns_read_only_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    """As ext4 does where it finds itself damaged."""
    disk, image = tmp_path / "disk", tmp_path / "disk.img"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mount = f'mount -o loop,errors=remount-ro {image} {disk} && exec "$@"'
    mounted = (*OWN_MOUNTS, "sh", "-c", mount, "sh")
    with running(tmp_path, inbox, "--database", disk / "tags.db", within=mounted, **NO_RESCAN) as daemon:
        paint(inbox / "a.png")
        daemon.wait_for("a.png: red")
        inside = ("nsenter", "--mount", f"--target={daemon.process.pid}")
        subprocess.run([*inside, "mount", "-o", "remount,abort", disk], check=True)
        paint(inbox / "b.png", BLUE)
        daemon.wait_for("work pauses until it can be written: see whether its disk")
        assert daemon.stop(signal.SIGTERM) == 4
    for command in (
        [TAGGER, "scan", inbox, "--database", disk / "tags.db"],
        ["sqlite3", f"{disk}/tags.db", "SELECT count(*) FROM top_tag"],
    ):
        said = subprocess.run(
            [*mounted, *command], env=environment(tmp_path), capture_output=True, text=True, check=True
        )
    assert said.stdout == "2\n"


def _lines(command: Sequence[str], variables: Mapping[str, str]) -> int:
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    return done.stdout.count("\n")


@pytest.mark.parametrize("replace", [False, True])
def test_a_deleted_database_ends_the_daemon_with_a_clear_error(
    database: Path, daemon: Daemon, replace: bool
) -> None:
    database.unlink()
    if replace:
        database.touch()
    assert daemon.end() == 4
    assert "tags.db: was deleted or replaced while in use" in daemon.log


def test_a_second_daemon_is_refused_by_the_name_of_the_first(
    tmp_path: Path, inbox: Path, database: Path, daemon: Daemon
) -> None:
    second = tagger(tmp_path, "run", inbox, "--database", database)
    assert second.returncode == 4
    assert f"in use by tagger run (pid {daemon.process.pid}) since 20" in second.stderr


# The clock


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs Debian's libfaketime")
@pytest.mark.parametrize("jump", ["-300d", "+300d"])
def test_a_clock_that_jumps_skips_nothing(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter, jump: str
) -> None:
    (tmp_path / "clock").write_text("+0")
    clock = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "TAGGER_RESCAN": "1",
    }
    with running(tmp_path, inbox, "--database", database, **clock) as daemon:
        paint(inbox / "before.png")
        daemon.wait_for("before.png: red")
        (tmp_path / "clock").write_text(jump)
        paint(inbox / "after.png", BLUE)
        daemon.wait_for("after.png: blue")
        paint(inbox / "before.png", GREEN)
        daemon.wait_for("before.png: green")
    assert labels(database) == {"before.png": "green", "after.png": "blue"}


def test_a_new_picture_overtakes_a_backlog(
    tmp_path: Path, inbox: Path, database: Path, paint: Painter
) -> None:
    for number in range(3000):
        paint(inbox / "old" / f"{number}.png", number=number)
        os.utime(inbox / "old" / f"{number}.png", (1e9, 1e9))
    with running(tmp_path, inbox, "--database", database, TAGGER_LOG_LEVEL="debug") as daemon:
        daemon.wait_for("stored")
        paint(inbox / "new.png", BLUE)
        while "new.png" not in labels(database):
            daemon.wait_for("stored")
        assert rows(database, "SELECT count(*) > 0 FROM file WHERE state = 'pending'") == [(1,)]
