"""What monitors and other programs ask of the web beside GET and POST: a server with a token, on real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import TOKEN, client, served

RIGHT = {"Authorization": f"Bearer {TOKEN}"}
PATHS = ("/healthz", "/readyz", "/images", "/metrics", "/", "/images/1/file", "/login", "/static/tagger.css")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path, token=TOKEN) as address:
        yield address


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_as_get_without_the_body(guarded: str, path: str) -> None:
    with client(guarded) as one:
        get, head = one.get(path, headers=RIGHT), one.head(path, headers=RIGHT)
        unknown = one.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert ("content-length" in head.headers) == ("content-length" in get.headers)
        assert head.headers["content-type"] == get.headers["content-type"]
        assert unknown.status_code == one.get(path).status_code


def test_head_of_a_stream_ends_and_leaves_its_place(guarded: str) -> None:
    with client(guarded) as one:
        answers = [one.head("/events", headers=RIGHT) for _ in range(105)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["content-type"].startswith("text/event-stream")
    assert answers[0].headers["x-accel-buffering"] == "no"


def test_head_of_what_is_only_posted_to_and_of_nothing(guarded: str) -> None:
    with client(guarded) as one:
        assert one.head("/predict", headers=RIGHT).status_code == 405
        assert one.head("/nowhere", headers=RIGHT).status_code == 404
        assert one.head("/", headers={"Accept": "text/html"}).headers["location"] == "/login?to=/"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/images", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, POST, OPTIONS"),
        ("/predict", "POST, OPTIONS"),
        ("/login", "GET, HEAD, POST, OPTIONS"),
        ("/static/tagger.css", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_says_what_may_be_asked(guarded: str, path: str, methods: str) -> None:
    with client(guarded) as one:
        answer = one.options(path, headers=RIGHT)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (204, methods, b"")
        assert one.options("/nowhere", headers=RIGHT).status_code == 404
        assert one.options("/images").status_code == 401


@pytest.mark.parametrize("written", [f"\ufeff{TOKEN}\r\n", f"{TOKEN}\r\n", f"\ufeff{TOKEN}"])
def test_a_token_file_is_read_as_any_editor_saves_it(tmp_path: Path, written: str) -> None:
    (tmp_path / "token").write_bytes(written.encode())
    with served(tmp_path, token_file=tmp_path / "token") as address, client(address) as one:
        assert one.get("/readyz", headers=RIGHT).status_code == 200
