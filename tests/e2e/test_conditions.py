"""Conditions of pictures, from the file to the search, the API and the page."""

import json
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from tests.e2e.command import rows, tagger
from tests.e2e.site import serve, site_of

HALF = [value // 2 for value in range(256)] * 3


@pytest.fixture
def home(tmp_path: Path, inbox: Path) -> Path:
    """With a photo, and the same in half its light, each in a folder of its own."""
    photo = Image.fromarray(data.astronaut())
    for name, image in (("day", photo), ("dusk", photo.point(HALF))):
        (inbox / name).mkdir()
        image.save(inbox / name / f"{name}.png")
    return tmp_path


def scan(home: Path, pattern: str = "", night: float = 0.27) -> str:
    source = f"{{path: inbox, path_pattern: '{pattern}'}}"
    config = f"database: tags.db\nsources: [{source}]\nconditions: {{night: {night}}}\n"
    (home / "config.yaml").write_text(config)
    done = tagger(home, "scan", "-c", home / "config.yaml")
    assert done.returncode == 0, done.stderr
    return done.stderr


def found(home: Path, query: str) -> dict[str, list[str]]:
    said = tagger(home, "search", query, "--json", "-c", home / "config.yaml").stdout
    hits = [json.loads(line) for line in said.splitlines()]
    return {Path(hit["path"]).stem: hit["conditions"] for hit in hits}


def test_another_threshold_needs_no_picture_to_be_tagged_anew(home: Path) -> None:
    assert "takes the place" not in scan(home)
    seqs = rows(home / "tags.db", "SELECT seq FROM top_tag ORDER BY seq")
    assert found(home, "is:night") == {"dusk": ["night"]}
    assert found(home, "not is:night") == {"day": []}
    scan(home, night=0.1)
    assert found(home, "is:night") == {}
    assert rows(home / "tags.db", "SELECT seq FROM top_tag ORDER BY seq") == seqs


def test_a_group_that_is_called_so_goes_on_to_work_with_a_warning(home: Path) -> None:
    said = scan(home, "(?P<is>[^/]+)/")
    assert "source 'inbox': the group (?P<is>…) of path_pattern takes the place of a word of searches" in said
    assert found(home, "is:day") == {"day": []}
    assert found(home, "is:night") == {}
    assert rows(home / "tags.db", "SELECT condition FROM image_conditions") == [("night",)]


def test_tag_tells_the_conditions_of_a_file(home: Path) -> None:
    said = tagger(home, "tag", home / "inbox/dusk/dusk.png", "--json", TAGGER_CONDITIONS__DARK="0.3")
    assert json.loads(said.stdout)["conditions"] == ["night", "dark"]


def test_a_condition_that_there_is_not_is_a_mistake(home: Path) -> None:
    scan(home)
    done = tagger(home, "search", "is:nigth", "-c", home / "config.yaml")
    assert done.returncode == 2
    assert "there is no condition 'nigth'" in done.stderr
    assert "did you mean night?" in done.stderr


def test_the_api_and_the_page_filter_by_them(home: Path) -> None:
    with serve(home) as daemon, site_of(daemon) as site:
        daemon.wait_for("tagged 2|day.png|dusk.png")
        while site.get("/stats")["files"]["done"] < 2:
            pass
        [image] = site.get("/images?q=is:night")["images"]
        assert image["path"].endswith("dusk.png")
        assert image["conditions"] == ["night"]
        assert 0 <= image["health"]["flatness"] <= 1
        [result] = site.predict(files={"image": (home / "inbox/day/day.png").read_bytes()})
        assert result["conditions"] == []
        [result] = site.predict(files={"image": (home / "inbox/dusk/dusk.png").read_bytes()})
        assert result["conditions"] == ["night"]
        page = site.client.get("/?condition=night").text
        assert "dusk.png" in page
        assert "day.png" not in page
        assert '<option value="night" selected>night</option>' in page
        chinese = site.client.get("/?condition=night", headers={"Accept-Language": "zh-CN"}).text
        assert '<option value="night" selected>夜间</option>' in chinese
        assert site.client.get("/?condition=dawn").status_code == 422
        assert "/?condition=night" in site.client.get(f"/pictures/{image['id']}").text
