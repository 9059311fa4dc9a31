"""The check of the folders tells whether they are there, can be read, and announce what changes in them.

What lies on a server is asked in another process first: a call to a dead one does not return, and could not be left.
"""

import ctypes
import errno
import os
import shlex
import subprocess
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from tagger.config.settings import Settings
from tagger.config.sources import Source
from tagger.doctor import account, passed_over
from tagger.doctor.finding import Finding
from tagger.host import beneath, mounts
from tagger.ingest.filters import Filters
from tagger.ingest.scan import Entered, PassedOver, SkipReason, meet
from tagger.ingest.source_mount import mount_of
from tagger.ingest.watch import REFUSED
from tagger.records import Stamp
from tagger.vision import heif
from tagger.vision.decode import SUFFIXES
from tagger.wording.escape import shown
from tagger.wording.extras import TAKE_HEIC
from tagger.wording.plural import counted
from tagger.wording.unicode_forms import path_spellings

FSTAB = Path("/etc/fstab")
LIMITS = (Path("/proc/sys/fs/inotify/max_user_watches"), Path("/proc/sys/user/max_inotify_watches"))
"""The machine has one, and this user namespace another; the smaller one counts."""

PATIENCE = 5
"""A server has so many seconds to answer."""

SAMPLE = 1000
"""Of so many pictures of each folder it is tried whether they may be read."""

REMOVABLE = ("/media/", "/mnt/", "/run/media/")


@dataclass
class Tree:
    """What a walk through a source has met: `closed` cannot be looked at, `unreadable` are pictures that may not be read.

    `left_out` are pictures, too, by names that only an extra decodes, if it is not there.
    """

    folders: int = 0
    pictures: int = 0
    left_out: int = 0
    closed: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    passed_over: dict[SkipReason, list[str]] = field(default_factory=dict)


def folders(settings: Settings) -> Iterator[Finding]:
    """Yield what is found of each folder, of folders within one another, and of the kernel's limits on watches."""
    if not settings.sources:
        yield Finding("problem", "no folder is named", "put one into the config: sources: [~/Pictures]")
        return
    filters, watched = Filters(settings.sources, SUFFIXES), 0
    for source in settings.sources:
        watched += yield from _folder(source, filters, settings.poll)
    yield from _neighbours(settings.sources)
    yield from _watches(watched)


def _folder(source: Source, filters: Filters, poll: float) -> Generator[Finding, None, int]:
    """Yield what is found of a folder. Return how many folders in it are watched."""
    if trouble := _absent(source):
        yield trouble
        return 0
    try:
        tree = _walk(source, filters)
    except beneath.OutsideError:
        what = f"{_name(source)} lies behind a symbolic link in {source.name}: nothing there is tagged"
        yield Finding("problem", what, f"name the folder itself: {shown(os.path.realpath(source.start))}")
        return 0
    yield from _contents(source, tree)
    yield from passed_over.findings(source, tree.pictures, tree.passed_over)
    silence = mount_of(source, filters, mounts.table()).silence
    if silence:
        hint = (
            f"a new picture waits for up to {poll:g} s (poll); run Tagger where the disk is, if that is long"
        )
        yield Finding("note", f"{_name(source)} {silence}", hint)
    return 0 if silence else tree.folders


def _absent(source: Source) -> Finding | None:
    """Return why nothing can be said of what is in it; None where it can be read."""
    path = source.start
    mount = mounts.around(str(path), mounts.table())
    if mount and not mounts.announces_changes(mount.kind) and not _answers(path):
        what = f"{_name(source)} lies on {mount.kind}, which does not answer"
        return Finding("problem", what, "is its server up? Tagger goes on with the other folders meanwhile")
    try:
        os.scandir(path).close()
    except OSError as error:
        return _refused(source, error)
    return None


def _refused(source: Source, error: OSError) -> Finding:
    name, path = _name(source), source.start
    match error:
        case FileNotFoundError():
            return Finding("problem", f"{name}: no such folder", _bring(path) or _respell(path))
        case NotADirectoryError():
            return Finding("problem", f"{name} is no folder", "name a folder")
        case PermissionError():
            return Finding("problem", f"{name} may not be read by {account.name()}", _open(path))
    hint = "the kernel's log may say more: dmesg"
    return Finding("problem", f"{name} cannot be read: {error.strerror}", hint)


def _answers(path: Path) -> bool:
    """Return whether it can be opened and read from: what `stat` tells may come from the kernel's own memory."""
    command = ("find", str(path), "-maxdepth", "0", "-empty")
    try:
        subprocess.run(command, timeout=PATIENCE, capture_output=True, check=False)  # noqa: S603 - looks at one path
    except subprocess.TimeoutExpired:
        return False
    return True


def _contents(source: Source, tree: Tree) -> Iterator[Finding]:
    if tree.left_out:
        what = f"{counted(tree.left_out, 'HEIC file')} in {_name(source)}, by name; this installation leaves HEIC out"
        yield Finding("warning", what, f"to take HEIC: {TAKE_HEIC}")
    if not tree.pictures:
        yield _empty(source, tree)
    else:
        counts = f"{counted(tree.pictures, 'picture')} in {counted(tree.folders, 'folder')}"
        rest = passed_over.in_words(tree.passed_over)
        yield Finding("ok", f"{_name(source)}: {counts}, on {mounts.file_system(source.start)}{rest}")
    if tree.closed:
        what = f"{counted(len(tree.closed), 'folder')} in it may not be read by {account.name()}: {shown(tree.closed[0])}"
        yield Finding("warning", what, _open(Path(tree.closed[0])))
    if tree.unreadable:
        what = f"pictures in it may not be read by {account.name()}, such as {shown(tree.unreadable[0])}"
        yield Finding("warning", what, _open(Path(tree.unreadable[0])))


def _empty(source: Source, tree: Tree) -> Finding:
    path = source.start
    if hint := _bring(path):
        return Finding("problem", f"{_name(source)} is empty: nothing is mounted there", hint)
    mount = mounts.around(os.path.realpath(path), mounts.table())
    if f"{path}/".startswith(REMOVABLE) and mount and mount.point == "/" and tree.folders == 1:
        hint = "mount what belongs there, if anything does"
        return Finding("warning", f"{_name(source)} is empty, and lies on the system's own disk", hint)
    return Finding("note", f"{_name(source)} holds no pictures yet{passed_over.in_words(tree.passed_over)}")


def _bring(path: Path) -> str:
    """Return how to mount what fstab has for the path, where it is not mounted; else nothing."""
    try:
        lines = FSTAB.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    planned = {field[1].replace("\\040", " ") for field in fields if len(field) > 2 and field[2] != "swap"}
    missing = planned - {mount.point for mount in mounts.table()}
    point = next((str(around) for around in (path, *path.parents) if str(around) in missing), "")
    return f"mount it: mount {shlex.quote(point)}; {FSTAB} has it" if point else ""


def _respell(path: Path) -> str:
    """Return what to do about a folder that is not there: another may be whose name looks the same."""
    others = (other for other in path_spellings(str(path)) if other != str(path))
    if any(os.path.isdir(other) for other in others):  # noqa: PTH112 - text, as it is spelled
        return "one that looks the same is there, with accents composed otherwise (NFC, NFD): copy its name from ls"
    return "make it, or name another"


def _walk(source: Source, filters: Filters) -> Tree:
    """Return what a scan would meet. Raises OSError where it could not begin."""
    tree = Tree()
    for met in meet(source, filters, str(source.start)):
        match met:
            case Entered():
                tree.folders += 1
            case Stamp(path):
                tree.pictures += 1
                tree.left_out += not heif.IS_READ and path.lower().endswith(heif.SUFFIXES)
                if tree.pictures <= SAMPLE and not account.may(path, os.R_OK) and account.may(path, os.F_OK):
                    tree.unreadable.append(path)
            case PassedOver(path, error=PermissionError()):
                tree.closed.append(path)
            case PassedOver(path, reason):
                tree.passed_over.setdefault(reason, []).append(path)
    tree.passed_over[SkipReason.FOLDER_LINK] = passed_over.linked_folders(
        tree.passed_over.pop(SkipReason.FOLDER_LINK, [])
    )
    return tree


def _neighbours(sources: Sequence[Source]) -> Iterator[Finding]:
    for one, other in combinations(sources, 2):
        outer, inner = sorted((one, other), key=lambda source: len(source.path.parts))
        if outer.path in inner.path.parents:
            yield Finding(
                "note", f"{_name(inner)} lies in {outer.name}: its pictures are {inner.name}'s alone"
            )
        elif _is_inside(os.path.realpath(outer.path), os.path.realpath(inner.path)):
            what = (
                f"{inner.name} and {outer.name} meet behind a symbolic link: pictures there are tagged twice"
            )
            yield Finding("warning", what, "name one of the two only")


def _is_inside(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _watches(wanted: int) -> Iterator[Finding]:
    if refusal := _refusal():
        hint = REFUSED.get(refusal, "close other programs that watch folders")
        yield Finding("warning", f"folders cannot be watched: {os.strerror(refusal)}", hint)
        return
    limit = min((int(file.read_text()) for file in LIMITS if file.exists()), default=0)
    what = f"{counted(wanted, 'folder')} to be watched, of {limit:,} that may be, other programs' included"
    hint = f"{REFUSED[errno.ENOSPC]}; to keep it, put fs.inotify.max_user_watches=524288 into /etc/sysctl.d/tagger.conf"
    if wanted > limit:
        yield Finding("warning", f"{what}: new pictures are found by scanning again and again", hint)
    elif wanted > limit / 2:
        yield Finding("note", what, hint)
    elif wanted:
        yield Finding("ok", what)


def _refusal() -> int:
    """Return why the kernel gives no queue of events, as an errno; 0 where it does."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0


def _open(path: Path) -> str:
    """Return how to let this account read a path."""
    shut = account.closed(path)
    right = "X" if shut != path else "rX"
    return f"let it: setfacl --modify u:{account.name()}:{right} {shlex.quote(str(shut))}"


def _name(source: Source) -> str:
    return f"{source.name} ({shown(str(source.start))})"
