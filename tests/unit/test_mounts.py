"""The kernel's table of mounts, as texts and as it is here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.host import mounts
from tagger.host.mounts import Volume, announces_changes, around, below, doubt, file_system, parse, volume
from tests.allowed import OWN_MOUNTS, needs

TABLE = rb"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 8:17 / /mnt/disk rw,relatime shared:7 master:2 - fuseblk /dev/sdb1 rw,user_id=0
31 27 0:44 /pictures /mnt/nas rw,relatime shared:9 - nfs4 nas:/export/pictures rw,vers=4.2
33 31 0:50 / /mnt/nas/local rw - tmpfs  rw
34 27 0:51 / /mnt/my\040pictures\011\012\134040 rw - fuse.sshfs me@host:/a\040-\040b rw
37 27 0:54 / /mnt/auto rw - autofs systemd-1 rw,fd=51
38 37 0:55 / /mnt/auto rw - xfs /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/me", "ext4"),
        ("/mnt", "ext4"),
        ("/mnt/nasty", "ext4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/2026/a.png", "nfs4"),
        ("/mnt/nas/local/a.png", "tmpfs"),
        ("/mnt/disk/a.png", "fuseblk"),
        ("/mnt/my pictures\t\n\\040/a.png", "fuse.sshfs"),
        ("/mnt/auto/a.png", "xfs"),
    ],
)
def test_a_path_lies_on_the_innermost_mount_around_it_and_there_on_the_last(path: str, kind: str) -> None:
    mount = around(path, parse(TABLE))
    assert mount
    assert mount.kind == kind


def test_a_name_that_is_not_utf_8_is_as_python_gives_it() -> None:
    [mount] = parse(b"36 27 0:53 / /mnt/\xff rw - cifs //host/share rw\n")
    assert mount.point == os.fsdecode(b"/mnt/\xff")


@pytest.mark.parametrize(
    "line", [b"", b"36 27", b"36 27 0:53 / /mnt rw", b"36 27 0:53 / /mnt rw - ", b" - nfs"]
)
def test_a_line_that_says_less_than_it_should_is_passed_over(line: bytes) -> None:
    assert parse(line) == ()


def test_mounts_inside_a_folder_are_found() -> None:
    table = parse(TABLE)
    assert [mount.point for mount in below("/mnt/nas", table)] == ["/mnt/nas/local"]
    assert below("/mnt/na", table) == []
    assert len(below("/", table)) == len(table) - 1


@pytest.mark.parametrize(
    "kind", ["ext4", "btrfs", "xfs", "zfs", "tmpfs", "overlay", "fuseblk", "vfat", "exfat", ""]
)
def test_local_file_systems_announce_changes(kind: str) -> None:
    assert announces_changes(kind)


SHARED = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "fuse",
    "fuse.sshfs",
    "9p",
    "ceph",
    "vboxsf",
    "virtiofs",
    "davfs",
    "autofs",
]


@pytest.mark.parametrize("kind", SHARED)
def test_those_that_others_can_change_do_not(kind: str) -> None:
    assert not announces_changes(kind)


def test_a_real_path_is_looked_up_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/self")
    assert file_system("/proc/self/stat") == "proc"
    assert file_system(tmp_path / "link" / "not there") == "proc"
    assert file_system(tmp_path) not in ("", "proc")


def test_without_a_table_nothing_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = mounts.table()
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "away")
    assert file_system(tmp_path) == ""
    assert mounts.table(known) == known


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Volume("ext4", "a"), Volume("ext4", "a"), True),
        (Volume("ext4", "a"), Volume("ext4", "b"), False),
        (Volume("ext4", "a"), Volume("nfs", "nas:/a"), False),
        (Volume("vfat"), Volume("vfat"), None),
        (Volume("vfat"), Volume("vfat", "1234-ABCD"), None),
        (Volume(), Volume("vfat"), None),
    ],
)
def test_two_file_systems_are_told_apart_by_their_types_and_names(
    one: Volume, other: Volume, same: bool
) -> None:
    assert one.is_same(other) is same
    assert other.is_same(one) is same
    assert Volume.read(str(one)) == one


def test_a_share_is_known_by_what_its_server_calls_it_whatever_dialect_is_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {
        "nfs4": "nas:/export/a b",
        "smb3": "//nas/share",
        "zfs": "tank/pictures",
        "tmpfs": "none",
        "overlay": "overlay",
    }
    found = {}
    for kind, source in lines.items():
        text = f"1 0 0:1 / / rw - {kind} {source.replace(' ', chr(92) + '040')} rw"
        monkeypatch.setattr(mounts, "table", lambda text=text: parse(text.encode()))
        found[kind] = str(volume(tmp_path))
    assert list(found.values()) == [
        "nfs nas:/export/a b",
        "cifs //nas/share",
        "zfs tank/pictures",
        "tmpfs",
        "overlay",
    ]


LOOPS = """
set -e
cd "$1"
for name in one other; do
    truncate -s 16M $name.img
    mkfs.ext4 -q $name.img
done
mkdir disk
for name in one other one; do
    mount -o loop $name.img disk
    "$2" -c 'from tagger.host.mounts import volume; print(volume("disk"))'
    umount disk
done
"""


@needs((*OWN_MOUNTS, "sh", "-c", "mkfs.ext4 -V && losetup -f", "sh"))
def test_a_disk_is_known_again_wherever_and_whenever_it_is_mounted(tmp_path: Path) -> None:
    said = subprocess.run(
        [*OWN_MOUNTS, "sh", "-c", LOOPS, "sh", str(tmp_path), sys.executable],
        capture_output=True,
        text=True,
        check=True,
    )
    one, other, again = said.stdout.splitlines()
    assert one == again != other
    assert one.startswith("ext4 ")


def test_a_folder_that_is_empty_or_away_or_on_another_disk_is_doubted(tmp_path: Path) -> None:
    here = volume(tmp_path)
    assert doubt(str(tmp_path), here) == "is empty"
    (tmp_path / "a.png").touch()
    assert doubt(str(tmp_path), here) == ""
    assert doubt(str(tmp_path), Volume()) == ""
    assert doubt(str(tmp_path), Volume("nfs", "nas:/a\x1b")) == f"is on {here} now, not on nfs nas:/a\\x1b"
    assert doubt(str(tmp_path / "away"), here) == "cannot be read: No such file or directory"
