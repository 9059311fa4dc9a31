"""Nothing outside a folder is opened, whichever way the kernel offers, and whenever a link is put on the way."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tagger.config.sources import Source
from tagger.config.tagging import DecodeSettings
from tagger.errors import TaggerError
from tagger.export import sidecars
from tagger.export.keywords import Keywords
from tagger.export.sidecars import Beside
from tagger.host import beneath
from tagger.host.beneath import FOLDER, LONGEST, PLACE, OutsideError, Reach
from tagger.ingest.filters import Filters
from tagger.ingest.scan import walk
from tagger.ingest.settle import Settling
from tagger.records import Content, Gone, Origin, Sighting, Stamp
from tagger.store.search.pictures import FoundPicture, Original
from tagger.vision.decode import read
from tagger.web.original import GoneError, opened
from tagger.web.thumbnails import Thumbnails, Wanted
from tests.integration.shelf import NOON
from tests.kernel import open_files

SECRET = b"the secret"
Swap = Callable[[Path], None]


@pytest.fixture(params=["openat2", "part by part"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "openat2" and not beneath._kernel_resolves():
        pytest.skip("this kernel, or what it runs in, has no openat2")
    monkeypatch.setattr(beneath, "_kernel_resolves", lambda: request.param == "openat2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source with one picture in a folder, and outside a file of the same name."""
    for folder, data in (("source/day", b"picture"), ("outside", SECRET)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.jpg").write_bytes(data)
    return tmp_path / "source"


def swap_folder(root: Path) -> None:
    (root / "day").rename(root / "moved")
    (root / "day").symlink_to(root.parent / "outside")


def swap_folder_for_one_inside(root: Path) -> None:
    (root / "day").rename(root / "moved")
    (root / "day").symlink_to("moved")


def swap_file(root: Path) -> None:
    (root / "day" / "x.jpg").unlink()
    (root / "day" / "x.jpg").symlink_to(root.parent / "outside" / "x.jpg")


SWAPS = pytest.mark.parametrize("swap", [swap_folder, swap_folder_for_one_inside, swap_file])


def bytes_of(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def stamp_of(root: Path) -> Stamp:
    path = f"{root}/day/x.jpg"
    return Stamp.of(path, "cam", os.lstat(path))


# The module


def test_a_file_is_opened_at_any_depth(root: Path) -> None:
    deep = root.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    (deep / "x.jpg").write_bytes(b"deep")
    assert bytes_of(beneath.opened(str(root), "a/b/c/d/e/f/x.jpg")) == b"deep"


def test_the_folder_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert bytes_of(beneath.opened(str(tmp_path / "link"), "day/x.jpg")) == b"picture"


@SWAPS
@pytest.mark.parametrize("flags", [beneath.FILE, FOLDER, PLACE | os.O_DIRECTORY])
def test_nothing_is_opened_past_a_link(root: Path, swap: Swap, flags: int) -> None:
    swap(root)
    before = open_files()
    with pytest.raises(OutsideError):
        beneath.opened(
            str(root), "day/x.jpg" if not flags & os.O_DIRECTORY or swap is swap_file else "day", flags
        )
    assert open_files() == before


@pytest.mark.parametrize(
    "path",
    ["../outside/x.jpg", "day/../../outside/x.jpg", "/etc/passwd", "day//x.jpg", "./day", "day\0x", "\ud800"],
)
def test_a_path_that_is_none_below_the_folder_is_nothing(root: Path, path: str) -> None:
    """As somebody may have written it into the database."""
    with pytest.raises(OutsideError):
        beneath.opened(str(root), path)


def test_a_folder_that_may_be_searched_and_not_listed_is_no_obstacle(root: Path) -> None:
    (root / "day").chmod(0o111)
    try:
        assert bytes_of(beneath.opened(str(root), "day/x.jpg")) == b"picture"
    finally:
        (root / "day").chmod(0o755)


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    os.close(beneath.opened(str(root), "pipe.jpg"))


@contextmanager
def long_path(root: Path, length: int) -> Iterator[str]:
    """Folders below folders, `length` bytes from the root on; made and removed through descriptors."""
    names = ["d" * 250] * (length // 251)
    names.append("e" * (length - 251 * len(names)))
    held = [os.open(root, os.O_RDONLY)]
    for name in names:
        os.mkdir(name, dir_fd=held[-1])
        held.append(os.open(name, os.O_RDONLY, dir_fd=held[-1]))
    try:
        yield "/".join(names)
    finally:
        for name, at in reversed(list(zip(names, held, strict=False))):
            os.close(held.pop())
            os.rmdir(name, dir_fd=at)
        os.close(held.pop())


def test_a_path_may_be_as_long_as_the_kernel_takes_it_from_the_folder_on(root: Path) -> None:
    with long_path(root, LONGEST - 1) as path:
        assert len(str(root)) + len(path) > LONGEST
        os.close(beneath.opened(str(root), path, FOLDER))


def test_a_path_that_is_longer_is_an_error_that_says_so(root: Path) -> None:
    with long_path(root, LONGEST + 1) as path, pytest.raises(OSError, match="too long"):
        beneath.opened(str(root), path, FOLDER)


# Each who opens


def test_a_scan_does_not_enter_a_folder_that_became_a_link_after_it_was_listed(root: Path) -> None:
    for number in range(3):
        (root / f"{number}.jpg").touch()
    source = Source(path=root, name="cam")
    pages = walk(source, Filters([source], {".jpg"}), page_size=1)
    found = next(pages)  # by now the root has been begun
    swap_folder(root)
    found += [stamp for page in pages for stamp in page]
    paths = {os.path.relpath(stamp.path, root) for stamp in found}
    assert "day/x.jpg" not in paths
    assert {"0.jpg", "1.jpg", "2.jpg"} <= paths


def test_a_folder_in_a_link_s_place_is_not_scanned_when_an_event_asks_for_it(root: Path) -> None:
    swap_folder(root)
    source = Source(path=root, name="cam")
    with pytest.raises(OutsideError):
        list(walk(source, Filters([source], {".jpg"}), folder=f"{root}/day"))


def test_a_scan_finds_what_can_be_named_and_says_of_the_rest_that_it_is_left_out(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(path=root, name="cam")
    with long_path(root, LONGEST - len(str(root)) - len("//a.jpg")) as path:
        at = beneath.opened(str(root), path, FOLDER)
        try:
            for name in ("a.jpg", "ab.jpg", "é.jpg"):
                os.close(os.open(name, os.O_CREAT, dir_fd=at))
            os.mkdir("folder", dir_fd=at)
            found = {stamp.path for page in walk(source, Filters([source], {".jpg"})) for stamp in page}
            for name in ("a.jpg", "ab.jpg", "é.jpg"):
                os.unlink(name, dir_fd=at)
            os.rmdir("folder", dir_fd=at)
        finally:
            os.close(at)
    assert found == {f"{root}/day/x.jpg", f"{root}/{path}/a.jpg"}
    assert caplog.text.count("too long") == 3


@SWAPS
def test_a_file_that_leads_outside_by_the_time_it_has_settled_is_let_go(root: Path, swap: Swap) -> None:
    held = Settling({"cam": 0.5}, lambda one: beneath.stat(str(root), one.path))
    held.add(Sighting(f"{root}/day/x.jpg", "cam", Origin.WATCH), 0)
    assert held.due(0).settled == []
    swap(root)
    assert held.due(1).settled == []
    assert len(held) == 0


@SWAPS
def test_a_file_that_leads_outside_by_the_time_it_is_read_is_gone(root: Path, swap: Swap) -> None:
    """Though what is there has the very stamp that was seen."""
    swap(root)
    found = (root / "day" / "x.jpg").stat()
    stamp = Stamp.of(f"{root}/day/x.jpg", "cam", found)
    assert isinstance(read(stamp, 1000), Gone)
    assert isinstance(read(stamp, 1000, {"cam": Reach(str(root))}), Gone)


def test_a_file_is_read_below_a_source_that_is_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    stamp = stamp_of(tmp_path / "link")
    content = read(stamp, 1000, {"cam": Reach(str(tmp_path / "link"))})
    assert isinstance(content, Content)
    assert content.data == b"picture"


@SWAPS
def test_a_picture_s_own_file_and_its_thumbnail_are_not_shown_from_outside(
    root: Path, tmp_path: Path, swap: Swap
) -> None:
    original = Original(str(root), "day/x.jpg", None, "JPEG")
    with opened(original) as file:
        assert file.read() == b"picture"
    swap(root)
    with pytest.raises(GoneError):
        opened(original)
    with closing(Thumbnails(tmp_path / "cache", DecodeSettings())) as thumbnails, pytest.raises(GoneError):
        thumbnails.ask(Wanted(original, 64)).result()


def picture(root: Path) -> FoundPicture:
    return FoundPicture(1, f"{root}/day/x.jpg", "cam", "done", NOON, NOON, NOON, 1, (), ())


def test_no_sidecar_is_written_outside_however_late_the_folder_becomes_a_link(root: Path) -> None:
    sidecar = Beside({"cam": str(root)}).sidecar(picture(root))
    assert sidecar
    assert sidecars.write(sidecar, Keywords(("dog",), ()))
    with sidecar.folder() as folder:
        swap_folder(root)
        assert sidecars._read(sidecar.path, folder)[0]  # its descriptor still is the picture's folder
    with pytest.raises(TaggerError, match="link"):
        sidecars.write(sidecar, Keywords(("cat",), ()))
    assert sorted(os.listdir(root.parent / "outside")) == ["x.jpg"]
    assert Beside({"cam": str(root)}).sidecar(picture(root)) is None


def test_a_link_in_a_sidecar_s_place_is_left_alone(root: Path) -> None:
    (root / "day" / "x.jpg.xmp").symlink_to(root.parent / "outside" / "x.jpg")
    sidecar = Beside({"cam": str(root)}).sidecar(picture(root))
    assert sidecar
    with pytest.raises(TaggerError, match="symbolic link"):
        sidecars.write(sidecar, Keywords(("dog",), ()))
    assert (root.parent / "outside" / "x.jpg").read_bytes() == SECRET


# Where the kernel's own way is forbidden

FORBID = """
import ctypes, errno, os, struct, sys
number, answer = 437, getattr(errno, sys.argv[1])
program = b"".join(struct.pack("HBBI", *one) for one in (
    (0x20, 0, 0, 0),                        # the system call's number
    (0x15, 0, 1, number),                   # is it this one?
    (0x06, 0, 0, 0x00050000 | answer),      # then it fails so
    (0x06, 0, 0, 0x7FFF0000),               # else it is allowed
))
kept = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = (("size", ctypes.c_ushort), ("code", ctypes.c_void_p))
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.addressof(Filter(4, ctypes.addressof(kept))), 0, 0):
    sys.exit(77)
from tagger.host import beneath
assert not beneath._kernel_resolves()
print(os.read(beneath.opened(sys.argv[2], "day/x.jpg"), 100).decode())
"""


@pytest.mark.parametrize("answer", ["ENOSYS", "EPERM"])
def test_where_a_container_forbids_openat2_files_are_opened_all_the_same(root: Path, answer: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FORBID, answer, str(root)], capture_output=True, text=True, check=False
    )
    if said.returncode == 77:
        pytest.skip("no filter of system calls can be set here")
    assert (said.stdout, said.stderr) == ("picture\n", "")
