"""The API of a running daemon, over HTTP, with clients as people have them."""

import base64
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tagger.config.web import WebSettings
from tagger.store.core.database import Database
from tagger.web.app import create_app
from tests.e2e.command import tagger
from tests.e2e.site import TOKEN, Site, picture, reading, serve, site_of


@pytest.fixture
def site(tmp_path: Path, inbox: Path) -> Iterator[Site]:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        yield site


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For what leaves no trace: a daemon for all of these tests."""
    home = tmp_path_factory.mktemp("standing")
    (home / "inbox").mkdir()
    with serve(home) as daemon, site_of(daemon) as site:
        yield site


def labels(result: dict[str, Any]) -> list[str]:
    return [tag["label"] for tag in result["tags"]]


def test_a_picture_is_tagged_however_it_is_sent(standing: Site) -> None:
    data = picture()
    ways = (
        {"files": {"image": ("red.png", data)}},
        {"json": {"image": base64.b64encode(data).decode()}},
        {"json": {"image": "data:image/png;base64," + base64.b64encode(data).decode()}},
        {"content": data, "headers": {"Content-Type": "image/png"}},
    )
    for way in ways:
        [result] = standing.predict(**way)
        assert labels(result)[0] == "red"
        assert result["error"] is None


def test_of_several_pictures_a_bad_one_fails_alone_and_nothing_is_stored(standing: Site) -> None:
    files = [
        ("image", ("red.png", picture())),
        ("image", ("no.png", b"no picture")),
        ("image", ("b.png", picture((0, 0, 255)))),
    ]
    red, bad, blue = standing.predict(files=files)
    assert (labels(red)[0], labels(blue)[0], labels(bad)) == ("red", "blue", [])
    assert (bad["file"], "not a picture" in bad["error"]) == ("no.png", True)
    assert standing.get("/images")["images"] == []


def test_top_k_and_min_score_and_the_language(standing: Site) -> None:
    data = picture()
    assert len(standing.predict("?top_k=2", content=data)[0]["tags"]) == 2
    assert all(tag["score"] >= 0.5 for tag in standing.predict("?min_score=0.5", content=data)[0]["tags"])
    assert standing.predict("?lang=zh", content=data)[0]["tags"][0]["label"] == "red"


def test_pictures_of_the_folders_are_searched_page_by_page(site: Site, inbox: Path) -> None:
    for number in range(5):
        (inbox / f"{number}.png").write_bytes(picture((255 - number, 0, 0)))
    site.daemon.wait_for(r"tagged 5 pictures|4\.png")
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        page = site.get("/images", params={"q": "red", "limit": 2, "cursor": cursor})
        seen += [image["id"] for image in page["images"]]
        cursor = page["next"]
    assert sorted(seen) == [1, 2, 3, 4, 5]
    times = [site.get(f"/images/{id_}")["captured_at"] for id_ in seen]
    assert times == sorted(times, reverse=True)
    image = site.get("/images/1")
    assert (image["width"], image["height"], image["camera"]) == (64, 48, None)
    assert image["health"]["is_blank"] is True
    assert site.get("/stats")["files"]["done"] == 5


def test_a_verdict_corrects_a_picture(site: Site, inbox: Path) -> None:
    (inbox / "red.png").write_bytes(picture())
    site.daemon.wait_for("red.png: red")
    both = site.client.post("/images/1/verdicts", json={"add": ["blue"], "remove": ["Blue"]})
    assert (both.status_code, "two things are said of it" in both.json()["detail"]) == (422, True)
    said = site.client.post("/images/1/verdicts", json={"add": ["blue"], "remove": ["red"]})
    assert said.json() == {"images": 1}
    assert site.get("/images/1")["tags"][0]["label"] == "blue"
    assert site.get("/images", params={"q": "red"})["images"] == []


def test_what_there_is_to_ask_for(standing: Site) -> None:
    assert {"red", "blue"} <= {one["name"] for one in standing.get("/labels")}
    assert {"key": "vehicle", "name": "vehicle", "name_zh": "交通工具"} in standing.get("/categories")
    assert [one["name"] for one in standing.get("/sources")] == ["inbox"]
    assert standing.get("/readyz") == {"status": "ok", "missing": [], "paused": False}
    assert standing.get("/healthz") == {"status": "ok"}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "said"),
    [
        ("POST", "/predict", {}, 400, "there is no picture in it"),
        ("POST", "/predict", {"json": {"image": "%%%"}}, 400, "is not base64"),
        (
            "POST",
            "/predict",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "is not JSON",
        ),
        (
            "POST",
            "/predict",
            {"content": b"x", "headers": {"Content-Type": "text/plain"}},
            415,
            "is not understood",
        ),
        ("POST", "/predict?top_k=0", {"content": b"x"}, 422, "top_k"),
        ("POST", "/predict", {"content": b"x" * 33_600_000}, 413, "web.max_bytes"),
        ("POST", "/predict", {"files": [("image", b"x")] * 33}, 413, "send 32 or fewer"),
        ("GET", "/images?q=reed", {}, 400, "did you mean red"),
        ("GET", "/images?cursor=abc", {}, 400, "the cursor is not one"),
        ("GET", "/images/7", {}, 404, "there is no image 7"),
        ("GET", "/images/99999999999999999999", {}, 404, "there is no image"),
        ("POST", "/images/7/verdicts", {"json": {}}, 400, "say one thing of each label"),
        ("GET", "/nowhere", {}, 404, "there is nothing at /nowhere"),
        ("POST", "/images/7/verdicts", {"json": {"add": ["x" * 65_536]}}, 413, "65,536 bytes"),
        ("POST", "/images/7/verdicts", {"json": {"add": ["x"] * 101}}, 422, "at most 100"),
        ("POST", "/images/7/verdicts", {"json": {"add": ["x" * 201]}}, 422, "at most 200"),
        ("POST", "/images/7/verdicts", {"json": {"add": [1] * 8}}, 422, "; and 3 more"),
        ("POST", "/images/7/verdicts", {"content": rb'{"add": ["\ud800"]}', "headers": JSON}, 400, "add.0"),
        ("POST", "/images/7/verdicts", {"content": b"[" * 60_000, "headers": JSON}, 400, "parsing"),
        ("POST", "/login", {"data": {"token": "x" * 65_536}}, 413, "65,536 bytes"),
        ("POST", "/predict", {"json": {"image": ["QQ=="] * 2_000}}, 413, "send 32 pictures or fewer"),
        ("POST", "/predict", {"json": {"image": ["QQ=="] * 33}}, 413, "send 32 or fewer"),
        ("POST", "/predict", {"json": {"image": "\u0660AAA"}}, 400, "is not base64"),
        ("POST", "/predict?min_score=nan", {"content": b"x"}, 400, "min_score"),
        ("POST", "/predict?top_k=1000", {"content": b"x"}, 422, "top_k"),
        ("GET", "/events", {"headers": {"Last-Event-ID": "99999999999999999999"}}, 400, "last-event-id"),
        ("GET", "/events", {"headers": {"Last-Event-ID": "-1"}}, 422, "last-event-id"),
        ("GET", "/images?limit=99999999999999999999", {}, 400, "limit"),
        ("GET", f"/images/{'9' * 5_000}", {}, 400, "id"),
        ("GET", "/pictures/99999999999999999999", {}, 404, "there is no image"),
        ("GET", "/images?q=since+0001-01-01T00:00:00%2B23:59", {}, 400, "out of the years 1 to 9999"),
        ("GET", "/images?q=since+9999-12-31T23:59:59-23:59", {}, 400, "out of the years 1 to 9999"),
        ("GET", f"/images?q=since+{'9' * 3_900}h", {}, 400, "out of the years 1 to 9999"),
        ("GET", f"/{'x' * 9_000}", {}, 404, "…"),
        (
            "GET",
            "/stats",
            {"headers": {"Host": "evil.example"}},
            421,
            "does not answer to the name 'evil.example'",
        ),
        (
            "POST",
            "/predict",
            {"content": b"x", "headers": {"Origin": "http://evil.example"}},
            403,
            "another site",
        ),
    ],
)
def test_what_is_wrong_is_said_as_a_problem_with_what_to_do(
    standing: Site, method: str, path: str, options: dict[str, Any], status: int, said: str
) -> None:
    answer = standing.client.request(method, path, **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], said in problem["detail"]) == (status, True), problem


@pytest.mark.parametrize(
    "position",
    [
        '["2026-01-01T00:00:00+00:00", Infinity]',
        '["2026-01-01T00:00:00+00:00", NaN]',
        '["2026-01-01T00:00:00+00:00", 1e308]',
        '["2026-01-01T00:00:00+00:00", 9223372036854775808]',
        f'["2026-01-01T00:00:00+00:00", {"9" * 110}]',
        '["2026-01-01T00:00:00+00:00", 0]',
        '["2026-01-01T00:00:00+00:00", "1"]',
        '["0001-01-01T00:00:00+23:59", 1]',
        '["9999-12-31T23:59:59-23:59", 1]',
        '["2026-01-01T00:00:00", 5]',
        '["2026-01-01", 5]',
        "[null, 5]",
        "[" * 140,
        "{}",
    ],
)
def test_a_cursor_that_could_not_be_is_refused(standing: Site, position: str) -> None:
    cursor = base64.urlsafe_b64encode(position.encode()).decode()
    for path in ("/images", "/", "/?part=true"):
        answer = standing.client.get(path, params={"cursor": cursor, "part": path != "/"})
        assert answer.status_code == 400
        assert "take `next` of the page before" in answer.json()["detail"]


def test_a_body_that_says_nothing_of_its_length_and_has_no_picture_is_short(standing: Site) -> None:
    answer = standing.client.post(
        "/images/7/verdicts", content=(b" " * 10_000 for _ in range(10)), headers=JSON
    )
    assert (answer.status_code, "65,536 bytes" in answer.json()["detail"]) == (413, True)


def test_a_body_that_says_nothing_of_its_length_ends_where_it_is_too_long(standing: Site) -> None:
    answer = standing.client.post("/predict", content=(b"x" * 1_000_000 for _ in range(40)))
    assert answer.status_code == 413


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path, rate="0.1") as daemon, site_of(daemon) as site:
        assert site.predict(content=picture())
        answer = site.client.post("/predict", content=picture())
        assert (answer.status_code, "web.rate" in answer.json()["detail"]) == (429, True)
        assert site.get("/stats")["files"]["done"] == 0


@pytest.mark.long
def test_the_api_keeps_to_its_description_whatever_it_is_asked(
    site: Site, inbox: Path, tmp_path: Path
) -> None:
    (inbox / "no.png").write_bytes(b"no picture")
    site.daemon.wait_for("no.png: ")
    (inbox / "red.png").write_bytes(picture())
    site.daemon.wait_for("red.png: red")
    schemathesis = Path(sys.executable).with_name("st")
    address = f"{site.address}/openapi.json"
    options = (
        "--max-examples=25",
        "--mode=all",
        f"--checks={CHECKS}",
        "--exclude-path=/events",
        "--no-color",
    )
    done = subprocess.run(
        [schemathesis, "run", address, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert site.get("/healthz") == {"status": "ok"}


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


def test_from_elsewhere_only_whoever_has_the_token_is_answered(tmp_path: Path, inbox: Path) -> None:
    with serve(tmp_path, token=TOKEN) as daemon:
        client = httpx.Client(base_url=daemon.first.split("web: ")[1].strip())
        with closing(client):
            assert client.get("/healthz").status_code == 200
            assert client.get("/stats").status_code == 401
            assert client.get("/stats", headers={"Authorization": "Bearer wrong"}).status_code == 401
            right = {"Authorization": f"Bearer {TOKEN}", "Host": "tagger.example"}
            assert client.get("/stats", headers=right).status_code == 200


def test_whoever_waits_for_an_answer_when_it_stops_is_told_so(tmp_path: Path, inbox: Path) -> None:
    hangs = {"TAGGER_FAILPOINTS": "infer=hang", "TAGGER_LOG_LEVEL": "debug"}
    with serve(tmp_path, hangs) as daemon, ThreadPoolExecutor() as pool:
        address = daemon.first.split("web: ")[1].strip()
        waiting = pool.submit(httpx.post, f"{address}/predict", content=picture(), timeout=60)
        daemon.wait_for("request 1: ")
        daemon.process.send_signal(signal.SIGTERM)
        answer = waiting.result()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "Tagger is stopping" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ("{enabled: true, host: 0.0.0.0}", "a token is needed"),
        ("{enabled: true, token: short}", "fewer than 16 characters"),
        ("{port: 70000}", "web.port"),
    ],
)
def test_an_open_door_is_refused(tmp_path: Path, inbox: Path, web: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text(f"sources: [inbox]\nweb: {web}\n")
    refused = tagger(tmp_path, "config", "check", "-c", tmp_path / "config.yaml")
    assert refused.returncode == 2
    assert said in refused.stderr


def test_where_the_port_is_taken_files_are_tagged_all_the_same(tmp_path: Path, inbox: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        with serve(tmp_path, port=port) as daemon:
            assert f"no web: port {port} is taken by another program; web.port names another" in daemon.first
            (inbox / "red.png").write_bytes(picture())
            daemon.wait_for("red.png: red")


def test_the_description_is_valid_and_names_what_there_is(standing: Site) -> None:
    described = standing.get("/openapi.json")
    assert {"/predict", "/images", "/images/{id}", "/labels", "/stats"} <= set(described["paths"])
    assert json.dumps(described)


def test_what_only_reads_describes_itself_alike(standing: Site, tmp_path: Path) -> None:
    with (
        closing(Database.open(str(tmp_path / "tags.db"), create=True)) as database,
        reading(database, tmp_path) as context,
    ):
        assert create_app(WebSettings(), context).openapi() == standing.get("/openapi.json")
