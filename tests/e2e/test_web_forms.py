"""Pictures as real clients send them to `/predict`: forms by hand, base64 in odd places, curl without a type."""

import base64
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from tests.e2e.site import Site, picture, serve, site_of

RED = picture()
FORM = {"Content-Type": "multipart/form-data; boundary=XX"}
UNREADABLE = {"Content-Type": "multipart/form-data; boundary=XX; charset=undefined"}
LETTERS = {"Content-Type": "application/x-www-form-urlencoded"}
BASE64 = base64.b64encode(RED).decode()
LINES = base64.encodebytes(RED).decode().replace("\n", "\r\n")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """They leave no trace: a daemon for all of these tests."""
    home = tmp_path_factory.mktemp("standing")
    (home / "inbox").mkdir()
    with serve(home) as daemon, site_of(daemon) as site:
        yield site


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form of parts: what their Content-Disposition says after `form-data`, and further headers."""
    written = (
        f"--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body for head, body in parts
    )
    return b"\r\n".join([*written, b"--XX--\r\n"])


def detail(standing: Site, status: int, query: str = "", **body: Any) -> str:
    answer = standing.client.post(f"/predict{query}", **body)
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def large() -> bytes:
    """A picture of 3 MB, more than a field of text may have."""
    file = io.BytesIO()
    Image.new("RGB", (1000, 1000), (255, 0, 0)).save(file, "BMP")
    return file.getvalue()


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="image"', "image"),
        ('name="image"\r\nContent-Type: image/jpeg', "image"),
        ("name=image", "image"),
        ('name="image"; filename="a.jpg"', "a.jpg"),
        ("name=\"image\"; filename*=UTF-8''a%20b.jpg", "a b.jpg"),
        ("name=\"image\"; filename*=utf-8'en'caf%C3%A9.jpg", "café.jpg"),
        ("name=\"image\"; filename*=UTF-8''%22%0d%0aX: y", "image"),
    ],
)
@pytest.mark.parametrize("data", [RED, large()], ids=["small", "large"])
def test_a_part_is_a_picture_with_or_without_a_filename(
    standing: Site, disposition: str, name: str, data: bytes
) -> None:
    [result] = standing.predict(content=form((disposition, data)), headers=FORM)
    assert result["tags"][0]["label"] == "red"
    assert result["file"] == name or "X" in disposition


@pytest.mark.parametrize(
    "way",
    [
        {"json": {"image": LINES}},
        {"json": {"image": f" DATA:image/png;base64,{LINES}"}},
        {"content": form(('name="image"', LINES.encode())), "headers": FORM},
        {"content": form(('name="image"', f"data:image/png;base64,{BASE64}".encode())), "headers": FORM},
        {"content": LINES.encode()},
        {"content": RED},
        {"content": RED, "headers": LETTERS},
        {"content": large(), "headers": LETTERS},
        {"content": f"image={quote(BASE64, safe='')}", "headers": LETTERS},
        {"content": f"image={BASE64}", "headers": LETTERS},
        {"content": f"image={LINES}", "headers": LETTERS},
        {"content": f'{{"image": "{BASE64}"}}', "headers": LETTERS},
    ],
)
def test_a_picture_is_found_however_it_is_wrapped(standing: Site, way: dict[str, Any]) -> None:
    [result] = standing.predict(**way)
    assert result["tags"][0]["label"] == "red", result["error"]


def test_curl_sends_a_file_without_a_word_of_what_it_is(standing: Site, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(RED)
    command = ["curl", "-s", "--data-binary", "@x.png", f"{standing.address}/predict"]
    assert b'"red"' in subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "way",
    [
        {"json": {"image": BASE64, "top_k": 2, "min_score": 0, "lang": "zh"}},
        {"files": {"image": RED}, "data": {"top_k": "2", "min_score": "0", "lang": "zh"}},
        {"content": f"image={quote(BASE64, safe='')}&top_k=2&lang=zh", "headers": LETTERS},
    ],
)
def test_what_the_address_may_ask_for_the_body_may_too(standing: Site, way: dict[str, Any]) -> None:
    [result] = standing.predict(**way)
    [asked] = standing.predict("?top_k=2&min_score=0&lang=zh", content=RED)
    assert result["tags"] == asked["tags"]
    assert len(result["tags"]) == 2


@pytest.mark.parametrize(
    ("status", "way", "said"),
    [
        (422, {"json": {"image": BASE64, "topk": 2}}, r"topk: no such field; did you mean top_k\?"),
        (
            422,
            {"json": {"picture": BASE64}},
            r"picture: no such field; there are top_k, min_score, lang, image",
        ),
        (422, {"files": {"image": RED}, "data": {"top-k": "2"}}, "top-k: no such field"),
        (422, {"files": {"img": RED}}, r"img: no such field"),
        (422, {"json": {"image": BASE64, "top_k": 0}}, "top_k: "),
        (422, {"files": {"image": RED}, "data": {"min_score": "much"}}, "min_score: "),
        (422, {"json": {"image": BASE64, "lang": "fr"}}, "lang: "),
        (422, {"files": {"image": RED}, "data": {"top_k": ["1", "2"]}}, "top_k: said 2 times"),
        (400, {"json": {"image": [BASE64, "%%"]}}, r"image\.1: the picture is not base64"),
        (400, {"json": {"image": 7}}, "image: must be text"),
        (400, {"files": {"image": ("", b"")}}, "the field image is empty"),
        (
            400,
            {"content": form(('name="image"; filename=""', b"")), "headers": FORM},
            "the field image is empty",
        ),
        (400, {"data": {"top_k": "2"}}, "there is no picture in it"),
        (400, {"content": form(('name="note"', b"x" * 2_000_000)), "headers": FORM}, "the field note: "),
        (400, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "Content-Type: "),
        (
            400,
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary="}},
            "Content-Type: ",
        ),
        (400, {"content": form(('name="image"', RED)), "headers": UNREADABLE}, "Content-Type: its charset"),
        (400, {"content": form(('name="image"\r\nX: ' + "x" * 30_000_000, RED)), "headers": FORM}, "be read"),
        (413, {"content": b"image=" + b"%41" * 1_000_000, "headers": LETTERS}, "multipart/form-data"),
        (413, {"content": b"image=&" * 2_000, "headers": LETTERS}, "multipart/form-data"),
        (415, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, "Content-Type: text/plain"),
    ],
)
def test_what_is_wrong_is_said_by_its_name(
    standing: Site, status: int, way: dict[str, Any], said: str
) -> None:
    assert re.search(said, detail(standing, status, **way))


def test_what_address_and_body_both_say_is_not_guessed_at(standing: Site) -> None:
    assert "top_k: said 2 times" in detail(standing, 422, "?top_k=3", json={"image": BASE64, "top_k": 2})


def test_of_two_file_inputs_one_may_be_empty(standing: Site) -> None:
    both = form(('name="image"; filename=""', b""), ('name="image"; filename="a.png"', RED))
    assert [one["file"] for one in standing.predict(content=both, headers=FORM)] == ["a.png"]


def test_a_client_that_says_nothing_of_its_form_s_length_is_heard(standing: Site) -> None:
    pieces = (form(('name="image"', RED))[at : at + 7] for at in range(0, 2000, 7))
    answer = httpx.post(f"{standing.address}/predict", content=pieces, headers=FORM)
    assert answer.json()["results"][0]["tags"][0]["label"] == "red"
