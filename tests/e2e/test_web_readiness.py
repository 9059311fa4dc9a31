"""`/readyz` says no while a verdict would be refused, and yes once it would not; each is asked of a daemon that runs."""

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.allowed import OWN_MOUNTS, needs
from tests.conftest import Painter
from tests.e2e.command import running
from tests.e2e.site import Site, serve, site_of


@contextmanager
def on_a_disk(tmp_path: Path, inbox: Path) -> Iterator[tuple[Site, list[str]]]:
    """A daemon whose database lies on a small disk of its own, and how to run a command where that is."""
    disk = tmp_path / "disk"
    disk.mkdir()
    within = (*OWN_MOUNTS, "sh", "-c", f'mount -t tmpfs -o size=64m none {disk} && exec "$@"', "sh")
    web = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__PORT": "0"}
    with running(
        tmp_path, inbox, "--database", disk / "tags.db", within=within, first="web:", **web
    ) as daemon:
        daemon.wait_for("a.png: red")
        with site_of(daemon) as site:
            becomes_ready(site)
            assert site.get("/readyz")["status"] == "ok"
            yield site, ["nsenter", "--mount", f"--target={daemon.process.pid}"]


def verdict(site: Site) -> int:
    return site.client.post("/images/1/verdicts", json={"add": ["blue"]}).status_code


def missing(site: Site) -> str:
    answer = site.client.get("/readyz")
    said = answer.json()
    assert (answer.status_code, said["status"]) == (503, "not ready")
    return str(said["missing"])


def becomes_ready(site: Site) -> None:
    """Asks until it is: a thread of the daemon that was refused as well tries again a second later."""
    while (
        site.client.get("/readyz").json().get("missing")
    ):  # the daemon is ended after a while, and answers no more
        time.sleep(0.1)


@needs(OWN_MOUNTS)
def test_a_full_disk(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    paint(inbox / "a.png")
    with on_a_disk(tmp_path, inbox) as (site, inside):
        ballast = tmp_path / "disk" / "ballast"
        subprocess.run(
            [*inside, "dd", "if=/dev/zero", f"of={ballast}", "bs=4k"], check=False, capture_output=True
        )
        assert "disk is full; make room" in missing(site)
        assert verdict(site) == 503
        subprocess.run([*inside, "rm", ballast], check=True)
        assert verdict(site) == 200
        becomes_ready(site)


@needs(OWN_MOUNTS)
def test_a_disk_that_is_made_read_only(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    paint(inbox / "a.png")
    with on_a_disk(tmp_path, inbox) as (site, inside):
        disk = tmp_path / "disk"
        # Over it, for one with open files is not remounted; and what has the database open from before writes on.
        subprocess.run([*inside, "mount", "--bind", disk, disk], check=True)
        subprocess.run([*inside, "mount", "-o", "remount,bind,ro", disk], check=True)
        assert "read-only" in missing(site)
        subprocess.run([*inside, "umount", disk], check=True)
        assert verdict(site) == 200
        becomes_ready(site)


def test_a_database_that_another_program_holds(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        becomes_ready(site)
        with closing(sqlite3.connect(tmp_path / "tags.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert "close that, then try again" in missing(site)
        becomes_ready(site)
