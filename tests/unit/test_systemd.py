import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tagger.runtime import systemd


def listener(address: str) -> socket.socket:
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
    ear.setblocking(False)
    return ear


def heard(ear: socket.socket) -> Iterator[str]:
    while True:
        try:
            yield ear.recv(4096).decode()
        except BlockingIOError:
            return


@pytest.fixture(params=["path", "abstract"])
def ear(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@tagger-test{tmp_path}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with closing(listener(address)) as ear:
        yield ear


def test_systemd_is_told_how_a_start_and_a_stop_go(ear: socket.socket) -> None:
    systemd.starting("the model is loaded")
    systemd.stopping()
    start, stop = heard(ear)
    assert start.split("\n") == ["STATUS=starting: the model is loaded", "EXTEND_TIMEOUT_USEC=600000000"]
    assert stop.startswith("STOPPING=1\n")


def test_ready_is_said_once_and_all_is_well_only_while_it_is(ear: socket.socket) -> None:
    status = systemd.SystemdStatus(clock=lambda: 0)
    status.tell(ready=False, hung="", status="0 tagged")
    status.tell(ready=True, hung="", status="0 tagged")
    status.tell(ready=True, hung="infer-0", status="0 tagged")
    assert list(heard(ear)) == ["WATCHDOG=1", "STATUS=0 tagged", "READY=1", "WATCHDOG=1"]


def test_the_status_is_told_when_it_changes_and_not_too_often(ear: socket.socket) -> None:
    now = 0.0
    status = systemd.SystemdStatus(clock=lambda: now)
    said: list[str] = []
    for second in range(30):
        now = second
        status.tell(ready=False, hung="", status=f"{min(second, 12)} tagged")
        said += heard(ear)
    statuses = [line for line in said if line.startswith("STATUS")]
    assert statuses == [f"STATUS={number} tagged" for number in (0, 5, 10, 12)]


def test_a_hang_is_named_in_the_status_and_once_in_the_log(
    ear: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    status = systemd.SystemdStatus(clock=lambda: 0)
    for _ in range(3):
        status.tell(ready=False, hung="infer-0", status="3 tagged")
    assert list(heard(ear)) == ["STATUS=infer-0 hangs; 3 tagged"]
    assert caplog.text.count("infer-0 hangs") == 1


@pytest.mark.parametrize("address", ["", "/nonexistent/notify"])
def test_where_nobody_listens_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.say("READY=1")


def test_one_that_does_not_read_holds_up_nobody(ear: socket.socket) -> None:
    room = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for _ in range(room + 2):
        systemd.say("WATCHDOG=1")
    assert len(list(heard(ear))) <= room + 1


def test_a_name_with_line_breaks_says_nothing_of_its_own(ear: socket.socket) -> None:
    systemd.say("STATUS=cam\nREADY=1\nMAINPID=1 is away", "WATCHDOG=1")
    assert list(heard(ear)) == ["STATUS=cam\\nREADY=1\\nMAINPID=1 is away\nWATCHDOG=1"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing", "device", "long", "abstract", "stream"])
def test_where_nobody_listens_as_systemd_does_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "notify"
    if kind == "pipe":
        os.mkfifo(path)
    other = {"folder": str(tmp_path), "device": "/dev/zero", "long": "/" + "x" * 5000, "abstract": "@nobody"}
    monkeypatch.setenv("NOTIFY_SOCKET", other.get(kind, str(path)))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as stream:
        if kind == "stream":
            stream.bind(str(path))
            stream.listen()
        systemd.say("READY=1")


def test_a_listener_that_reads_nothing_keeps_nobody_for_long(ear: socket.socket) -> None:
    for _ in range(15):  # more than a socket's queue takes
        systemd.say("WATCHDOG=1" + "x" * 60_000)
