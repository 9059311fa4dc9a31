"""A user's own labels, from pictures to searches, the API, exports and Rekognition's clients."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagger.heads import files
from tagger.heads.head import Fit, Head
from tagger.vision.engines.fake import IDENTITY
from tests.e2e.command import on_a_terminal, tagger
from tests.e2e.site import Site, picture, serve, site_of
from tests.e2e.test_rekognition import names, rekognition

pytestmark = pytest.mark.long

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
OWN = {"TAGGER_HEADS": '["mood"]'}


def mood() -> Head:
    """Return a head by which red is angry, blue is blue, and green is neither."""
    weights = np.array([[9, 0, 0], [0, 0, 9], [0, 9, 0]], np.float32)
    fit = Fit(IDENTITY, weights, np.zeros(3, np.float32), (0.5, 0.5), (0.2, 0.5))
    learned_at, recalls = datetime(2026, 1, 2, tzinfo=UTC), {"angry": 0.9}
    zh = {"angry": "生气"}
    return Head("mood", ("angry", "blue"), False, (fit,), learned_at, names_zh=zh, recalls=recalls)


def home_of(folder: Path) -> Path:
    (folder / "inbox").mkdir()
    files.write(folder / "heads", mood())
    for name, colour in (("red", RED), ("blue", BLUE), ("green", GREEN)):
        (folder / "inbox" / f"{name}.png").write_bytes(picture(colour))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = home_of(tmp_path_factory.mktemp("labels"))
    done = tagger(home, "scan", "inbox", "--database", "tags.db", **OWN)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[Site]:
    with serve(home, OWN) as daemon, site_of(daemon) as site:
        yield site


def own(image: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["head"], one["label"], one["state"]) for one in image["heads"]]


def test_a_picture_that_is_handed_in_has_labels_of_heads(site: Site) -> None:
    red, green = (
        site.predict(content=picture(one), headers={"Content-Type": "image/png"}) for one in (RED, GREEN)
    )
    assert [own(one) for [one] in (red, green)] == [
        [("mood", "angry", "flagged")],
        [("mood", "none", "clear")],
    ]
    assert red[0]["tags"][0]["label"] == "red"
    [chinese] = site.predict("?lang=zh", content=picture(RED), headers={"Content-Type": "image/png"})
    assert (chinese["heads"][0]["name"], chinese["heads"][0]["key"]) == ("生气", "mood/angry")


def test_a_stored_picture_has_them_too_and_is_found_by_them(site: Site) -> None:
    [image] = site.get("/images", params={"q": "mood:angry >= 0.8"})["images"]
    assert Path(image["path"]).name == "red.png"
    assert own(image) == [("mood", "angry", "flagged")]
    assert own(site.get(f"/images/{image['id']}")) == own(image)


def test_rekognitions_clients_get_them_as_labels_whose_parent_is_the_head(site: Site) -> None:
    with rekognition(site) as client:
        answer = client.detect_labels(Image={"Bytes": picture(RED)})
        assert set(names(answer)) == {"red", "angry"}
        [angry] = [one for one in answer["Labels"] if one["Name"] == "angry"]
        assert angry["Parents"] == angry["Categories"] == [{"Name": "mood"}]
        assert names(client.detect_labels(Image={"Bytes": picture(GREEN)})) == ["green"]
        assert names(client.detect_labels(Image={"Bytes": picture(RED)}, MinConfidence=100)) == []


def test_a_search_on_a_terminal_and_for_programs_tells_them(home: Path) -> None:
    seen = on_a_terminal(home, "search", "mood:angry", "--database", "tags.db", COLUMNS="160")
    assert "mood: angry 100 %" in seen
    assert "own labels" not in on_a_terminal(home, "search", "green", "--database", "tags.db")
    [hit] = map(
        json.loads, tagger(home, "search", "生气", "--json", "--database", "tags.db").stdout.splitlines()
    )
    assert (hit["label"], own(hit)) == ("angry", [("mood", "angry", "flagged")])


def test_tag_tells_them_of_any_picture_without_the_database(home: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.png" for name in ("red", "green")]
    for file, colour in zip(files, (RED, GREEN), strict=True):
        file.write_bytes(picture(colour))
    ask = ("--database", home / "tags.db")
    before = (home / "tags.db").read_bytes()
    red, green = map(json.loads, tagger(home, "tag", *files, "--json", *ask, **OWN).stdout.splitlines())
    assert [own(one) for one in (red, green)] == [
        [("mood", "angry", "flagged")],
        [("mood", "none", "clear")],
    ]
    found = tagger(home, "search", "mood:angry", "--json", "--database", "tags.db").stdout
    assert red["heads"] == json.loads(found)["heads"]
    lines = [line.split("\t") for line in tagger(home, "tag", *files, *ask, **OWN).stdout.splitlines()]
    assert [(file, label) for file, label, _ in lines if ":" in label] == [(str(files[0]), "mood:angry")]
    assert "mood:angry" in on_a_terminal(home, "tag", *files, *ask, **OWN)
    assert (home / "tags.db").read_bytes() == before


def test_tag_tells_those_of_the_pictures_source_as_it_is_cropped(tmp_path: Path) -> None:
    home_of(tmp_path)
    (tmp_path / "config.yaml").write_text(
        "database: tags.db\nheads: [mood]\nsources: [{path: inbox, heads: []}, {path: wide, crop: squash}]\n"
    )
    (tmp_path / "wide").mkdir()
    files = [tmp_path / folder / "red.png" for folder in ("inbox", "wide", ".")]
    for file in files:
        file.write_bytes(picture(RED))

    def heads(*options: str) -> list[list[tuple[Any, ...]]]:
        said = tagger(tmp_path, "tag", *files, "--json", "-c", "config.yaml", *options).stdout
        return [own(json.loads(line)) for line in said.splitlines()]

    angry = [("mood", "angry", "flagged")]
    assert heads() == [[], [], angry], "one has no head, and of the other crop nothing was learned"
    assert heads("--crop", "center") == [[], angry, angry]


def test_tag_tells_what_is_wrong_with_a_head_and_goes_on(tmp_path: Path) -> None:
    home_of(tmp_path)
    (tmp_path / "heads/mood.json").write_text("{")
    done = tagger(tmp_path, "tag", "inbox/red.png", "--database", "tags.db", **OWN)
    assert (done.returncode, "tagger teach mood" in done.stderr) == (0, True)
    assert "\tred\t" in done.stdout
    off = tagger(tmp_path, "tag", "inbox/red.png", "--database", "tags.db", TAGGER_FEATURES="false", **OWN)
    assert off.stdout == done.stdout


def test_an_export_and_sidecars_have_them(home: Path) -> None:
    rows = csv.DictReader(io.StringIO(tagger(home, "export", "mood:angry", "--database", "tags.db").stdout))
    [row] = [row for row in rows if row["kind"] == "head"]
    assert (row["name"], row["head"], row["state"]) == ("angry", "mood", "flagged")
    done = tagger(home, "export", "red", "--format", "xmp", "--output", "out", "--database", "tags.db")
    assert done.returncode == 0, done.stderr
    assert "mood|angry" in next((home / "out").rglob("*.xmp")).read_text()


def test_a_correction_names_them_as_a_search_does(home: Path) -> None:
    green = home / "inbox/green.png"
    for said, found in (("--add", [str(green)]), ("--clear", [])):
        done = tagger(home, "label", green, said, "mood:blue", "--database", "tags.db")
        assert done.returncode == 0, done.stderr
        assert (
            tagger(home, "search", "mood:blue and green", "--nl", "--database", "tags.db").stdout.split()
            == found
        )


def test_a_group_of_paths_that_is_called_as_a_head_comes_first_and_the_log_says_so(tmp_path: Path) -> None:
    home_of(tmp_path)
    (tmp_path / "config.yaml").write_text(
        "database: tags.db\nheads: [mood]\nsources: [{path: inbox, path_pattern: '(?P<mood>[^/.]+)[.]png$'}]\n"
    )
    done = tagger(tmp_path, "scan", "-c", "config.yaml")
    assert "the group (?P<mood>…) of path_pattern is called as a head is" in done.stderr
    for query, found in (("mood:green", "green.png"), ("mood:angry", ""), ("angry", "red.png")):
        said = tagger(tmp_path, "search", query, "--nl", "-c", "config.yaml").stdout
        assert said.strip().rpartition("/")[2] == found


def test_a_head_that_is_called_as_the_weights_file_is_refused_before_labels_are_mixed(tmp_path: Path) -> None:
    home_of(tmp_path)
    (tmp_path / "mood.safetensors").write_bytes(b"tensors")
    (tmp_path / "mood.json").write_text('["angry", "calm"]')
    (tmp_path / "config.yaml").write_text(
        "database: tags.db\nheads: [mood]\nsources: [{path: inbox}]\n"
        f"model: {{name: resnet18, weights: {tmp_path}/mood.safetensors}}\n"
    )
    for command in (("config", "check"), ("scan",), ("tag", "inbox/red.png")):
        done = tagger(tmp_path, *command, "-c", "config.yaml", TAGGER_ENGINE__BACKEND="auto")
        assert done.returncode == 2
        assert f"head mood: the labels of {tmp_path}/mood.safetensors" in done.stderr
        assert "call the head something else" in done.stderr
    (tmp_path / "config.yaml").write_text("database: tags.db\nheads: [mood]\nsources: [{path: inbox}]\n")
    assert tagger(tmp_path, "config", "check", "-c", "config.yaml").returncode == 0
