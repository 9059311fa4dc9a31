"""What happens in a folder is seen; what does not matter is not. Real watchdog, real folders.

That something is *not* seen is shown by a marker: a file made afterwards, whose sighting comes next.
"""

import os
import queue
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tagger.config import Source
from tagger.ingest.filters import Filters
from tagger.ingest.watch import Watch
from tagger.records import Origin, Sighting

TIMEOUT = 20
Queue = queue.SimpleQueue[Sighting]


class Watched:
    """A watch of some sources, and what it has seen."""

    def __init__(self, *sources: Source) -> None:
        self.sightings: Queue = queue.SimpleQueue()
        self.watch = Watch(sources, Filters(sources, {".png"}), self.sightings.put)

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
        started[-1].watch.arm()
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


# Arming


def test_a_missing_folder_is_watched_once_it_is_there(
    pics: Path, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    away, here = source(pics / "usb", "usb"), source(pics)
    watched = watching(away, here)
    assert watched.watch.arm() == [away]
    assert caplog.text.count(f"{pics}/usb: cannot be watched: No such file or directory") == 1
    (pics / "usb").mkdir()
    assert watched.watch.arm() == []
    (pics / "usb/a.png").touch()
    assert watched.until(pics / "usb/a.png").source == "usb"


def test_a_file_in_place_of_a_folder_is_not_watched(pics: Path) -> None:
    file = source(pics / "old.png")
    watched = Watched(file)
    assert watched.watch.arm() == [file]
    watched.watch.close()


def test_arming_again_changes_nothing_where_all_is_well(pics: Path, watching: Watching) -> None:
    watched = watching(source(pics))
    assert watched.watch.arm() == []
    os.link(pics / "old.png", pics / "a.png")
    assert [sighting.path for sighting in watched.before_marker(pics)] == [f"{pics}/a.png"]


@pytest.mark.parametrize("take_away", [shutil.rmtree, lambda pics: pics.rename(pics.parent / "old")])
def test_a_folder_that_was_replaced_is_watched_after_arming_again(
    pics: Path, watching: Watching, take_away: Callable[[Path], object]
) -> None:
    inbox = source(pics)
    watched = watching(inbox)
    take_away(pics)
    assert watched.watch.arm() == [inbox]
    pics.mkdir()
    assert watched.watch.arm() == []
    (pics / "a.png").touch()
    assert watched.next().path == f"{pics}/a.png"


def test_too_many_watchers_on_the_machine_are_reported_with_the_remedy(
    pics: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = source(pics)
    watched = Watched(inbox)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1, limits[1]))
        unarmed = watched.watch.arm()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert unarmed == [inbox]
    assert "sysctl fs.inotify.max_user_instances" in caplog.text
    assert watched.watch.arm() == []
    watched.watch.close()


WITH_FEW_WATCHES = """
import sys
from pathlib import Path
from tagger.config import Source
from tagger.ingest.filters import Filters
from tagger.ingest.watch import Watch

limit, source = Path("/proc/sys/user/max_inotify_watches"), Source(path=Path(sys.argv[1]), name="pics")
watch = Watch([source], Filters([source], {".png"}), print)
limit.write_text(sys.argv[2])
print([unarmed.name for unarmed in watch.arm()])
limit.write_text("1000")
print([unarmed.name for unarmed in watch.arm()])
watch.close()
"""


@pytest.mark.parametrize("limit", ["0", "5"])
def test_more_folders_than_may_be_watched_are_reported_with_the_remedy(pics: Path, limit: str) -> None:
    namespace = ["unshare", "--user", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("needs unshare and user namespaces, to have a limit of its own")
    for number in range(10):
        (pics / str(number)).mkdir()
    command = [*namespace, sys.executable, "-c", WITH_FEW_WATCHES, str(pics), limit]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "['pics']\n[]\n"
    assert f"{pics}: cannot be watched: inotify watch limit reached; raise the limit: sysctl" in done.stderr


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
    watch = Watch(sources, Filters(sources, {".png"}), see)
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
    watch = Watch(sources, Filters(sources, {".png"}), hang)
    watch.arm()
    (pics / "a.png").touch()
    assert entered.wait(TIMEOUT)
    watch.close(deadline=0.1)
    assert "did not stop" in caplog.text
    release.set()
    watch.close()
