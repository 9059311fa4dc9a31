"""The clients of docs/clients.md, run as they stand there, print what is shown there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import skimage.data
from PIL import Image

from tests.e2e.command import PATIENCE
from tests.e2e.site import TOKEN, Site, serve, site_of

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[2] / "docs/clients.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|python|js)\n(.*?)^```\n\n```(?:json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
ADDRESS = "http://127.0.0.1:5000"
RUN = {
    "sh": ("bash", "-euc"),
    "python": (sys.executable, "-c"),
    "js": ("node", "--input-type=module", "-e"),
}
REAL = {"TAGGER_ENGINE__BACKEND": "auto"}


@dataclass(frozen=True)
class Block:
    """`shown` is the block under it."""

    language: str
    code: str
    shown: str
    has_token: bool


TOKENS_FROM = PAGE.index("## With a token")
BLOCKS = [Block(one[1], one[2], one[3], one.start() > TOKENS_FROM) for one in BLOCK.finditer(PAGE)]


@pytest.fixture(scope="module")
def coffee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("coffee") / "coffee.png"
    Image.fromarray(skimage.data.coffee()).save(file)
    return file


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, coffee: Path) -> Iterator[dict[bool, Site]]:
    """By whether it asks for a token. The one that does not has the picture in its folder, too."""
    free, guarded = tmp_path_factory.mktemp("free"), tmp_path_factory.mktemp("guarded")
    for home in (free, guarded):
        (home / "inbox").mkdir()
    with (
        serve(free, REAL) as daemon,
        site_of(daemon) as without,
        serve(guarded, REAL, token=TOKEN) as other,
        site_of(other) as with_token,
    ):
        shutil.copy(coffee, free / "inbox")
        daemon.wait_for("coffee.png: espresso")
        yield {False: without, True: with_token}


def test_every_block_shows_what_it_prints() -> None:
    assert len(BLOCKS) == len(re.findall(r"^```(?!json|text|yaml)\w+$", PAGE, re.MULTILINE)) > 5


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.language)
def test_a_client_prints_what_is_shown(
    block: Block, sites: dict[bool, Site], coffee: Path, tmp_path: Path
) -> None:
    if block.language == "js" and not is_node_new_enough():
        pytest.skip("there is no Node 18 or newer: apt install nodejs")
    if block.code.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("there is no curl: apt install curl")
    shutil.copy(coffee, tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    assert_alike(block.shown, printed(block, sites[block.has_token].address, tmp_path))


def printed(block: Block, address: str, home: Path) -> str:
    done = subprocess.run(
        [*RUN[block.language], block.code.replace(ADDRESS, address)],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's own accounts and proxies; its `python` is the one that runs this."""
    names = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    clean = {key: value for key, value in os.environ.items() if not key.upper().startswith(names)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return clean | {"HOME": str(home), "PATH": path, "TOKEN": TOKEN}


def is_node_new_enough() -> bool:
    if shutil.which("node") is None:
        return False
    told = subprocess.check_output(["node", "--version"], text=True, timeout=PATIENCE)
    return int(told.strip("v\n").split(".")[0]) >= 18


# Scores differ in their last digits between machines; all else does not.


def assert_alike(shown: str, printed: str) -> None:
    if shown.startswith("{"):
        assert_same(json.loads(shown), json.loads(printed))
        return
    assert NUMBER.sub("#", shown) == NUMBER.sub("#", printed)
    assert numbers(printed) == pytest.approx(numbers(shown), rel=0.1)


def assert_same(shown: Any, printed: Any) -> None:
    if isinstance(shown, dict):
        assert shown.keys() == printed.keys()
        shown, printed = list(shown.values()), [printed[key] for key in shown]
    if isinstance(shown, list):
        for one, other in zip(shown, printed, strict=True):
            assert_same(one, other)
    elif isinstance(shown, str):
        assert printed.startswith(shown.removesuffix("…"))
    else:
        assert printed == (pytest.approx(shown, rel=0.1) if isinstance(shown, float) else shown)


def numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]
