"""`tagger doctor` on machines with one thing wrong each, which is really wrong there."""

import json
import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest

from tagger.config.settings import Settings
from tagger.doctor.machine import clock
from tagger.heads import files
from tagger.heads.head import Fit, Head
from tagger.host import mounts
from tagger.records import ModelIdentity
from tagger.vision.engines.fake import IDENTITY
from tests.allowed import NO_PRIVILEGES, OWN_LIMITS, OWN_MOUNTS, needs
from tests.conftest import Painter
from tests.e2e.command import TAGGER, environment, running, tagger
from tests.e2e.site import TOKEN, serve, site_of

pytestmark = pytest.mark.long

Findings = dict[tuple[str, str], list[str]]
DAMAGED = {"TAGGER_ENGINE__BACKEND": "auto"}


def ask(home: Path, *arguments: object, within: Sequence[str] = (), **overrides: str) -> Findings:
    """What it finds, by topic and level, as words with what to do. Trouble has something to do, and exit code 1."""
    done = subprocess.run(
        [*within, TAGGER, "doctor", "--json", "--database", home / "tags.db", *map(str, arguments)],
        env=environment(home, **overrides),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert not done.stderr, done.stderr
    found: Findings = {}
    for one in json.loads(done.stdout)["findings"]:
        assert one["hint"] or one["level"] in ("ok", "note"), one
        found.setdefault((one["topic"], one["level"]), []).append(f"{one['what']}\n{one['hint']}")
    assert done.returncode == any(level in ("warning", "problem") for _, level in found)
    return found


def config(home: Path, *folders: Path) -> dict[str, str]:
    (home / "config.yaml").write_text(json.dumps({"sources": [str(folder) for folder in folders]}))
    return {"TAGGER_CONFIG": str(home / "config.yaml")}


def shell(script: str) -> tuple[str, ...]:
    """The command that follows, after a script, with mounts of its own."""
    return (*OWN_MOUNTS, "sh", "-c", f'{script} && exec "$@"', "sh")


def test_a_machine_where_all_is_well(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    paint(inbox / "a.png")
    tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db")
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    page = tagger(tmp_path, "doctor", inbox, "--database", tmp_path / "tags.db")
    assert (page.returncode, page.stderr) == (0, "")
    for words in ("1 picture in 1 folder", "tags.db is whole", "fake", "GB left", "all is well"):
        assert words in page.stdout
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {path: found.st_mtime_ns for path, found in before.items()} == {
        path: found.st_mtime_ns for path, found in after.items()
    }


# Folders


def test_no_folder_at_all(tmp_path: Path) -> None:
    [said] = ask(tmp_path)["folders", "problem"]
    assert "no folder is named" in said


def test_folders_that_are_not_there_or_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = ask(tmp_path, **config(tmp_path, tmp_path / "nowhere", tmp_path / "file"))["folders", "problem"]
    assert ["no such folder" in said[0], "is no folder" in said[1]] == [True, True]


def test_a_folder_whose_name_is_composed_otherwise(tmp_path: Path) -> None:
    (tmp_path / normalize("NFD", "Köln")).mkdir()
    [said] = ask(tmp_path, **config(tmp_path, tmp_path / normalize("NFC", "Köln")))["folders", "problem"]
    assert "one that looks the same is there" in said


@needs(NO_PRIVILEGES)
def test_folders_and_pictures_that_may_not_be_read(tmp_path: Path, paint: Painter) -> None:
    for place in ("closed/a.png", "way/in/a.png", "half/a.png", "half/inner/b.png"):
        paint(tmp_path / place)
    for place in ("closed", "way", "half/a.png", "half/inner"):
        (tmp_path / place).chmod(0)
    folders = [tmp_path / "closed", tmp_path / "way" / "in", tmp_path / "half"]
    found = ask(tmp_path, within=NO_PRIVILEGES, **config(tmp_path, *folders))
    for place in ("way", "half/inner", "closed"):
        (tmp_path / place).chmod(0o755)
    closed, way = found["folders", "problem"]
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert f"setfacl --modify u:{me}:rX {tmp_path}/closed" in closed
    assert way.endswith(f"setfacl --modify u:{me}:X {tmp_path}/way")
    inner, picture = found["folders", "warning"]
    assert f"{tmp_path}/half/inner" in inner
    assert f"{tmp_path}/half/a.png" in picture


@needs(OWN_MOUNTS)
@pytest.mark.skipif(not Path("/etc/fstab").exists(), reason="needs /etc/fstab")
def test_a_disk_that_fstab_has_and_nobody_has_mounted(tmp_path: Path, inbox: Path) -> None:
    (tmp_path / "fstab").write_text(
        f"# disks\nLABEL=pictures {inbox} ext4 defaults 0 2\nnone none swap sw 0 0\n"
    )
    bound = shell(f"mount --bind {tmp_path}/fstab /etc/fstab")
    for folders in ((inbox,), (inbox / "2026",)):
        [said] = ask(tmp_path, within=bound, **config(tmp_path, *folders))["folders", "problem"]
        assert f"mount {inbox}; /etc/fstab has it" in said
    mounted = shell(f"mount --bind {tmp_path}/fstab /etc/fstab && mount -t tmpfs none {inbox}")
    assert ask(tmp_path, within=mounted, **config(tmp_path, inbox))["folders", "note"]


def test_an_empty_place_for_disks(tmp_path: Path) -> None:
    places = [place for place in map(Path, ("/media", "/mnt")) if place.is_dir() and not any(place.iterdir())]
    if not places or mounts.around(str(places[0]), mounts.table()) != mounts.around("/", mounts.table()):
        pytest.skip("needs an empty /media or /mnt")
    [said] = ask(tmp_path, **config(tmp_path, places[0]))["folders", "warning"]
    assert "is empty, and lies on the system's own disk" in said


def test_folders_inside_one_another_or_behind_a_link(tmp_path: Path, inbox: Path) -> None:
    (inbox / "inner").mkdir()
    (tmp_path / "link").symlink_to(inbox)
    found = ask(tmp_path, **config(tmp_path, inbox, inbox / "inner", tmp_path / "link"))
    assert any("lies in inbox" in said for said in found["folders", "note"])
    assert all("tagged twice" in said for said in found["folders", "warning"])


def test_what_is_counted_is_what_a_scan_tags_and_the_rest_is_told(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    """As git-annex lays files: what is in the folder are links to where they are kept."""
    for number in range(3):
        paint(tmp_path / "objects" / f"{number}.png")
        (inbox / f"{number}.png").symlink_to(tmp_path / "objects" / f"{number}.png")
    (inbox / "linked").symlink_to(tmp_path / "objects")
    (inbox / "notes").symlink_to(tmp_path / "nowhere")
    passed_over = "passed over: 3 symbolic links, 1 linked folder"
    found = ask(tmp_path, inbox)
    assert passed_over in found["folders", "note"][0]
    assert "symbolic links in inbox are not followed" in found["folders", "warning"][0]
    paint(inbox / "a.png")
    os.mkfifo(inbox / "pipe.png")
    (inbox / "@eaDir").mkdir()
    [first, _] = ask(tmp_path, inbox)["folders", "ok"]
    for words in (
        "1 picture in 1 folder",
        "3 symbolic links",
        "1 pipe or device",
        "1 hidden or system folder",
    ):
        assert words in first
    done = tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db")
    assert "1 new, 1 tagged" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["linked", "linked/day"])
def test_a_folder_behind_a_link_in_a_source(tmp_path: Path, inbox: Path, name: str) -> None:
    (tmp_path / "outside" / "day").mkdir(parents=True)
    (inbox / "linked").symlink_to(tmp_path / "outside")
    found = ask(tmp_path, inbox / name, **config(tmp_path, inbox))
    [said] = found["folders", "problem"]
    assert "lies behind a symbolic link" in said


@needs(OWN_LIMITS)
@pytest.mark.parametrize(
    ("limit", "said"), [("watches", "max_user_watches"), ("instances", "max_user_instances")]
)
def test_limits_of_what_may_be_watched(tmp_path: Path, inbox: Path, limit: str, said: str) -> None:
    for number in range(20):
        (inbox / str(number)).mkdir()
    few = f'echo {5 if limit == "watches" else 0} > /proc/sys/user/max_inotify_{limit} && exec "$@"'
    within = (*OWN_LIMITS, "sh", "-c", few, "sh")
    [warning] = ask(tmp_path, inbox, within=within)["folders", "warning"]
    assert f"sysctl fs.inotify.{said}" in warning


@contextmanager
def shared(folder: Path, share: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """bindfs stands for another machine."""
    share.mkdir()
    with subprocess.Popen(["bindfs", "-f", folder, share], stderr=subprocess.DEVNULL) as server:
        while not mounts.file_system(share).startswith("fuse"):
            if server.poll() is not None:
                pytest.skip("FUSE does not work here")
        try:
            yield server
        finally:
            server.send_signal(signal.SIGCONT)
            subprocess.run(["umount", share], check=True)


@needs(("bindfs", "--version"))
def test_a_share_is_polled_and_no_place_for_a_database(tmp_path: Path, inbox: Path) -> None:
    with shared(inbox, tmp_path / "share"):
        share = tmp_path / "share"
        found = ask(tmp_path, "--database", share / "tags.db", **config(tmp_path, share))
    assert any("on fuse" in said and "poll" in said for said in found["folders", "note"])
    assert any("lies on fuse" in said for said in found["database", "problem"])


@needs(("bindfs", "--version"))
def test_a_server_that_does_not_answer(tmp_path: Path, inbox: Path) -> None:
    with shared(inbox, tmp_path / "share") as server:
        server.send_signal(signal.SIGSTOP)
        [said] = ask(tmp_path, **config(tmp_path, tmp_path / "share"))["folders", "problem"]
    assert "does not answer" in said


# The database


@pytest.mark.parametrize("text", [b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database(tmp_path: Path, inbox: Path, database: Path, text: bytes) -> None:
    database.write_bytes(text)
    [said] = ask(tmp_path, inbox)["database", "problem"]
    assert str(database) in said


def test_a_database_with_a_damaged_page(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    paint(inbox / "a.png")
    tagger(tmp_path, "scan", inbox, "--database", database)
    whole = database.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    database.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])
    [said] = ask(tmp_path, inbox)["database", "problem"]
    assert "damaged" in said or "malformed" in said
    assert "restore a copy" in said


@needs(NO_PRIVILEGES)
def test_a_database_that_cannot_be_made_or_written(tmp_path: Path, inbox: Path, database: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o555)
    options: dict[str, Any] = {"within": NO_PRIVILEGES}
    [said] = ask(tmp_path, inbox, "--database", place / "new" / "tags.db", **options)["database", "problem"]
    assert f"may not write to {place}" in said
    tagger(tmp_path, "scan", inbox, "--database", database)
    database.chmod(0o444)
    [said] = ask(tmp_path, inbox, **options)["database", "problem"]
    assert "not write to it" in said


def test_who_has_the_database(tmp_path: Path, inbox: Path, database: Path) -> None:
    with running(tmp_path, inbox, "--database", database) as daemon:
        [said] = [one for one in ask(tmp_path, inbox)["database", "ok"] if "whole" in one]
    assert f"in use by tagger run (pid {daemon.process.pid})" in said


# The model


def test_weights_that_are_damaged(tmp_path: Path, inbox: Path) -> None:
    fetched = tmp_path / ".local/share/tagger/weights/resnet18-f37072fd.pth"
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(b"half of it")
    found = ask(tmp_path, inbox, **DAMAGED)
    assert str(fetched) in found["weights", "problem"][0]
    assert "tagger models fetch resnet18" in found["weights", "note"][0]
    assert "a picture in" in found["engine", "ok"][0]  # the next model in line


def test_an_engine_that_this_machine_does_not_have(tmp_path: Path, inbox: Path) -> None:
    wanted = DAMAGED | {"TAGGER_ENGINE__PRECISION": "int8"}
    [said] = ask(tmp_path, inbox, **wanted)["engine", "problem"]
    assert "int8" in said or "8-bit" in said


def test_the_engine_that_is_chosen_computes(tmp_path: Path, inbox: Path) -> None:
    [said] = ask(tmp_path, inbox, **DAMAGED)["engine", "ok"]
    assert "because" in said
    assert "a picture in" in said


def test_a_threshold_for_what_is_unknown(tmp_path: Path, inbox: Path) -> None:
    [said] = ask(tmp_path, inbox, **DAMAGED, TAGGER_THRESHOLDS="{reed: 0.5}")["weights", "problem"]
    assert "thresholds.reed" in said


def test_heads_that_are_not_learned_damaged_or_of_another_model(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    paint(inbox / "red.png")
    tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db")
    heads = {"TAGGER_HEADS": "[mood]"}
    assert "tagger teach mood" in ask(tmp_path, inbox, **heads)["heads", "note"][0]
    head = Head("mood", ("warm",), False, (fit(IDENTITY),), datetime.now(UTC), examples={"warm": ["0"] * 7})
    files.write(tmp_path / "heads", head)
    assert ask(tmp_path, inbox, **heads)["heads", "ok"] == ["mood: 1 label from 7 examples\n"]
    files.write(tmp_path / "heads", replace(head, fits=(fit(replace(IDENTITY, name="other")),)))
    assert "another model" in ask(tmp_path, inbox, **heads)["heads", "warning"][0]
    (tmp_path / "heads/mood.json").write_text("{")
    assert "mood.json" in ask(tmp_path, inbox, **heads)["heads", "problem"][0]


def fit(model: ModelIdentity) -> Fit:
    return Fit(model, np.zeros((3, 2), np.float32), np.zeros(2, np.float32), (0.5,), (0.5,))


# Disk and clock


@needs(OWN_MOUNTS)
@pytest.mark.parametrize(
    ("options", "words"),
    [("size=1m", "MB left"), ("size=99m,nr_inodes=1", "inodes"), ("size=99m,ro", "is read-only")],
)
def test_a_disk_without_room(tmp_path: Path, inbox: Path, options: str, words: str) -> None:
    (tmp_path / "full").mkdir()
    within = shell(f"mount -t tmpfs -o {options} none {tmp_path}/full")
    [said] = ask(tmp_path, inbox, "--database", tmp_path / "full" / "tags.db", within=within)[
        "disk", "problem"
    ]
    assert words in said


def test_a_picture_of_the_future(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    later = datetime.now(UTC) + timedelta(days=700)
    os.utime(paint(inbox / "a.png"), (later.timestamp(), later.timestamp()))
    tagger(tmp_path, "scan", inbox, "--database", database)
    [said] = ask(tmp_path, inbox)["clock", "warning"]
    assert str(inbox / "a.png") in said


def test_a_clock_that_is_wrong(tmp_path: Path, inbox: Path, database: Path, paint: Painter) -> None:
    """The only clock of a machine cannot be set for a test, so this one is made up."""
    paint(inbox / "a.png")
    tagger(tmp_path, "scan", inbox, "--database", database)
    settings = Settings(database=str(database))
    [reset] = clock(settings, lambda: datetime(1970, 1, 1, tzinfo=UTC))
    assert (reset.level, "cannot be" in reset.what) == ("problem", True)
    back = [one.what for one in clock(settings, lambda: datetime(2025, 6, 1, tzinfo=UTC)) if one.is_trouble]
    assert "was set back" in back[0]


# Service and web


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ("echo ActiveState=active; echo StatusText=7 tagged", "ok", "7 tagged"),
        ("echo ActiveState=failed; echo StatusText=; echo Result=exit-code", "problem", "exit-code"),
        ("echo ActiveState=inactive", "warning", "systemctl --user start tagger.service"),
        ("echo ActiveState=activating; echo StatusText=the model is loaded", "note", "the model is loaded"),
        (
            "echo System has not been booted with systemd >&2; exit 1",
            "warning",
            "this system does not run systemd",
        ),
    ],
)
def test_a_users_service(tmp_path: Path, inbox: Path, answer: str, level: str, words: str) -> None:
    """The unit is there; a script answers in systemd's words, which is not what runs a test's machine."""
    unit = tmp_path / ".config/systemd/user/tagger.service"
    unit.parent.mkdir(parents=True)
    unit.touch()
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f"#!/bin/sh\n{answer}\n")
    systemctl.chmod(0o755)
    found = ask(tmp_path, inbox, PATH=f"{systemctl.parent}:{os.environ['PATH']}")
    assert words in found["service", level][-1]


WEB = {"TAGGER_WEB__ENABLED": "true"}


def test_a_port_that_another_program_has(tmp_path: Path, inbox: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = str(other.getsockname()[1])
        [said] = ask(tmp_path, inbox, **WEB, TAGGER_WEB__PORT=port)["web", "problem"]
    assert "taken by another program" in said


def test_a_port_that_tagger_has(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path, token=TOKEN) as daemon, site_of(daemon) as site:
        ours = WEB | {"TAGGER_WEB__PORT": site.address.rpartition(":")[2]}
        assert "answers" in ask(tmp_path, inbox, **ours, TAGGER_WEB__TOKEN=TOKEN)["web", "ok"][0]
        [said] = ask(tmp_path, inbox, **ours, TAGGER_WEB__TOKEN=TOKEN[::-1])["web", "problem"]
    assert "token" in said


def test_wrong_tokens_are_told_of(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path, token=TOKEN) as daemon, site_of(daemon) as site:
        for number in range(6):
            site.client.get("/images", headers={"X-API-Key": f"guess {number}"})
        ours = WEB | {"TAGGER_WEB__PORT": site.address.rpartition(":")[2]}
        found = ask(tmp_path, inbox, **ours, TAGGER_WEB__TOKEN=TOKEN)
        daemon.process.terminate()
        daemon.end()
    assert "6 wrong tokens came from 127.0.0.1" in found["web", "warning"][0]
    assert "5 wrong tokens from 127.0.0.1 in the last minute" in daemon.log
    assert TOKEN not in daemon.log


def test_the_web_of_a_daemon_that_runs_with_other_settings(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        [said] = ask(tmp_path, inbox)["web", "note"]
        assert f"off in this config; but the daemon that runs answers at {site.address}" in said
    with running(tmp_path, inbox, "--database", tmp_path / "tags.db"):
        [said] = ask(tmp_path, inbox, **WEB, TAGGER_WEB__PORT="0")["web", "note"]
        assert "on in this config; but off in the daemon that runs" in said
    assert ask(tmp_path, inbox)["web", "ok"] == ["off\n"]


def test_an_address_that_is_not_this_machines(tmp_path: Path, inbox: Path) -> None:
    found = ask(tmp_path, inbox, **WEB, TAGGER_WEB__HOST="192.0.2.1", TAGGER_WEB__TOKEN=TOKEN)
    assert "192.0.2.1" in found["web", "problem"][0]
    assert "in the clear" in found["web", "note"][0]


def test_a_token_that_is_not_there(tmp_path: Path, inbox: Path) -> None:
    [said] = ask(tmp_path, inbox, **WEB, TAGGER_WEB__TOKEN_FILE=str(tmp_path / "none"))["web", "problem"]
    assert "token_file" in said
