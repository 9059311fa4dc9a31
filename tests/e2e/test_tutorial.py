"""docs/tutorial.md, followed to the letter: all that needs no network, from a folder as `make run` leaves it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import skimage.data
from PIL import Image

from tests.e2e.command import PATIENCE, Daemon, environment, running

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
METRICS = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
FOLLOWS = "--follow"
HEARD = {"cp ~/Pictures/coffee.png": "coffee.png: espresso", "tagger reload": "tagged 2 pictures"}
"""What the first terminal says before the reader goes on."""

LAST = "and a moment later there is a line:\n\n```text\n"


@dataclass(frozen=True)
class Reader:
    """Somebody with two photos, and Tagger in `~/tagger`."""

    home: Path
    daemon: Daemon

    def types(self, commands: str) -> str:
        done = subprocess.run(
            self.shell(commands),
            env=self.variables(),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout.replace(str(self.home), "/home/ada")

    def shell(self, commands: str) -> list[str]:
        return ["bash", "-euc", f"{BLOCKS[0][0]}exec 2>&1\n{commands}"]

    def variables(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return environment(self.home, TAGGER_ENGINE__BACKEND="auto", PATH=path)

    def follows(self, commands: str, meanwhile: str) -> str:
        """The first line of a command that goes on while another is typed."""
        with subprocess.Popen(
            self.shell(commands), env=self.variables(), cwd=self.home, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                self.types(meanwhile)
                assert process.stdout
                return process.stdout.readline().replace(str(self.home), "/home/ada")
            finally:
                # Not SIGINT, which is ignored by all that runs in the background of a script.
                os.killpg(process.pid, signal.SIGTERM)


BLOCKS: list[tuple[str, str]] = BLOCK.findall(PAGE)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    for name, pixels in {"coffee": skimage.data.coffee(), "cat": skimage.data.chelsea()}.items():
        (tmp_path / "Pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "Pictures" / f"{name}.png")
    (tmp_path / "tagger" / "inbox").mkdir(parents=True)
    shutil.copytree(ROOT / "config", tmp_path / "tagger" / "config")
    with make_run(tmp_path) as daemon:
        yield Reader(tmp_path, daemon)


@contextmanager
def make_run(home: Path) -> Iterator[Daemon]:
    """What `TAGGER_WEB__ENABLED=true make run` runs once all is installed, at a free port."""
    web = {"TAGGER_WEB__ENABLED": "true", "TAGGER_WEB__PORT": "0", "TAGGER_ENGINE__BACKEND": "auto"}
    config = home / "tagger" / "config" / "tagger.yaml"
    with running(home, "--config", config, first="web:", **web) as daemon:
        yield daemon


def test_make_run_is_what_is_run_here() -> None:
    assert "tagger run --config config/tagger.yaml\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_tutorial_works_to_the_letter(reader: Reader) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("there is no sqlite3: apt install sqlite3")
    steps = iter(BLOCKS[1:])
    for commands, shown in steps:
        if FOLLOWS in commands:
            meanwhile, _ = next(steps)
            assert reader.follows(commands, meanwhile) == PAGE.split(LAST)[1].partition("```")[0]
            continue
        printed = reader.types(commands)
        if shown:
            assert masked(printed) == masked(shown)
        for typed, heard in HEARD.items():
            if typed in commands:
                reader.daemon.wait_for(heard)


def test_the_readmes_photo_has_the_tags_that_are_shown(reader: Reader) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("there is no sqlite3: apt install sqlite3")
    console = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (drop, _), (ask, shown) = console
    reader.types(drop)
    reader.daemon.wait_for("coffee.png: espresso")
    printed = masked(reader.types(ask)).splitlines()
    assert len(printed) == len(shown.splitlines())
    assert printed[2:4] == masked(shown).splitlines()[2:4]


def test_the_photo_is_on_the_page_and_the_reference_has_every_metric(reader: Reader) -> None:
    reader.types("cp ~/Pictures/coffee.png inbox/")
    reader.daemon.wait_for("coffee.png: espresso")
    address = reader.daemon.first.split("web: ")[1].strip()
    assert "coffee.png" in httpx.get(address).raise_for_status().text
    counted = httpx.get(f"{address}/metrics").raise_for_status().text
    names = re.findall(r"^# HELP (tagger_\w+)|\bplace=\"(\w+)\"", counted, re.MULTILINE)
    assert names
    assert not [name for name in map("".join, names) if f"`{name}`" not in METRICS]


def masked(text: str) -> str:
    """Scores differ in their last digits between machines, and columns are as wide as they are."""
    return re.sub(r"\d+(?:\.\d+)?", "#", re.sub(r"[ \t]+", " ", text)).replace(" \n", "\n").strip()
