"""Makes a release's folder beside this file anew, by that release itself; README.md says how it is called.

All that a later Tagger must go on to open: the tags of a handful of pictures, configs, and what was answered.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import skimage.data
from PIL import Image, ImageDraw

import tagger
from tagger.service import render
from tagger.service.layout import SYSTEM

ROOT = Path(tagger.__file__).parents[1]
"""The release's own checkout."""

PLACE = "/kept"
"""Stands in texts for the folder in which all was made, and for the one in which it is opened again."""

PROGRAM = (sys.executable, "-c", "from tagger.cli import main; main()")
TAKEN = datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp()
CONFIG = r"""database: tags.db
model: {name: resnet18}
features: true
categories: breakfast.yaml
thresholds: {vehicle: 0.05, "spider web": 0.9}
sources:
  - {path: album, name: album}
  - path: cameras
    path_pattern: '(?P<camera>[^/]+)/(?P<captured_at>\d{8}_\d{6})\.jpg$'
    timezone: Asia/Shanghai
  - {path: gate, crop: [0.25, 0.25, 0.5, 0.5]}
"""
CATEGORIES = "breakfast: {name: breakfast, name_zh: 早餐, includes: [espresso, consomme, bagel]}\n"
SAID = (
    ("album/coffee.jpg", "--add", "espresso"),
    ("album/cat.jpg", "--remove", "meerkat", "--add", "tabby"),
)
ASKED = (
    "/images?limit=10",
    "/images?q=jellyfish%20%3E%3D%200.2&limit=10",
    "/images?q=camera%3Ayard&limit=10&lang=zh",
    "/images?q=uncertain&limit=10",
    "/images/1",
    "/images/1/similar",
    "/categories",
    "/sources",
    "/stats",
    "/healthz",
    "/failures",
)


def main(folder: Path, home: Path) -> None:
    """`folder` is the release's, its pictures in it; `home` is empty, and of no use afterwards."""
    arrange(folder / "pictures", home)
    (home / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (home / "breakfast.yaml").write_text(CATEGORIES, encoding="utf-8")
    run(home, "scan")  # of which one file fails
    (home / "cameras/yard/20260615_100500.jpg").unlink()
    run(home, "scan")  # of a source with few files, the second one that misses some is believed
    run(home, "scan")
    for picture, *words in SAID:
        run(home, "label", picture, *words)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    with closing(sqlite3.connect(home / "tags.db")) as connection:
        keep(folder / "tags.sql", shorter("\n".join(dump(connection)) + "\n"), home)
        keep(folder / "sql.json", shown(answers(connection, now)), home)
    with serving(home) as address:
        keep(folder / "rest.json", shown({asked: got(address + asked) for asked in ASKED}), home)
    for file in (home / "config.yaml", home / "breakfast.yaml", ROOT / "config/tagger.yaml"):
        shutil.copy(file, folder)
    service = render.config(SYSTEM, [Path("/home/alice/Pictures"), Path("/srv/camera")])
    (folder / "service.yaml").write_text(service, encoding="utf-8")


def arrange(pictures: Path, home: Path) -> None:
    """Lays pictures of a release out, each with its own time of modification."""
    shutil.copytree(pictures, home, dirs_exist_ok=True)
    for number, file in enumerate(sorted(home.rglob("*.jpg"))):
        os.utime(file, (TAKEN + 60 * number,) * 2)


def paint(pictures: Path) -> None:
    """The pictures: of scikit-image, free for all, and drawn."""
    for name, place in {
        "coffee": "album/coffee",
        "chelsea": "album/cat",
        "rocket": "album/rocket",
        "camera": "gate/camera",
        "astronaut": "gate/astronaut",
    }.items():
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        image.thumbnail((224, 224))
        save(image, pictures / f"{place}.jpg")
    for camera, time, colour in (
        ("yard", "20260615_100000", "navy"),
        ("yard", "20260615_100500", "green"),
        ("porch", "20260615_101000", "orange"),
    ):
        image = Image.new("RGB", (160, 120), colour)
        ImageDraw.Draw(image).ellipse((40, 20, 120, 100), "white")
        save(image, pictures / "cameras" / camera / f"{time}.jpg")
    (pictures / "album/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")


def save(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, quality=85)


def answers(connection: sqlite3.Connection, now: str) -> dict[str, Any]:
    """Columns and rows of all views, and of the questions in the release's documents, at that moment."""
    views = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name").fetchall()
    asked = [f"SELECT * FROM {name}" for (name,) in views]  # noqa: S608 - its own views
    asked += [sql.replace("'now'", f"'{now}'") for sql in questions()]
    found = {}
    for sql in asked:
        rows = connection.execute(sql, VALUES)
        found[sql] = {"columns": [one[0] for one in rows.description], "rows": rows.fetchall()}
    return found


VALUES = {"last": 3, "name": "汽车", "category": "food"}


def dump(connection: sqlite3.Connection) -> Iterator[str]:
    """The database as SQL: rows of one table, which come one after the other, in one statement."""
    table = ""
    for line in connection.iterdump():
        into, values, row = line.partition(" VALUES(")
        if not (values and into.startswith("INSERT INTO")):
            into, row = "", line
        if table and table != into:
            yield ";"
        if into:
            yield (f"{into} VALUES\n(" if into != table else ",(") + row.removesuffix(";")
        else:
            yield line
        table = into


def shorter(text: str) -> str:
    """Long runs of zero bytes, in the codes of a thousand files of which nine are there, become their number."""
    return re.sub("(?:00){100,}", lambda run: f"<{len(run[0]) // 2} zero bytes>", text)


def questions() -> Iterator[str]:
    """Of README.md and docs/sql.md, which lie beside the package of the release."""
    for page in ("README.md", "docs/sql.md"):
        yield from re.findall(r"^```sql\n(.*?);\n```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    yield from re.findall(
        r'^sqlite-utils query tags.db .*?"\n(.*?)"\n```',
        (ROOT / "docs/sql.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )


def run(home: Path, *arguments: str) -> None:
    command = [*PROGRAM, *arguments, "--config", "config.yaml"]
    subprocess.run(command, cwd=home, check=False, env=os.environ | {"HOME": str(home)})


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """What is in the database, and nothing is tagged; gives the address."""
    command = [*PROGRAM, "web", "--config", "config.yaml"]
    web = {"HOME": str(home), "TAGGER_WEB__PORT": "0", "TAGGER_LOG_FORMAT": "text"}
    with subprocess.Popen(
        command, cwd=home, env=os.environ | web, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        line = next(line for line in process.stderr if "web:" in line)
        try:
            yield line.split("web: ")[1].strip()
        finally:
            process.terminate()


def got(address: str) -> Any:
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - its own
        return json.load(answer)


def shown(found: Mapping[str, Any]) -> str:
    """A line for each question, and one for its answer."""
    lines = [
        f"{json.dumps(asked)}:\n {json.dumps(said, ensure_ascii=False)}" for asked, said in found.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def keep(file: Path, text: str, home: Path) -> None:
    file.write_text(text.replace(str(home), PLACE), encoding="utf-8")


if __name__ == "__main__":
    release, workshop = map(Path, sys.argv[1:])
    if not (release / "pictures").exists():
        paint(release / "pictures")
    main(release.absolute(), workshop.absolute())
