"""docs/howto-*.md: the config that each shows is right, and every command and question of theirs works on it."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from tagger.config.folders import MACHINES
from tests.e2e.command import PATIENCE, environment, running

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|sql|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:5000"
"""Of commands that ask a daemon."""


@dataclass(frozen=True)
class Use:
    """A page, the files that its folders have, and where its database is."""

    name: str
    files: tuple[str, ...]
    database: str

    @property
    def blocks(self) -> list[tuple[str, str]]:
        return BLOCK.findall((ROOT / "docs" / self.name).read_text(encoding="utf-8"))


SCREENSHOTS, CAMERAS = USES = (
    Use(
        "howto-screenshots.md",
        (
            "~/.steam/steam/userdata/42/760/remote/570/screenshots/20260326131715_1.jpg",
            "~/.steam/steam/userdata/42/760/remote/570/screenshots/thumbnails/20260326131715_1.jpg",
            "~/Pictures/Screenshots/Hades/2026-03-26 13-17-15.png",
        ),
        "~/.local/share/tagger/tags.db",
    ),
    Use(
        "howto-cameras.md",
        ("/srv/cameras/gate/Cam2.20260326_131715.jpg", "/srv/cameras/yard/Cam3.20260326_131716.jpg"),
        "/var/lib/tagger/tags.db",
    ),
)


@dataclass(frozen=True)
class Machine:
    """Everything of a page under one folder."""

    home: Path
    use: Use

    def here(self, text: str) -> str:
        """With the page's folders, which are the system's, in this one."""
        return re.sub(r"(?<![\w.~])/(srv|var)/", rf"{self.home}/\1/", text)

    def place(self, path: str) -> Path:
        return Path(self.here(path).replace("~", str(self.home)))

    @property
    def variables(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        names = {"TAGGER_DATABASE": str(self.place(self.use.database)), "TAGGER_WEB__PORT": "0"}
        return environment(self.home, TAGGER_ENGINE__BACKEND="auto", PATH=path, **names)

    def types(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(commands)],
            env=self.variables,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(params=USES, ids=lambda use: use.name)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, request.param)
    for name in machine.use.files:
        machine.place(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(skimage.data.colorwheel()).save(machine.place(name))
    config = tmp_path / ".config" / "tagger" / "config.yaml"
    config.parent.mkdir(parents=True)
    shown = next(text for language, text in machine.use.blocks if language == "yaml")
    config.write_text(machine.here(shown), encoding="utf-8")
    return machine


def test_every_step_works(machine: Machine) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("there is no sqlite3: apt install sqlite3")
    machine.types("tagger scan")
    for language, text in machine.use.blocks:
        if "tagger service install" in text and MACHINES.exists():
            continue  # this very machine has the service already, and a config that is not to be touched
        if language == "sh" and ADDRESS not in text:
            machine.types(text)
        elif language == "sql":
            assert asked(machine, text) or "vehicle" in text or "camera_health" in text


def asked(machine: Machine, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(machine.place(machine.use.database))) as connection:
        return connection.execute(sql).fetchall()


def test_paths_tell_what_the_page_says(machine: Machine) -> None:
    machine.types("tagger scan")
    seen = asked(machine, "SELECT source, camera, app_id, date(captured_at) FROM top_tag ORDER BY source")
    assert (
        seen
        == {
            "howto-screenshots.md": [
                ("Screenshots", None, None, "2026-03-26"),
                ("steam", None, "570", "2026-03-26"),
            ],
            "howto-cameras.md": [
                ("cameras", "Cam2", None, "2026-03-26"),
                ("yard", "Cam3", None, "2026-03-26"),
            ],
        }[machine.use.name]
    )
    if machine.use is SCREENSHOTS:
        assert "Hades" in machine.types("tagger search game:Hades --nl")


@pytest.mark.parametrize("machine", [CAMERAS], indirect=True)
def test_who_asks_the_daemon_is_told_of_folders_and_of_each_picture(machine: Machine) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl: apt install curl")
    listen, count = (text for language, text in machine.use.blocks if language == "sh" and ADDRESS in text)
    with running(machine.home, first="web:", **machine.variables) as daemon:
        address = daemon.first.split("web: ")[1].strip()
        with subprocess.Popen(
            ["bash", "-c", f"exec {listen.replace(ADDRESS, address)}"], stdout=subprocess.PIPE, text=True
        ) as listener:
            assert listener.stdout
            assert listener.stdout.readline().startswith("retry:")  # from here on it hears
            late = machine.place("/srv/cameras/gate/Cam2.20260326_131720.jpg")
            shutil.copy(machine.place(machine.use.files[0]), late)
            assert any(late.name in line for line in listener.stdout)
            listener.send_signal(signal.SIGTERM)
        assert 'source="cameras",status="tagged"} 1.0' in machine.types(count.replace(ADDRESS, address))
