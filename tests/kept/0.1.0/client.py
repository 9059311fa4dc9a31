"""Written for the API of Tagger 0.1.0: `python client.py ADDRESS PICTURE`. Ends with an error where that has changed."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any


def asked(path: str, body: bytes | None = None, kind: str = "application/json", **query: Any) -> Any:
    address = f"{sys.argv[1]}{path}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(address, body, {"Content-Type": kind} if body else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def predict(picture: Path) -> None:
    answer = asked("/predict", picture.read_bytes(), "image/jpeg", top_k=3, lang="zh")
    assert set(answer["model"]) >= {"name", "version"}
    [result] = answer["results"]
    assert result["error"] is None
    assert len(result["tags"]) == 3
    for tag in result["tags"]:
        assert isinstance(tag["label"], str)
        assert isinstance(tag["name"], str)
        assert 0 <= tag["score"] <= 1
        assert tag["key"].startswith("n")
        assert isinstance(tag["categories"], list)
    scores = [tag["score"] for tag in result["tags"]]
    assert scores == sorted(scores, reverse=True)
    assert set(result["health"]) >= {"brightness", "contrast", "sharpness", "colourfulness", "is_blank"}


def pages() -> list[Any]:
    found, cursor = [], ""
    while cursor is not None:
        page = asked("/images", limit=3, cursor=cursor)
        found += page["images"]
        cursor = page["next"]
    return found


def correct(image: Any) -> None:
    corrected = asked(f"/images/{image['id']}/verdicts", b'{"add": ["espresso"]}')
    assert corrected["images"] >= 0
    first = asked(f"/images/{image['id']}")["tags"][0]
    assert (first["label"], first["by"], first["score"]) == ("espresso", "human", 1)


def mistaken() -> None:
    try:
        asked("/images", q="expresso")
    except urllib.error.HTTPError as error:
        with error:
            assert error.code == 400
            assert "espresso" in json.load(error)["detail"]
    else:
        raise AssertionError("a label that there is not was found")


predict(Path(sys.argv[2]))
images = pages()
assert len({image["id"] for image in images}) == len(images) > 3
correct(images[0])
mistaken()
print(f"{len(images)} pictures")
