"""Heads over HTTP: examples, learning, and what comes of it, as whoever writes a client of the API does it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tagger.heads import files
from tagger.heads.head import Head
from tagger.records import Label
from tagger.store.core.database import Database
from tagger.store.tags import heads
from tests.e2e.command import rows, running, tagger
from tests.e2e.site import Site, picture, serve, served, site_of

KINDS = {
    "warm": [(255, 0, 0), (255, 90, 0), (255, 0, 90), (200, 60, 10), (255, 140, 60), (180, 0, 0)],
    "cold": [(0, 0, 255), (0, 90, 255), (60, 0, 255), (10, 60, 200), (60, 140, 255), (0, 60, 180)],
}


class Taught(Site):
    """A site whose daemon is to label pictures by the head `mood`, which nobody has taught yet."""

    home: Path

    def ids(self, *names: str) -> list[int]:
        found = {Path(one["path"]).stem: one["id"] for one in self.get("/images?limit=100")["images"]}
        return [found[name] for name in names]

    def give(self, label: str, names: Sequence[str], head: str = "mood", **also: Any) -> httpx.Response:
        body = {"label": label, "images": self.ids(*names), **also}
        return self.client.post(f"/heads/{head}/examples", json=body)

    def said(self, name: str) -> list[tuple[Any, ...]]:
        query = "SELECT label, by FROM head_tags WHERE head = 'mood' AND path LIKE ?"
        return rows(self.home / "tags.db", query, f"%/{name}.png")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Taught]:
    (tmp_path / "inbox").mkdir()
    for kind, colours in KINDS.items():
        for at, colour in enumerate(colours):
            (tmp_path / f"inbox/{kind}{at}.png").write_bytes(picture(colour))
    tagger(tmp_path, "scan", tmp_path / "inbox", "--database", tmp_path / "tags.db")
    with serve(tmp_path, {"TAGGER_HEADS": "[mood]"}) as daemon, site_of(daemon) as plain:
        site = Taught(daemon, plain.address)
        site.home = tmp_path
        with closing(site.client):
            yield site


@pytest.mark.long
def test_pictures_that_people_name_teach_a_head_that_labels_all_others(site: Taught) -> None:
    pytest.importorskip("sklearn")
    assert [(one["name"], one["state"]) for one in site.get("/heads")] == [("mood", "not learned")]
    for kind in KINDS:
        assert site.give(kind, [f"{kind}{at}" for at in range(5)]).json() == {"images": 5}
    [before] = site.get("/heads")
    assert (before["state"], before["sources"]) == ("not learned", [])
    assert {one["label"]: one["examples"] for one in before["labels"]} == {"warm": 5, "cold": 5}
    assert site.client.post("/heads/mood/teach").status_code == 202
    site.daemon.wait_for("head mood was learned")
    if "labelled that had been stored" not in site.daemon.log:  # which comes first is chance
        site.daemon.wait_for("labelled that had been stored")
    learned = site.get("/heads/mood")
    assert (learned["state"], learned["sources"], learned["left"]) == ("in use", ["inbox"], 0)
    assert learned["accuracy_low"] <= learned["accuracy"] <= learned["accuracy_high"]
    assert learned["report"]["confusion"]
    assert [site.said(name) for name in ("warm5", "cold5")] == [[("warm", "model")], [("cold", "model")]]
    assert site.give("cold", ["warm5"]).json() == {"images": 1}
    assert site.said("warm5") == [("cold", "human")]
    assert site.give("cold", ["warm5"], remove=True).json() == {"images": 1}
    assert site.said("warm5") == [("warm", "model")]


def test_what_cannot_be_an_example_is_refused_in_words(site: Taught) -> None:
    refused = [
        (site.give("warm", ["warm0"], head="Mood"), "small letters"),
        (site.give("warm", ["warm0"], head="is"), "search language"),
        (site.give("a/b", ["warm0"]), "label's name"),
        (site.give("unsure", ["warm0"]), "none"),
        (site.give("warm", ["warm0"], lable="x"), "lable"),
        (site.client.post("/heads/mood/examples", json={"label": "warm", "images": [10**6]}), "no image 1000000"),
        (site.client.post("/heads/mood/examples", json={"label": "warm", "images": [1] * 101}), "100"),
        (site.client.post("/heads/nobody/teach"), "GET /heads"),
    ]  # fmt: skip
    for answer, words in refused:
        assert 400 <= answer.status_code < 500
        assert words in answer.json()["detail"]
    assert [one["labels"] for one in site.get("/heads")] == [[]]


def test_a_head_whose_files_are_damaged_or_of_another_make_is_told_of(site: Taught) -> None:
    site.give("warm", ["warm0"])
    head = Head("mood", ("warm",), False, (), datetime.now(UTC), report={"accuracy": 5})
    files.write(site.home / "heads", head)
    assert site.get("/heads/mood")["report"] is None
    (site.home / "heads/mood.json").write_text("{")
    [told] = site.get("/heads")
    assert (told["state"], "tagger teach mood" in told["wrong"]) == ("damaged", True)


@pytest.mark.long
def test_learning_without_examples_says_why(site: Taught) -> None:
    pytest.importorskip("sklearn")
    site.give("warm", ["warm0"])
    site.give("warm", ["warm0"], remove=True)
    assert site.client.post("/heads/mood/teach").status_code == 202
    assert "no examples" in site.daemon.wait_for("head mood was not learned")
    [head] = site.get("/heads")
    assert head["state"] == "not learned"


def test_a_server_that_only_reads_tells_of_heads_and_teaches_none(tmp_path: Path) -> None:
    with served(tmp_path) as address, httpx.Client(base_url=address) as client:
        assert client.get("/heads").json() == []
        for path in ("/heads/mood/teach", "/heads/mood/examples"):
            answer = client.post(path, json={"label": "warm", "images": [1]})
            assert (answer.status_code, "only reads" in answer.json()["detail"]) == (403, True)


def test_a_heads_page_is_chinese_where_its_reader_is(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from tagger.teach.evaluate import advice

    names = {"warm": "暖色", "cold": "冷色", "3": "三楼"}
    with closing(Database.open(str(tmp_path / "tags.db"), create=True)) as database, database.write() as told:
        heads.register(told, "mood", False, [Label(f"mood/{own}", own, zh) for own, zh in names.items()])
    confusion = [[7, 2, 0, 3], [0, 3, 0, 0], [0, 0, 9, 0], [4, 0, 0, 9]]
    counts, none = {"warm": 12, "cold": 3, "3": 9}, dict.fromkeys(("accuracy", "half", "foreign"))
    report = {"labels": [*names], "examples": counts, "confusion": confusion, "suspects": [], **none}
    report |= {"next": [*advice([*names], counts, confusion, None, None, {})], "per_label": {}, "recalls": {}}
    files.write(tmp_path / "heads", Head("mood", (*names,), False, (), datetime.now(UTC), report=report))
    with served(tmp_path) as address, httpx.Client(base_url=address) as client:
        page, english = (client.get(f"/teach/mood?lang={lang}").text for lang in ("zh", "en"))
    for words in ("请给 冷色 更多示例：现有 3 个", "像 暖色 但不属于任何标签", "有 3 张没有得到标签"):
        assert words in page
    assert [own for own in ("warm", "cold", ">none<", "Add pictures", "Give") if own in page] == []
    assert "Give cold more examples" in english


def test_the_api_and_the_page_list_a_head_that_the_config_names_for_one_source(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    tagger(tmp_path, "scan", tmp_path / "inbox", "--database", tmp_path / "tags.db")
    (tmp_path / "config.yaml").write_text(
        "database: tags.db\nsources: [{path: inbox, heads: [mood]}]\nweb: {port: 0}\n"
    )
    for command, enabled in (("web", "false"), ("run", "true")):
        options = ("-c", tmp_path / "config.yaml")
        with (
            running(tmp_path, *options, command=command, first="web:", TAGGER_WEB__ENABLED=enabled) as server,
            site_of(server) as site,
        ):
            [head] = site.get("/heads")
            assert (head["name"], head["state"], head["labels"]) == ("mood", "not learned", [])
            assert site.get("/heads/mood")["state"] == "not learned"
            assert 'href="/teach/mood"' in site.client.get("/teach").text
