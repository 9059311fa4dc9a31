"""What boto3's own client of Amazon Rekognition gets from a running daemon."""

import io
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from tests.e2e.command import running, tagger
from tests.e2e.site import TOKEN, Site, picture, serve, site_of
from tests.unit.test_hostile_pictures import bmp_of, jpeg_of_scans, png

pytestmark = pytest.mark.long

CATEGORIES = """
colour: {}
warm: {within: [colour], includes: [red, yellow]}
blue: {includes: [mean-colour/blue], within: [colour]}
"""
TARGET = {"X-Amz-Target": "RekognitionService.DetectLabels"}
TWO_COLOURS = (255, 100, 0)


@contextmanager
def rekognition(site: Site, key: str = "any", attempts: int = 1) -> Iterator[Any]:
    client = boto3.client(
        "rekognition",
        endpoint_url=site.address,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="any",  # noqa: S106
        config=Config(proxies={}, retries={"total_max_attempts": attempts, "mode": "standard"}),
    )
    with closing(client):
        yield client


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("rekognition")
    (home / "inbox").mkdir()
    (home / "categories.yaml").write_text(CATEGORIES)
    own = {"TAGGER_CATEGORIES": str(home / "categories.yaml")}
    with serve(home, own) as daemon, site_of(daemon) as site:
        yield site


@pytest.fixture
def client(standing: Site) -> Iterator[Any]:
    with rekognition(standing) as client:
        yield client


def names(answer: dict[str, Any]) -> list[str]:
    return [label["Name"] for label in answer["Labels"]]


def error_of(client: Any, **asked: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        client.detect_labels(**asked)
    error = raised.value.response["Error"]
    assert type(raised.value).__name__ in (error["Code"], "ClientError")
    return error["Code"], error["Message"]


def test_a_picture_has_labels_and_their_parents_are_labels_too(client: Any, standing: Site) -> None:
    answer = client.detect_labels(Image={"Bytes": picture()})
    assert names(answer) == ["colour", "warm", "red"]
    [_, warm, red] = answer["Labels"]
    assert {one["Name"] for one in red["Parents"]} == {"colour", "warm"}
    assert (warm["Parents"], warm["Categories"]) == ([{"Name": "colour"}], [{"Name": "colour"}])
    assert (red["Instances"], red["Aliases"], red["Categories"]) == ([], [], [{"Name": "colour"}])
    assert 99 < red["Confidence"] < warm["Confidence"] <= 100
    assert answer["LabelModelVersion"] == "mean-colour-none"
    assert standing.get("/images")["images"] == []


def test_a_label_and_a_category_of_one_name_are_one_label(client: Any) -> None:
    answer = client.detect_labels(Image={"Bytes": picture((0, 0, 255))})
    assert sorted(names(answer)) == ["blue", "colour"]


def test_how_many_labels_and_how_sure(client: Any) -> None:
    asked = {"Image": {"Bytes": picture(TWO_COLOURS)}}
    usual = client.detect_labels(**asked)["Labels"]
    every = client.detect_labels(**asked, MinConfidence=0)["Labels"]
    assert len(every) > len(usual) > 0
    assert min(label["Confidence"] for label in usual) >= 30
    sure = client.detect_labels(**asked, MinConfidence=75)
    assert all(label["Confidence"] >= 75 for label in sure["Labels"])
    assert client.detect_labels(**asked, MinConfidence=0, MaxLabels=2)["Labels"] == every[:2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"LabelInclusionFilters": ["red"]}, ["red"]),
        ({"LabelExclusionFilters": ["red"]}, ["colour", "warm"]),
        ({"LabelCategoryInclusionFilters": ["colour"]}, ["colour", "warm", "red"]),
        ({"LabelCategoryExclusionFilters": ["colour"]}, []),
        ({"LabelCategoryInclusionFilters": ["colour"], "LabelExclusionFilters": ["warm"]}, ["colour", "red"]),
    ],
)
def test_filters_leave_out_what_is_not_wanted(
    client: Any, filters: dict[str, list[str]], expected: list[str]
) -> None:
    answer = client.detect_labels(Image={"Bytes": picture()}, Settings={"GeneralLabels": filters})
    assert names(answer) == expected


def cut_off() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((90, 90), 90).save(file, "JPEG")
    return file.getvalue()[:1000]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"Image": {"Bytes": b"no picture"}}, "InvalidImageFormatException", "not a picture"),
        ({"Image": {"Bytes": cut_off()}}, "InvalidImageFormatException", "damaged"),
        ({"Image": {"Bytes": png(12_000, 12_000, b"")}}, "ImageTooLargeException", "decode.max_pixels"),
        ({"Image": {"Bytes": png(60_000, 60_000, b"")}}, "ImageTooLargeException", "decode.max_pixels"),
        ({"Image": {"Bytes": bmp_of(9_000, 9_000, b"")}}, "ImageTooLargeException", "run-length BMP"),
        ({"Image": {"Bytes": jpeg_of_scans(500)}}, "ImageTooLargeException", "too long to decode"),
        ({"Image": {"Bytes": b"x" * 25_200_000}}, "ImageTooLargeException", "web.max_bytes"),
        ({"Image": {"S3Object": {"Bucket": "cat", "Name": "a.jpg"}}}, "InvalidS3ObjectException", "no S3"),
        ({"Image": {}}, "InvalidParameterException", "no picture in it"),
        ({"Image": {"Bytes": picture()}, "MinConfidence": 101.0}, "InvalidParameterException", "MinConf"),
        (
            {"Image": {"Bytes": picture()}, "Features": ["IMAGE_PROPERTIES"]},
            "InvalidParameterException",
            "Feat",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_raised_as_rekognition_raises_it(
    client: Any, asked: dict[str, Any], code: str, said: str
) -> None:
    found, message = error_of(client, **asked)
    assert (found, said in message) == (code, True), message


def test_another_question_is_not_known(client: Any) -> None:
    with pytest.raises(ClientError, match=r"UnknownOperationException.*only RekognitionService.DetectLabels"):
        client.detect_faces(Image={"Bytes": picture()})


def test_without_a_client_of_amazons_it_is_said_where_to_post_a_picture(standing: Site) -> None:
    answer = standing.client.post("/", content=picture())
    assert (answer.status_code, "/predict" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("body", [b"{", b'{"Image": {"Bytes": "%%%"}}', b"[]", b"\xff"])
def test_a_body_that_makes_no_sense_is_a_wrong_parameter(standing: Site, body: bytes) -> None:
    answer = standing.client.post("/", content=body, headers=TARGET)
    assert (answer.status_code, answer.json()["__type"]) == (400, "InvalidParameterException")


def test_a_body_of_no_told_length_ends_where_it_is_too_long(standing: Site) -> None:
    answer = standing.client.post("/", content=(b"x" * 1_000_000 for _ in range(40)), headers=TARGET)
    assert (answer.status_code, answer.json()["__type"]) == (400, "ImageTooLargeException")


def test_a_page_of_another_site_and_another_name_are_refused_in_its_words(standing: Site) -> None:
    for header in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        answer = standing.client.post("/", content=b"{}", headers=TARGET | header)
        assert (answer.status_code, answer.json()["__type"]) == (400, "AccessDeniedException")


@pytest.mark.parametrize("token", [TOKEN, "a/token/with+slashes/and=more"])
def test_the_token_is_the_access_key(tmp_path: Path, inbox: Path, token: str) -> None:
    with serve(tmp_path, token=token) as daemon, site_of(daemon) as site:
        with rekognition(site, token) as client:
            assert names(client.detect_labels(Image={"Bytes": picture()})) == ["red"]
        for wrong in ("wrong", token[:-1], f"{token}/x"):
            with rekognition(site, wrong) as client:
                code, message = error_of(client, Image={"Bytes": picture()})
                assert (code, "token of the config" in message) == ("UnrecognizedClientException", True)


def test_where_too_many_wait_clients_ask_again_and_who_waits_when_it_stops_is_told_so(
    tmp_path: Path, inbox: Path
) -> None:
    hangs = {"TAGGER_FAILPOINTS": "infer=hang", "TAGGER_LOG_LEVEL": "debug"}
    asked = {"Image": {"Bytes": picture()}}
    with (
        serve(tmp_path, hangs) as daemon,
        site_of(daemon) as site,
        rekognition(site) as client,
        rekognition(site, attempts=2) as patient,
        ThreadPoolExecutor() as pool,
    ):
        crowds = [pool.submit(crowd, site, many) for many in (32, 31)]
        waiting = pool.submit(error_of, client, **asked)
        daemon.wait_for("request 64: ")
        with pytest.raises(ClientError, match=r"ThrottlingException.*as many pictures wait") as throttled:
            patient.detect_labels(**asked)
        assert throttled.value.response["ResponseMetadata"]["RetryAttempts"] == 1
        daemon.process.send_signal(signal.SIGTERM)
        assert waiting.result() == ("ServiceUnavailable", "Tagger is stopping; ask again once it is back")
        assert [one.result() for one in crowds] == [503, 503]


def crowd(site: Site, many: int) -> int:
    files = [("image", picture())] * many
    return httpx.post(f"{site.address}/predict", files=files, timeout=60).status_code


def test_where_nothing_is_tagged_the_service_is_unavailable(tmp_path: Path, inbox: Path) -> None:
    assert tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db").returncode == 0
    reads = {"command": "web", "first": "web:", "TAGGER_WEB__PORT": "0"}
    with (
        running(tmp_path, "--database", tmp_path / "tags.db", **reads) as daemon,
        site_of(daemon) as site,
        rekognition(site) as client,
    ):
        code, message = error_of(client, Image={"Bytes": picture()})
        assert (code, "tagger run" in message) == ("ServiceUnavailable", True)
