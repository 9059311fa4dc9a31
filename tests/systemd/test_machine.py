"""From installing to uninstalling, on a machine that systemd runs. In the order of a service's life."""

from pathlib import Path
from time import monotonic

import pytest

from tests.conftest import Painter
from tests.systemd.machine import Machine

DATABASE = "/var/lib/tagger/tags.db"
BOBS = "export XDG_RUNTIME_DIR=/run/user/$(id -u) PATH=$PATH:/opt/tagger/bin HOME=/home/bob; "
OVERRIDE = "/run/systemd/system/tagger.service.d/test.conf"


def drop(machine: Machine, picture: Path) -> str:
    """As a program of alice's does, for her alone to read; SQL that counts its rows."""
    (machine.root / "root" / picture.name).write_bytes(picture.read_bytes())
    machine.do(f"install -m 600 -o alice -g alice /root/{picture.name} /home/alice/Pictures/")
    return f"SELECT count(*) FROM top_tag WHERE path = '/home/alice/Pictures/{picture.name}'"  # noqa: S608 - ours


def read(sql: str, database: str = DATABASE) -> str:
    return f'sqlite3 {database} "{sql}"'


def override(machine: Machine, *lines: str) -> None:
    text = "\\n".join(["[Service]", *lines])
    machine.do(f"mkdir -p $(dirname {OVERRIDE}); printf '{text}\\n' >{OVERRIDE}; systemctl daemon-reload")


def measured(capsys: pytest.CaptureFixture[str], what: str, seconds: float) -> None:
    with capsys.disabled():
        print(f"\n{what}: {seconds:.1f} s")  # noqa: T201 - what was promised


def test_it_is_installed_and_says_that_it_is_ready(machine: Machine) -> None:
    machine.do("tagger service install /home/alice/Pictures")
    assert machine.shown("ActiveState") == "active"
    machine.until(
        "systemctl show tagger -p StatusText --value", "0 tagged, 0 waiting, 0 failed since the start"
    )
    assert "active (running" in machine.do("tagger service status")
    assert machine.do("systemctl is-enabled tagger") == "enabled"
    machine.do("systemd-analyze security --threshold=10 tagger.service")


def test_a_private_picture_is_tagged_and_the_rest_of_homes_is_not_seen(
    machine: Machine, tmp_path: Path, paint: Painter
) -> None:
    machine.until(read(drop(machine, paint(tmp_path / "first.png"))), "1")
    seen = f"/proc/{machine.shown('MainPID')}/root"
    assert machine.do(f"ls {seen}/home {seen}/home/alice {seen}/root") == (
        f"{seen}/home:\nalice\n\n{seen}/home/alice:\nPictures\n\n{seen}/root:"
    )
    assert machine.do(f"stat -c %U /proc/{machine.shown('MainPID')} {DATABASE}").split() == [
        "tagger",
        "tagger",
    ]


def test_members_of_the_group_read_the_tags_while_it_runs(machine: Machine) -> None:
    count = read("SELECT count(*) FROM image_tags")
    assert machine.ask(count, "bob").returncode
    machine.do("usermod --append --groups tagger bob")
    assert int(machine.do(count, "bob")) > 0
    assert "1 done" in machine.do("tagger status", "bob")
    assert "readonly" in machine.ask(read("DELETE FROM file"), "bob").stderr
    assert machine.ask(count, "alice").returncode
    machine.do("runuser -u tagger -- tagger retry --all")


def test_a_reload_takes_a_good_config_and_refuses_a_bad_one(machine: Machine) -> None:
    machine.do(
        "cp -p /etc/tagger/config.yaml /root/; echo 'thresholds: {spider web: 0.9}' >>/etc/tagger/config.yaml"
    )
    process = machine.shown("MainPID")
    machine.do("systemctl reload tagger")
    machine.do("echo 'rescan: soon' >>/etc/tagger/config.yaml")
    assert machine.ask("systemctl reload tagger").returncode
    assert "rescan" in machine.log()
    machine.do("cp -p /root/config.yaml /etc/tagger/; systemctl reload tagger")
    assert (machine.shown("MainPID"), machine.shown("ActiveState")) == (process, "active")


def test_it_tags_again_soon_after_kill_9(
    machine: Machine, tmp_path: Path, paint: Painter, capsys: pytest.CaptureFixture[str]
) -> None:
    began = monotonic()
    machine.do(f"kill -9 {machine.shown('MainPID')}")
    machine.until(read(drop(machine, paint(tmp_path / "second.png", number=2))), "1")
    measured(capsys, "from kill -9 to tagging again", monotonic() - began)
    assert machine.shown("NRestarts") == "1"


def test_after_a_kill_and_after_a_stop_the_group_can_read(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    count = read("SELECT count(*) FROM top_tag")
    override(machine, "Restart=no")
    machine.do("systemctl kill --signal=KILL tagger")
    machine.until("systemctl is-active tagger", "failed")
    assert "tags.db-wal" in machine.do("ls /var/lib/tagger")
    assert machine.do(count, "bob") == "2"
    machine.do(f"rm {OVERRIDE}; systemctl daemon-reload; systemctl start tagger")
    began = monotonic()
    machine.do("systemctl stop tagger")
    measured(capsys, "a stop", monotonic() - began)
    assert machine.shown("Result") == "success"
    assert machine.do("ls /var/lib/tagger").split() == ["tags.db", "tags.db.lock"]
    assert machine.do(count, "bob") == "2"


def test_the_watchdog_ends_an_engine_that_hangs(
    machine: Machine, tmp_path: Path, paint: Painter, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second batch hangs; the process after that infers it first."""
    override(machine, "Environment=TAGGER_FAILPOINTS=infer=hang:2")
    machine.do("systemctl start tagger")
    machine.until(read(drop(machine, paint(tmp_path / "third.png", number=3))), "1")
    restarts, began = int(machine.shown("NRestarts")), monotonic()
    fourth = drop(machine, paint(tmp_path / "fourth.png", number=4))
    machine.until("systemctl show tagger -p NRestarts --value", str(restarts + 1))
    measured(capsys, "from a hang to the next start", monotonic() - began)
    machine.until(read(fourth), "1")
    log = machine.log()
    assert "infer-" in log and "hangs; the watchdog" in log
    assert "in infer_batch" in log, "where each thread was"
    assert "Failed with result 'watchdog'" in log
    machine.do(f"rm {OVERRIDE}; systemctl daemon-reload")


def test_a_folder_that_everyone_may_read_needs_no_right_of_its_own(
    machine: Machine, tmp_path: Path, paint: Painter
) -> None:
    (machine.root / "root" / "open.png").write_bytes(paint(tmp_path / "open.png", number=6).read_bytes())
    machine.do("cp -p /etc/tagger/config.yaml /root/; install -D -m 644 /root/open.png /srv/camera/open.png")
    machine.do("sed -i 's#/home/alice/Pictures#/srv/camera#' /etc/tagger/config.yaml; tagger service install")
    assert "private.conf" not in machine.do("systemctl cat tagger")
    machine.until(read("SELECT count(*) FROM top_tag WHERE path = '/srv/camera/open.png'"), "1")
    assert machine.do(f"ls /proc/{machine.shown('MainPID')}/root/home") == ""
    machine.do("systemd-analyze security --threshold=10 tagger.service")
    machine.do("cp -p /root/config.yaml /etc/tagger/")


def test_a_web_server_is_let_through_once_the_config_has_one(machine: Machine) -> None:
    machine.do("sed -i '/^web:/,/^[^ ]/ s/#enabled: false/enabled: true/' /etc/tagger/config.yaml")
    machine.do("tagger service install")
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:5000/healthz').status)"
    machine.until(f'python3 -c "{ask}"', "200")
    machine.do("systemd-analyze security --threshold=16 tagger.service")


def test_a_config_that_is_wrong_is_refused_and_the_service_goes_on(machine: Machine) -> None:
    before = machine.shown("MainPID")
    machine.do("cp /etc/tagger/config.yaml /root/; sed -i 's/^#rescan:/recsan:/' /etc/tagger/config.yaml")
    done = machine.ask("tagger service install")
    assert (done.returncode, machine.shown("MainPID")) == (2, before)
    assert "did you mean 'rescan'" in done.stderr
    machine.do("cp /root/config.yaml /etc/tagger/config.yaml")


def test_a_user_has_a_service_of_their_own(machine: Machine, tmp_path: Path, paint: Painter) -> None:
    (machine.root / "root" / "own.png").write_bytes(paint(tmp_path / "own.png", number=5).read_bytes())
    machine.do(
        "install -D -o bob -g bob /root/own.png /home/bob/Pictures/own.png; loginctl enable-linger bob"
    )
    machine.until("systemctl is-active user@$(id -u bob)", "active")
    machine.do(f"{BOBS} tagger service install --user", "bob")
    database = "/home/bob/.local/share/tagger/tags.db"
    machine.until(read("SELECT count(*) FROM top_tag", database), "1")
    assert "active (running" in machine.do(f"{BOBS} tagger service status --user", "bob")
    assert database.rpartition("/")[0] in machine.do(f"{BOBS} tagger service uninstall --user", "bob")
    machine.do(f"test -e {database}; test -e /home/bob/.config/tagger/config.yaml")


def test_uninstalled_it_leaves_the_users_own_alone(machine: Machine) -> None:
    machine.do("systemctl stop tagger")
    sums = f"sha256sum {DATABASE} /etc/tagger/config.yaml /home/alice/Pictures/*"
    before = machine.do(sums)
    said = machine.do("tagger service uninstall")
    assert {"kept: config: /etc/tagger/config.yaml", "kept: tags: /var/lib/tagger"} <= set(said.splitlines())
    assert machine.do(sums) == before
    assert "not installed" in machine.ask("tagger service status").stdout
    assert machine.do("find /etc/systemd /etc/sysusers.d -name 'tagger*'") == ""


def test_where_the_machine_has_none_a_users_own_is_shown(machine: Machine) -> None:
    machine.do(f"{BOBS} tagger service install --user", "bob")
    assert "config    /home/bob/.config/tagger/config.yaml" in machine.do(
        f"{BOBS} tagger service status", "bob"
    )
    machine.do(f"{BOBS} tagger service uninstall --user", "bob")
