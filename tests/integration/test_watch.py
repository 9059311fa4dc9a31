"""What happens in a folder is seen; what does not matter is not. Real watchdog, real folders.

That something is *not* seen is shown by a marker: a file made afterwards, whose sighting comes next.
"""

import ctypes
import logging
import os
import queue
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagger.config.sources import Source
from tagger.ingest.filters import Filters
from tagger.ingest.inotify import Emitter, Observer
from tagger.ingest.watch import Watch
from tagger.records import Origin, Sighting
from tests.allowed import OWN_LIMITS, needs
from tests.kernel import open_files
from tests.told import Told

TIMEOUT = 20
ROOT = Path(__file__).parents[2]
REPLACED = "is another folder now, or something was mounted or unmounted there"
Queue = queue.SimpleQueue[Sighting]


class Watched:
    """A watch of some sources, and what it has seen."""

    def __init__(self, *sources: Source) -> None:
        self.sightings: Queue = queue.SimpleQueue()
        self.losses: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.time = 0.0
        filters = Filters(sources, {".png"})
        self.watch = Watch(
            sources, filters, Told(self.sightings.put, lambda: self.losses.put(None)), lambda: self.time
        )
        self.armed: list[Source] = []

    @property
    def observer(self) -> Observer:
        assert self.watch._observer
        return self.watch._observer

    def emitter(self, folder: Path) -> Emitter:
        [emitter] = [emitter for emitter in self.observer.emitters if emitter.watch.path == f"{folder}/"]
        assert isinstance(emitter, Emitter)
        return emitter

    def next(self) -> Sighting:
        return self.sightings.get(timeout=TIMEOUT)

    def before_marker(self, folder: Path) -> list[Sighting]:
        """What was seen before a marker that is put into the folder now."""
        marker = folder / "marker.png"
        os.mkfifo(marker)  # one event, where touch makes two
        seen: list[Sighting] = []
        while (sighting := self.next()).path != str(marker):
            seen.append(sighting)
        return seen

    def until(self, path: Path) -> Sighting:
        while (sighting := self.next()).path != str(path):
            pass
        return sighting


Watching = Callable[..., Watched]


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Watches sources until the test ends."""
    started: list[Watched] = []

    def start(*sources: Source) -> Watched:
        started.append(Watched(*sources))
        started[-1].armed = started[-1].watch.arm()
        return started[-1]

    yield start
    for watched in started:
        watched.watch.close()


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    folder = tmp_path / "pics"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"old")
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that is not watched, with a picture and a tree of folders."""
    (tmp_path / "elsewhere/tree/a/b").mkdir(parents=True)
    for name in ("new.png", "tree/1.png", "tree/a/2.png", "tree/a/b/3.png"):
        (tmp_path / "elsewhere" / name).touch()
    return tmp_path / "elsewhere"


def source(folder: Path, name: str = "pics", recursive: bool = True, exclude: tuple[str, ...] = ()) -> Source:
    return Source(path=folder, name=name, recursive=recursive, exclude=exclude)


def overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"new")


def append(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def apart(scene: Callable[..., None], *arguments: Path | str, as_root: bool = True) -> list[str]:
    """Plays a scene in namespaces of its own, where mounts and limits disturb nobody; what it logged.

    It is root there, or else may do no more than any user.
    """
    namespaces = ["unshare", "--user", *(["--map-root-user", "--mount"] if as_root else [])]
    if not shutil.which("unshare") or subprocess.run([*namespaces, "true"], check=False).returncode:
        pytest.skip("needs unshare and user namespaces, to mount and to have limits of its own")
    code = (
        f"from {__name__} import play; from {scene.__module__} import {scene.__name__} as scene; play(scene)"
    )
    done = subprocess.run(
        [*namespaces, sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=3 * TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def play(scene: Callable[..., None]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    scene(*sys.argv[1:])


class Child:
    """A process that watches a folder, and what it says."""

    def __init__(self, folder: Path) -> None:
        self._log = folder.parent / "log"
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        command = [sys.executable, "-c", f"from {__name__} import play, tell; play(tell)", str(folder)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )
        self._hearing = threading.Thread(target=self._hear)

    def __enter__(self) -> "Child":
        self._hearing.start()
        self.until("ready")
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            assert self._process.stdin
            self._process.stdin.close()
            self._hearing.join(TIMEOUT)
            self._process.kill()

    def _hear(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line.rstrip())

    def until(self, line: str) -> None:
        while self._lines.get(timeout=TIMEOUT) != line:
            pass

    def arm(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        yield
        self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> list[str]:
        return self._log.read_text().splitlines()


def tell(folder: str) -> None:
    def say(line: str) -> None:
        os.write(1, f"{line}\n".encode())

    sources = [source(Path(folder))]
    watch = Watch(sources, Filters(sources, {".png"}), Told(lambda seen: say(seen.path), lambda: say("lost")))
    watch.arm()
    say("ready")
    for _ in sys.stdin:
        say(f"armed {[source.name for source in watch.arm()]}")
    watch.close()


@contextmanager
def share(folder: str, at: str) -> Iterator[subprocess.Popen[bytes]]:
    """A folder, mounted through a FUSE server; whatever state that is in at the end, it is unmounted."""
    with Path("/proc/self/mountinfo").open() as mounts:
        changes = select.poll()
        changes.register(mounts, select.POLLPRI)
        with subprocess.Popen(["bindfs", "-f", "--no-allow-other", folder, at]) as server:
            try:
                assert changes.poll(TIMEOUT * 1000)
                yield server
            finally:
                server.kill()
            run("umount", at)


# What is seen


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (lambda pics, new: (pics / "a.png").write_bytes(b"new"), "a.png"),
        (lambda pics, new: (pics / "A.PNG").touch(), "A.PNG"),
        (lambda pics, new: overwrite(pics / "old.png"), "old.png"),
        (lambda pics, new: append(pics / "old.png"), "old.png"),
        (lambda pics, new: (pics / "old.png").rename(pics / "a.png"), "a.png"),
        (lambda pics, new: new.rename(pics / "a.png"), "a.png"),
        (lambda pics, new: new.replace(pics / "old.png"), "old.png"),
        (lambda pics, new: os.link(new, pics / "a.png"), "a.png"),
        (lambda pics, new: Path(os.fsdecode(bytes(pics) + b"/\xff\n.png")).touch(), "\udcff\n.png"),
    ],
)
def test_a_new_or_changed_picture_is_seen(
    pics: Path, elsewhere: Path, watching: Watching, act: Callable[[Path, Path], object], name: str
) -> None:
    watched = watching(source(pics))
    act(pics, elsewhere / "new.png")
    assert watched.next() == Sighting(f"{pics}/{name}", "pics", Origin.WATCH)


def test_a_picture_that_is_still_being_written_is_seen_again(pics: Path, watching: Watching) -> None:
    watched = watching(source(pics))
    with (pics / "a.png").open("wb", buffering=0) as file:
        watched.until(pics / "a.png")
        watched.before_marker(pics)
        file.write(b"more")
        watched.until(pics / "a.png")


@pytest.mark.parametrize(
    "act",
    [
        lambda pics: (pics / "old.png").read_bytes(),
        lambda pics: (pics / "old.png").chmod(0o600),
        lambda pics: os.utime(pics / "old.png", (0, 0)),
        lambda pics: list(pics.iterdir()),
        lambda pics: (pics / "old.png").unlink(),
        lambda pics: (pics / "old.png").rename(pics.parent / "old.png"),
        lambda pics: (pics / "a.txt").write_text("text"),
        lambda pics: (pics / ".a.png").touch(),
        lambda pics: (pics / ".hidden").mkdir(),
        lambda pics: (pics / "@eaDir").mkdir(),
        lambda pics: (pics / "raw").mkdir(),
        lambda pics: (pics / "draft.png").touch(),
        lambda pics: (pics.parent / "beside.png").touch(),
    ],
)
def test_what_makes_no_new_picture_is_not_seen(
    pics: Path, watching: Watching, act: Callable[[Path], object]
) -> None:
    watched = watching(source(pics, exclude=("raw", "draft*")))
    act(pics)
    assert watched.before_marker(pics) == []


def test_a_new_folder_is_seen_and_watched(pics: Path, watching: Watching) -> None:
    watched = watching(source(pics))
    (pics / "new").mkdir()
    assert watched.next() == Sighting(f"{pics}/new", "pics", Origin.WATCH)
    (pics / "new/a.png").touch()
    assert watched.next().path == f"{pics}/new/a.png"


def test_a_tree_that_is_moved_in_is_seen_as_one_folder(
    pics: Path, elsewhere: Path, watching: Watching
) -> None:
    watched = watching(source(pics))
    (elsewhere / "tree").rename(pics / "tree")
    assert watched.next() == Sighting(f"{pics}/tree", "pics", Origin.WATCH)
    assert watched.before_marker(pics / "tree/a/b") == []


def test_a_folder_that_is_renamed_is_watched_under_its_new_name(pics: Path, watching: Watching) -> None:
    (pics / "before/deep").mkdir(parents=True)
    watched = watching(source(pics))
    (pics / "before").rename(pics / "after")
    assert watched.next() == Sighting(f"{pics}/after", "pics", Origin.WATCH)
    assert watched.before_marker(pics / "after/deep") == []


def test_nothing_is_lost_in_folders_made_and_filled_at_once(pics: Path, watching: Watching) -> None:
    watched = watching(source(pics))
    pictures = {pics / f"{number}/a/b/c.png" for number in range(30)}
    for picture in pictures:
        picture.parent.mkdir(parents=True)
        picture.touch()
    seen = {Path(sighting.path) for sighting in watched.before_marker(pics)}
    assert all(picture in seen or seen.intersection(picture.parents) for picture in pictures)


# Whose it is


def test_in_nested_sources_a_picture_is_seen_once_by_its_owner(pics: Path, watching: Watching) -> None:
    (pics / "inner").mkdir()
    watched = watching(source(pics, "outer"), source(pics / "inner", "inner"))
    os.link(pics / "old.png", pics / "inner/a.png")
    os.link(pics / "old.png", pics / "a.png")
    seen = [watched.next(), watched.next()]
    assert {(sighting.path, sighting.source) for sighting in seen} == {
        (f"{pics}/inner/a.png", "inner"),
        (f"{pics}/a.png", "outer"),
    }
    assert watched.before_marker(pics) == []
    assert watched.before_marker(pics / "inner") == []


def test_a_picture_moved_to_another_source_is_seen_there(
    pics: Path, elsewhere: Path, watching: Watching
) -> None:
    watched = watching(source(pics), source(elsewhere, "other"))
    (pics / "old.png").rename(elsewhere / "a.png")
    assert watched.next() == Sighting(f"{elsewhere}/a.png", "other", Origin.WATCH)


def test_a_source_that_is_not_recursive_sees_only_its_direct_children(pics: Path, watching: Watching) -> None:
    (pics / "below").mkdir()
    watched = watching(source(pics, recursive=False))
    (pics / "below/a.png").touch()
    (pics / "new").mkdir()
    assert watched.before_marker(pics) == []


def test_a_source_limited_to_a_folder_is_watched_from_there(pics: Path, watching: Watching) -> None:
    (pics / "2026").mkdir()
    watched = watching(source(pics).within(pics / "2026"))
    (pics / "a.png").touch()
    assert watched.before_marker(pics / "2026") == []


def test_a_source_that_is_a_link_is_watched_under_its_own_name(pics: Path, watching: Watching) -> None:
    link = pics.parent / "link"
    link.symlink_to(pics)
    watched = watching(source(link))
    (pics / "a.png").touch()
    assert watched.next().path == f"{link}/a.png"


def test_a_link_asks_for_a_scan_where_links_are_followed(
    pics: Path, elsewhere: Path, watching: Watching
) -> None:
    watched = watching(source(pics).model_copy(update={"follow_links": (elsewhere,)}))
    for name, target in (("a.png", elsewhere / "new.png"), ("linked", elsewhere)):
        (pics / name).symlink_to(target)
        watched.losses.get(timeout=TIMEOUT)
    assert watched.before_marker(pics) == []


# Arming


def test_a_missing_folder_is_watched_once_it_is_there(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    usb, here = source(pics / "usb", "usb"), source(pics)
    watched = watching(usb, here)
    assert watched.armed == [here]
    assert watched.watch.arm() == []
    (pics / "usb").mkdir()
    assert watched.watch.arm() == [usb]
    (pics / "usb/a.png").touch()
    assert watched.until(pics / "usb/a.png").source == "usb"
    assert watched.watch.polled == frozenset()
    assert caplog.messages == [
        f"{pics}/usb: is away: No such file or directory; it is looked for every two seconds",
        f"{pics}/usb: is watched now",
    ]


def test_a_file_in_place_of_a_folder_is_not_watched(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    assert watching(source(pics / "old.png")).armed == []
    assert caplog.messages == [
        f"{pics}/old.png: cannot be watched: Not a directory; name a folder in the config"
    ]


def test_a_folder_that_may_not_be_read_is_watched_once_it_may(pics: Path) -> None:
    [refused, watched] = apart(a_folder_is_closed, pics, as_root=False)
    assert refused == f"{pics}: cannot be watched: Permission denied; let the user that runs tagger read it"
    assert watched == f"{pics}: is watched now"


def a_folder_is_closed(folder: str) -> None:
    pics = Path(folder)
    pics.chmod(0)
    watched = Watched(inbox := source(pics))
    assert watched.watch.arm() == []
    pics.chmod(0o700)
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics) == []
    watched.watch.close()


def test_arming_again_changes_nothing_where_all_is_well(pics: Path, watching: Watching) -> None:
    watched = watching(source(pics))
    assert watched.watch.arm() == []
    os.link(pics / "old.png", pics / "a.png")
    assert [sighting.path for sighting in watched.before_marker(pics)] == [f"{pics}/a.png"]


@pytest.mark.parametrize("take_away", [shutil.rmtree, lambda pics: pics.rename(pics.parent / "old")])
def test_a_folder_that_is_away_for_a_while_is_watched_again(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture, take_away: Callable[[Path], object]
) -> None:
    caplog.set_level(logging.INFO)
    watched = watching(inbox := source(pics))
    take_away(pics)
    assert watched.watch.arm() == []
    assert watched.watch.arm() == []
    pics.mkdir()
    assert watched.watch.arm() == [inbox]
    (pics / "a.png").touch()
    assert watched.until(pics / "a.png")
    assert [message.split(": ")[1] for message in caplog.messages] == ["is away", "is watched now"]


def test_a_folder_that_is_replaced_between_two_rounds_is_watched_anew(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched = watching(inbox := source(pics))
    (pics.parent / "new").mkdir()
    pics.rename(pics.parent / "old")
    (pics.parent / "new").rename(pics)
    assert watched.watch.arm() == [inbox]
    (pics.parent / "old/a.png").touch()
    assert watched.before_marker(pics) == []
    assert caplog.messages == [f"{pics}: {REPLACED}"]


def test_a_folder_that_is_deleted_and_made_between_two_rounds_is_watched_anew(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    """Even if the new one has the old one's number, as is usual on ext4."""
    caplog.set_level(logging.INFO)
    watched = watching(inbox := source(pics))
    shutil.rmtree(pics)
    pics.mkdir()
    watched.emitter(pics).join(TIMEOUT)
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics) == []
    assert caplog.messages == [f"{pics}: {REPLACED}"]


def test_a_link_that_names_another_folder_is_followed_there(
    pics: Path, elsewhere: Path, watching: Watching
) -> None:
    link = pics.parent / "link"
    link.symlink_to(pics)
    watched = watching(inbox := source(link))
    link.unlink()
    link.symlink_to(elsewhere)
    assert watched.watch.arm() == [inbox]
    (pics / "a.png").touch()
    assert watched.before_marker(link) == []


# Mounts


def test_what_is_mounted_and_unmounted_is_noticed(pics: Path) -> None:
    apart(a_disk_comes_and_goes, pics)


def a_disk_comes_and_goes(folder: str) -> None:
    pics = Path(folder)
    watched = Watched(inbox := source(pics))
    assert watched.watch.arm() == [inbox]
    run("mount", "-t", "tmpfs", "disk", folder)
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics) == []
    numbers = pics.stat()
    run("umount", folder)
    run("mount", "-t", "tmpfs", "disk", folder)
    assert (pics.stat().st_dev, pics.stat().st_ino) == (numbers.st_dev, numbers.st_ino)
    watched.emitter(pics).join(TIMEOUT)
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics) == []
    run("umount", folder)
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics) == []
    watched.watch.close()


def test_what_is_mounted_inside_a_source_is_watched(pics: Path) -> None:
    (pics / "usb").mkdir()
    (pics / ".hidden").mkdir()
    apart(a_stick_comes_and_goes, pics)


def a_stick_comes_and_goes(folder: str) -> None:
    pics = Path(folder)
    watched = Watched(inbox := source(pics))
    assert watched.watch.arm() == [inbox]
    run("mount", "-t", "tmpfs", "stick", f"{folder}/usb")
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics / "usb") == []
    run("umount", f"{folder}/usb")
    run("mount", "-t", "tmpfs", "stick", f"{folder}/usb")
    watched.emitter(pics).join(TIMEOUT)
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics / "usb") == []
    run("mount", "-t", "tmpfs", "cache", f"{folder}/.hidden")
    assert watched.watch.arm() == []
    watched.watch.close()


@pytest.mark.skipif(not shutil.which("bindfs"), reason="needs bindfs, a FUSE file system")
def test_a_file_system_that_keeps_changes_to_itself_is_polled(pics: Path, elsewhere: Path) -> None:
    (pics / "old.png").unlink()
    assert apart(a_share_comes_and_goes, pics, elsewhere) == [
        f"{pics}: lies on fuse, which keeps changes to itself; it is scanned often instead",
        f"{pics}: {REPLACED}",
        f"{pics}: is watched now",
        f"{pics}: {REPLACED}",
        f"{pics}: holds {pics}/share, which lies on fuse, which keeps changes to itself; it is scanned often instead",
    ]


def a_share_comes_and_goes(folder: str, other: str) -> None:
    pics = Path(folder)
    with share(other, folder) as server:
        watched = Watched(inbox := source(pics), local := source(pics.parent, "local", recursive=False))
        os.kill(server.pid, signal.SIGSTOP)
        assert watched.watch.arm() == [inbox, local]
        assert watched.watch.polled == {"pics"}
        assert watched.watch.arm() == []
    assert watched.watch.arm() == [inbox]
    assert watched.watch.polled == frozenset()
    assert watched.before_marker(pics) == []
    (pics / "share").mkdir()
    assert watched.next().path == f"{folder}/share"
    with share(other, f"{folder}/share"):
        assert watched.watch.arm() == [inbox]
        assert watched.watch.polled == {"pics"}
        (pics / "a.png").touch()
        watched.until(pics / "a.png")
    watched.watch.close()


# Limits


@needs(OWN_LIMITS)
def test_a_machine_with_too_many_watchers_is_reported_with_the_remedy(pics: Path) -> None:
    [refused, watched] = apart(instances_run_out, pics)
    assert refused.startswith(
        f"{pics}: cannot be watched whole: inotify instance limit reached; raise the limit: "
    )
    assert "sysctl fs.inotify.max_user_instances" in refused
    assert watched == f"{pics}: is watched now"


def instances_run_out(folder: str) -> None:
    pics = Path(folder)
    watched = Watched(inbox := source(pics))
    grant("instances", 0)
    watched.watch.arm()
    watched.time += 60
    watched.watch.arm()
    assert watched.watch.polled == {"pics"}
    grant("instances", 10)
    watched.time += 59
    assert watched.watch.arm() == []
    watched.time += 1
    assert watched.watch.arm() == [inbox]
    assert watched.watch.polled == frozenset()
    assert watched.before_marker(pics) == []
    watched.watch.close()


@contextmanager
def no_more_files(but: int = 0) -> Iterator[None]:
    """Not one more can be opened, or few."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1 + but, limits[1]))
        yield
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_open_files_that_run_out_do_not_disturb_what_is_watched(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched = watching(source(pics))
    with no_more_files():
        assert watched.watch.arm() == []
    assert watched.watch.arm() == []
    assert caplog.messages == []


@pytest.mark.parametrize("spare", range(4))
def test_what_is_begun_with_too_few_open_files_is_reported_and_leaves_none_open(
    pics: Path, caplog: pytest.LogCaptureFixture, spare: int
) -> None:
    watched = Watched(source(pics))
    with no_more_files(but=spare):
        watched.watch.arm()
    assert watched.watch.polled == (frozenset() if spare == 3 else {"pics"})
    assert ("cannot be watched whole: Too many open files; raise the limit:" in caplog.text) == (spare < 3)
    watched.watch.close()


def test_a_machine_with_no_thread_left_is_reported_and_tried_again(
    pics: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(inbox := source(pics))
    size = threading.stack_size(1 << 46)  # more than there is to address
    watched.watch.arm()
    threading.stack_size(size)
    assert watched.watch.polled == {"pics"}
    assert "cannot be watched whole: can't start new thread; it is tried again every minute" in caplog.text
    watched.time += 60
    assert watched.watch.arm() == [inbox]
    assert watched.before_marker(pics) == []
    watched.watch.close()


@needs(OWN_LIMITS)
@pytest.mark.parametrize("limit", ["0", "5"])
def test_more_folders_than_may_be_watched_are_reported_with_the_remedy(pics: Path, limit: str) -> None:
    for number in range(10):
        (pics / str(number)).mkdir()
    [refused, watched] = apart(watches_run_out_at_the_start, pics, limit)
    assert refused.startswith(
        f"{pics}: cannot be watched whole: inotify watch limit reached; raise the limit: "
    )
    assert "sysctl fs.inotify.max_user_watches" in refused
    assert watched == f"{pics}: is watched now"


def watches_run_out_at_the_start(folder: str, limit: str) -> None:
    pics = Path(folder)
    watched = Watched(inbox := source(pics))
    grant("watches", int(limit))
    assert watched.watch.arm() == [inbox]
    assert watched.watch.polled == {"pics"}
    watched.time += 60
    watched.watch.arm()
    assert watched.watch.polled == {"pics"}
    grant("watches", 1000)
    watched.time += 59
    assert watched.watch.arm() == []
    watched.time += 1
    assert watched.watch.arm() == [inbox]
    assert watched.watch.polled == frozenset()
    assert watched.before_marker(pics / "9") == []
    watched.watch.close()


@needs(OWN_LIMITS)
def test_a_new_folder_that_gets_no_watch_is_noticed(pics: Path) -> None:
    [refused, watched] = apart(watches_run_out_later, pics)
    assert refused.startswith(f"{pics}: cannot be watched whole: inotify watch limit reached; ")
    assert watched == f"{pics}: is watched now"


def watches_run_out_later(folder: str) -> None:
    pics = Path(folder)
    watched = Watched(inbox := source(pics))
    grant("watches", 2)
    assert watched.watch.arm() == [inbox]
    for name in ("1", "2"):
        (pics / name).mkdir()
        assert watched.next().path == f"{folder}/{name}"
    assert watched.watch.arm() == [inbox]
    assert watched.watch.polled == {"pics"}
    assert watched.watch.arm() == []
    grant("watches", 1000)
    watched.time += 60
    assert watched.watch.arm() == [inbox]
    assert watched.watch.polled == frozenset()
    assert watched.before_marker(pics / "2") == []
    watched.watch.close()


def grant(what: str, number: int) -> None:
    Path(f"/proc/sys/user/max_inotify_{what}").write_text(str(number))


# Overflow


def test_where_the_kernel_drops_events_it_is_said_and_new_folders_are_watched(pics: Path) -> None:
    with Child(pics) as child:
        with child.stopped():
            overflow(pics)
            (pics / "new").mkdir()
        child.until("lost")
        (pics / "new/a.png").touch()
        child.until(f"{pics}/new/a.png")
        with child.stopped():
            overflow(pics)
        child.until("lost")
    [said] = child.log
    assert said.startswith("events were lost: the kernel's queue was full; all sources are scanned again. ")
    assert "sysctl fs.inotify.max_queued_events" in said


def test_a_folder_that_was_replaced_while_events_were_dropped_is_watched(pics: Path) -> None:
    """Even if the new one has the old one's number, as is usual on ext4."""
    with Child(pics) as child:
        with child.stopped():
            overflow(pics)
            shutil.rmtree(pics)
        child.until("lost")
        pics.mkdir()
        child.arm()
        child.until("armed ['pics']")
        (pics / "a.png").touch()
        child.until(f"{pics}/a.png")


def overflow(folder: Path) -> None:
    """Of two files in turn, because the kernel says only once what happens to one twice."""
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with (folder / "a.txt").open("wb", 0) as a, (folder / "b.txt").open("wb", 0) as b:
        for _ in range(room):
            a.write(b"a")
            b.write(b"b")


# Threads that die


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("kind", ["observer", "reader", "emitter"])
def test_a_thread_of_watchdogs_that_dies_is_replaced(
    pics: Path,
    elsewhere: Path,
    watching: Watching,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    watched = watching(source(pics), source(elsewhere, "other"))
    emitter = watched.emitter(pics)
    threads = {"observer": watched.observer, "reader": watched.observer._inotify_fd, "emitter": emitter}
    assert emitter._inotify
    queue_lock = emitter._inotify._move_event_grouper._queue._lock
    kill(threads[kind], pics)
    assert [source.name for source in watched.watch.arm()] == ["pics", "other"]
    assert watched.watch.arm() == []
    for folder in (pics, elsewhere):
        (folder / "a.png").touch()
        watched.until(folder / "a.png")
    assert caplog.messages == [f"watchdog's {kind} thread has died; all sources are watched anew and scanned"]
    assert open_files()["anon_inode:inotify"] == 1
    if queue_lock.locked():  # by the dead emitter: what waits for it was left behind
        queue_lock.release()


def kill(thread: threading.Thread, folder: Path) -> None:
    """As an error would that nothing catches: at its next step, for which an event in the folder wakes it."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
    )
    (folder / "wake.png").touch()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


# Trouble


def test_what_goes_wrong_with_one_event_does_not_end_the_watch(
    pics: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sightings: Queue = queue.SimpleQueue()

    def see(sighting: Sighting) -> None:
        if sighting.path.endswith("bad.png"):
            raise RuntimeError("no room")
        sightings.put(sighting)

    sources = [source(pics)]
    watch = Watch(sources, Filters(sources, {".png"}), Told(see))
    watch.arm()
    (pics / "bad.png").touch()
    (pics / "good.png").touch()
    assert sightings.get(timeout=TIMEOUT).path == f"{pics}/good.png"
    watch.close()
    assert "an event was lost" in caplog.text
    assert "RuntimeError: no room" in caplog.text


def test_after_closing_nothing_is_seen_and_nothing_armed(pics: Path, watching: Watching) -> None:
    watched = watching(source(pics), source(pics / "away", "away"))
    watched.watch.close()
    (pics / "a.png").touch()
    assert watched.watch.arm() == []
    assert watched.sightings.empty()


def test_closing_does_not_wait_forever_for_a_thread_that_hangs(
    pics: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entered, release = threading.Event(), threading.Event()

    def hang(sighting: Sighting) -> None:
        entered.set()
        release.wait()

    sources = [source(pics)]
    watch = Watch(sources, Filters(sources, {".png"}), Told(hang))
    watch.arm()
    (pics / "a.png").touch()
    assert entered.wait(TIMEOUT)
    watch.close(deadline=0.1)
    assert "did not stop" in caplog.text
    release.set()
    watch.close()
