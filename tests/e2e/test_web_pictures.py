"""Pictures and thumbnails of a running daemon, by number: and whether anything else can be got at."""

import io
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Painter
from tests.e2e.site import Site, picture, serve, site_of

SECRET = b"the shadow file"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def site(tmp_path: Path, inbox: Path, cache: Path, paint: Painter) -> Iterator[Site]:
    """One picture, in a folder of the source."""
    paint(inbox / "day" / "red.png")
    with serve(tmp_path, {"CACHE_DIRECTORY": str(cache)}) as daemon, site_of(daemon) as site:
        daemon.wait_for("red.png: red")
        yield site


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("standing")


@pytest.fixture(scope="module")
def standing(home: Path, paint: Painter) -> Iterator[Site]:
    """The same for all tests that leave no trace but in a folder of their own."""
    paint(home / "inbox" / "day" / "red.png")
    with serve(home, {"CACHE_DIRECTORY": str(home / "cache")}) as daemon, site_of(daemon) as site:
        daemon.wait_for("red.png: red")
        yield site


@pytest.fixture
def folder(home: Path, standing: Site) -> Path:
    """A folder of a test's own in that inbox."""
    return Path(tempfile.mkdtemp(dir=home / "inbox"))


def number_of(site: Site, file: Path) -> int:
    """Of a picture, once it is tagged."""
    while True:
        for one in site.get("/images")["images"]:
            if Path(one["path"]) == file:
                return int(one["id"])


def test_the_file_is_sent_as_it_is_and_once(standing: Site, home: Path) -> None:
    answer = standing.client.get("/images/1/file")
    assert answer.content == (home / "inbox" / "day" / "red.png").read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''red.png"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    again = standing.client.get("/images/1/file", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_jpeg_without_its_end_is_tagged_and_called_damaged_wherever_it_is_shown(
    site: Site, inbox: Path
) -> None:
    file = io.BytesIO()
    Image.effect_mandelbrot((400, 320), (-2, -1.5, 1, 1.5), 30).convert("RGB").save(file, "JPEG")
    (inbox / "cut.jpg").write_bytes(file.getvalue()[:-2])
    (inbox / "half.jpg").write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    site.daemon.wait_for("half.jpg")
    shown = {Path(one["path"]).name: one["damaged"] for one in site.get("/images")["images"]}
    assert shown == {"red.png": False, "cut.jpg": True}
    assert [one["damaged"] for one in site.predict(content=file.getvalue()[:-2])] == [True]
    assert [one["damaged"] for one in site.predict(content=file.getvalue())] == [False]
    assert "truncated" in site.get("/failures")[0]["error"]


@pytest.mark.parametrize("name", ['a"b;c\r\nSet-Cookie: x.png', "größe 图.png", "%2e%2e.png"])
def test_any_name_is_told_to_the_browser_unharmed(
    standing: Site, folder: Path, paint: Painter, name: str
) -> None:
    number = number_of(standing, paint(folder / name, (0, 0, 255)))
    answer = standing.client.get(f"/images/{number}/file")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].isascii()


def test_a_name_that_is_no_text_is_sent_too(site: Site, inbox: Path) -> None:
    shutil.copy(inbox / "day" / "red.png", inbox / os.fsdecode(b"\xff\xfe.png"))
    site.daemon.wait_for("tagged 1|red")
    assert site.client.get("/images/2/file").status_code == 200
    assert len(site.get("/images")["images"]) == 2
    assert site.client.get("/").status_code == site.client.get("/pictures/2").status_code == 200


def test_a_file_of_any_name_that_is_gone_is_said_to_be(site: Site, inbox: Path, paint: Painter) -> None:
    (strange := inbox / os.fsdecode(b"\xff\xfe.png")).write_bytes(picture((0, 0, 255)))
    site.daemon.wait_for("blue")
    strange.unlink()
    for what in ("file", "thumbnail"):
        answer = site.client.get(f"/images/2/{what}")
        assert (answer.status_code, r"\udcff\udcfe.png" in answer.json()["detail"]) == (404, True)


def test_a_file_of_any_time_is_sent() -> None:
    if not os.path.ismount("/dev/shm"):  # noqa: S108
        pytest.skip("needs a file system that keeps any time")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as home:
        (file := Path(home, "inbox", "red.png")).parent.mkdir()
        file.write_bytes(picture())
        with serve(Path(home)) as daemon, site_of(daemon) as site:
            daemon.wait_for("red.png: red")
            for time in (10**12, -(10**12), 0):
                os.utime(file, (time, time))
                assert site.client.get("/images/1/file").content == picture()


def test_clients_that_leave_at_once_leave_no_file_open(standing: Site, folder: Path) -> None:
    large = folder / "large.bmp"
    Image.new("RGB", (2000, 2000), (0, 0, 255)).save(large)
    path = f"/images/{number_of(standing, large)}/file"
    port = int(standing.address.rsplit(":", 1)[1])
    for number in range(60):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            if number % 3 == 0:
                client.recv(1)
    for _ in range(1000):  # until the last one's has been served, which nobody tells us
        standing.get("/healthz")
        if not is_open(standing, large):
            return
    pytest.fail("the file is still open")


def is_open(site: Site, file: Path) -> bool:
    descriptors = Path(f"/proc/{site.daemon.process.pid}/fd")
    return str(file) in {os.path.realpath(one) for one in descriptors.iterdir()}


def swap_file(folder: Path, outside: Path) -> None:
    (folder / "red.png").unlink()
    (folder / "red.png").symlink_to(outside / "red.png")


def swap_folder(folder: Path, outside: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(outside)


def swap_pipe(folder: Path, _: Path) -> None:
    (folder / "red.png").unlink()
    os.mkfifo(folder / "red.png")


def swap_nothing(folder: Path, _: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize("swap", [swap_file, swap_folder, swap_pipe, swap_nothing])
def test_what_was_put_in_its_place_is_not_shown(
    standing: Site, folder: Path, paint: Painter, tmp_path: Path, swap: Callable[[Path, Path], None]
) -> None:
    number = number_of(standing, paint(folder / "red.png"))
    (tmp_path / "red.png").write_bytes(SECRET)
    swap(folder, tmp_path)
    for what in ("file", "thumbnail"):
        answer = standing.client.get(f"/images/{number}/{what}")
        assert (answer.status_code, SECRET in answer.content) == (404, False)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/images/../etc/passwd",
        "/images/%2e%2e/file",
        "/static/../app.py",
        "/static/%2e%2e/routes.py",
        "/images/1%2f..%2f..%2fetc/file",
        "/static//etc/passwd",
    ],
)
def test_no_path_leads_anywhere_else(standing: Site, path: str) -> None:
    assert standing.client.get(path).status_code in (404, 422)


def test_a_thumbnail_is_made_once_and_found_again(site: Site, inbox: Path, cache: Path) -> None:
    first = site.client.get("/images/1/thumbnail?size=320")
    assert Image.open(io.BytesIO(first.content)).size == (64, 48)
    kept = list(cache.rglob("*-320.jpg"))
    assert [one.read_bytes().startswith(first.content) for one in kept] == [True]
    assert {one.parent.stat().st_mode & 0o777 for one in kept} == {0o700}
    etag = {"If-None-Match": first.headers["etag"]}
    assert site.client.get("/images/1/thumbnail", headers=etag).status_code == 304
    shutil.rmtree(inbox / "day")
    assert site.client.get("/images/1/thumbnail").content == first.content
    assert site.client.get("/images/1/thumbnail?size=77").status_code == 422


@pytest.mark.parametrize("harm", ["lost", "a file", "empty"])
def test_a_cache_that_is_harmed_hinders_nothing(site: Site, cache: Path, harm: str) -> None:
    first = site.client.get("/images/1/thumbnail").content
    [kept] = cache.rglob("*-320.jpg")
    if harm == "empty":
        kept.write_bytes(b"")
    else:
        shutil.rmtree(cache / "thumbnails")
    if harm == "a file":
        (cache / "thumbnails").write_bytes(b"")
    assert site.client.get("/images/1/thumbnail").content == first


def test_a_file_that_is_no_picture_has_no_thumbnail(site: Site, inbox: Path) -> None:
    (inbox / "no.png").write_bytes(b"no picture")
    site.daemon.wait_for("no.png: ")
    answer = site.client.get("/images/2/thumbnail")
    assert (answer.status_code, "/failures" in answer.json()["detail"]) == (404, True)
    assert site.client.get("/images/2/file").headers["content-disposition"].startswith("attachment")


def test_failures_are_told_whatever_the_file_is_called(site: Site, inbox: Path) -> None:
    (inbox / os.fsdecode(b"no \xff.png")).write_bytes(b"no picture")
    site.daemon.wait_for("no ")
    [failure] = site.get("/failures")
    assert (failure["source"], failure["state"], failure["attempts"]) == ("inbox", "failed", 1)
    assert "not a picture" in failure["error"]
    assert failure["path"] == site.get("/images", params={"q": "state:failed"})["images"][0]["path"]
    assert site.client.post("/failures/retry").json() == {"images": 1}


def test_many_ask_for_many_at_once_and_all_are_answered(site: Site, inbox: Path, paint: Painter) -> None:
    for number in range(60):
        paint(inbox / f"{number}.png", (0, 0, 255), number)
    while site.get("/stats")["files"]["done"] < 61:
        pass
    paths = [f"/images/{number}/thumbnail" for number in range(1, 62)] * 3
    with ThreadPoolExecutor(12) as pool:
        statuses = pool.map(lambda path: site.client.get(path).status_code, paths)
        assert set(statuses) == {200}


def test_a_stop_does_not_wait_for_thumbnails(tmp_path: Path, inbox: Path) -> None:
    (inbox / "red.png").write_bytes(picture())
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        daemon.wait_for("red.png: red")
        assert site.client.get("/images/1/thumbnail").status_code == 200
        daemon.process.terminate()
        assert daemon.end() == 0
