"""`tagger similar` and `tagger duplicates` as processes, on pictures that look alike."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.allowed import OWN_MOUNTS, needs
from tests.conftest import Painter
from tests.e2e.command import TAGGER, environment, rows, tagger

pytestmark = pytest.mark.long

DATABASE = ("--database", "tags.db")
UNWANTED = {"TAGGER_FEATURES": "false"}
REAL = {"TAGGER_ENGINE__BACKEND": "openvino"}


def said(home: Path, *arguments: object, **overrides: str) -> str:
    done = tagger(home, *arguments, *DATABASE, **overrides)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(home: Path, *arguments: object) -> tuple[int, str]:
    done = tagger(home, *arguments, *DATABASE)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def tagged(tmp_path: Path, paint: Painter) -> Path:
    """A home with three reds, one of them twice, and a blue, in `tags.db`."""
    for number, (name, colour) in enumerate(
        (("rose", (255, 0, 0)), ("brick", (200, 40, 40)), ("sky", (0, 0, 255)), ("poppy", (250, 10, 0)))
    ):
        paint(tmp_path / "pictures" / f"{name}.png", colour, number)
    shutil.copy(tmp_path / "pictures/rose.png", tmp_path / "pictures/rose2.png")
    tagger(tmp_path, "scan", "pictures", *DATABASE)
    return tmp_path


def names(output: str) -> list[str]:
    return [Path(line).name for line in output.split("\n")[:-1]]


def test_the_most_alike_come_first(tagged: Path) -> None:
    assert names(said(tagged, "similar", "pictures/rose.png", "--nl")) == [
        "rose2.png",
        "poppy.png",
        "brick.png",
        "sky.png",
    ]
    lines = said(tagged, "similar", "pictures/rose.png", "--limit", "2").splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["1.000", "red", "pictures", str(tagged / "pictures/rose2.png")],
        ["0.999", "red", "pictures", str(tagged / "pictures/poppy.png")],
    ]


def test_a_seq_does_as_well_as_a_path(tagged: Path) -> None:
    [(seq,)] = rows(tagged / "tags.db", "SELECT seq FROM top_tag WHERE path LIKE '%/sky.png'")
    by_path = said(tagged, "similar", "pictures/sky.png", "--json")
    assert said(tagged, "similar", seq, "--json") == by_path
    first = json.loads(by_path.splitlines()[0])
    assert {"path", "score", "seq", "label", "tags", "captured_at"} <= first.keys()


def test_a_file_that_is_not_in_the_database_is_looked_at(tagged: Path, paint: Painter) -> None:
    paint(tagged / "new.png", (0, 0, 250), 9)
    output = said(tagged, "similar", "new.png", "-0", "--limit", "1")
    assert output == f"{tagged / 'pictures/sky.png'}\0"


def test_what_cannot_be_compared_is_said(tagged: Path) -> None:
    (tagged / "bad.jpg").write_text("no picture")
    assert refused(tagged, "similar", "99") == (
        2,
        "tagger: 99: no picture has this seq\n"
        "  tagger search --json shows the seq of each; a file whose name is a number is ./NUMBER\n",
    )
    code, said = refused(tagged, "similar", "nowhere.jpg")
    assert (code, "no such file" in said) == (2, True)
    code, said = refused(tagged, "similar", "bad.jpg")
    assert (code, "not a picture" in said) == (1, True)


def test_without_features_it_says_what_to_do_and_that_helps(tmp_path: Path, paint: Painter) -> None:
    for number in range(2):
        paint(tmp_path / f"pictures/{number}.png", (255, 0, 0), number)
    tagger(tmp_path, "scan", "pictures", *DATABASE, **UNWANTED)
    for which in ("1", "pictures/0.png"):
        code, said_ = refused(tmp_path, "similar", which)
        assert code == 2
        assert "features: false" in said_
        assert "tagger retag" in said_
    assert said(tmp_path, "duplicates") == ""
    said(tmp_path, "retag")
    tagger(tmp_path, "scan", "pictures", *DATABASE)
    assert names(said(tmp_path, "similar", "pictures/0.png", "--nl")) == ["1.png"]


@needs(OWN_MOUNTS)
@pytest.mark.parametrize(("size", "stored"), [("64m", 0), ("700m", 2)])
def test_a_disk_with_little_room_gets_tags_and_no_features(
    tmp_path: Path, paint: Painter, size: str, stored: int
) -> None:
    (tmp_path / "disk").mkdir()
    for number in range(2):
        paint(tmp_path / f"pictures/{number}.png", (255, 0, 0), number)
    where = "pictures --database disk/tags.db"
    script = f"""
        mount -t tmpfs -o size={size} none disk
        {TAGGER} scan {where} && cp disk/tags.db . && {TAGGER} doctor {where} --json"""
    command = [*OWN_MOUNTS, "sh", "-c", script]
    done = subprocess.run(
        command, env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    counts = "SELECT (SELECT count(*) FROM top_tag), (SELECT count(*) FROM feature)"
    assert rows(tmp_path / "tags.db", counts) == [(2, stored)]
    for words in ("pictures are tagged without features for now: the disk", "set `features: false`"):
        assert (words in done.stderr) is (not stored)
    assert ("pictures are tagged without features: the disk" in done.stdout) is (not stored)


def test_duplicates_are_groups_and_what_could_go_is_the_rest(tagged: Path) -> None:
    group = [json.loads(line) for line in said(tagged, "duplicates", "--json").splitlines()]
    assert [len(one["pictures"]) for one in group] == [4]
    rest = said(tagged, "duplicates", "--at-least", "0.9999", "--nl")
    found = rows(
        tagged / "tags.db", "SELECT path FROM file WHERE path IN ('rose.png', 'rose2.png') ORDER BY id"
    )
    assert names(rest) == [found[1][0]]  # they differ in nothing: the one that was found first stays
    assert said(tagged, "duplicates", "--at-least", "0.9999", "-0") == rest.replace("\n", "\0")
    assert said(tagged, "duplicates", "path:*/sky.png") == ""
    assert len(said(tagged, "duplicates", "red").splitlines()) == 4


def test_a_smaller_and_worse_copy_of_a_photo_is_found(tmp_path: Path, photos: list[Path]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for photo in photos[:40]:
        shutil.copy(photo, folder)
    original = folder / photos[7].name
    with Image.open(original) as picture:
        picture.resize((picture.width * 3 // 4, picture.height * 3 // 4)).save(
            folder / "copy.jpg", quality=80
        )
    tagger(tmp_path, "scan", "pictures", *DATABASE, **REAL)
    assert names(said(tmp_path, "similar", original, "--nl", "--limit", "1")) == ["copy.jpg"]
    assert names(said(tmp_path, "duplicates", "--nl")) == ["copy.jpg"]
    [group] = [json.loads(line) for line in said(tmp_path, "duplicates", "--json").splitlines()]
    assert [Path(one["path"]) for one in group["pictures"]] == [original, folder / "copy.jpg"]
    elsewhere = tmp_path / "elsewhere.jpg"
    (folder / "copy.jpg").rename(elsewhere)
    assert names(said(tmp_path, "similar", elsewhere, "--nl", **REAL))[:2] == ["copy.jpg", original.name]
