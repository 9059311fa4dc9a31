"""Each source is cropped as its config says, and a change of that tags it anew, with the command as it is used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.command import rows, tagger

SOURCES = ("screens", "cams")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a picture in each of two sources: blue on the left, red in the middle, white on the right."""
    pixels = np.full((90, 160, 3), (255, 0, 0), np.uint8)
    pixels[:, :32], pixels[:, -32:] = (0, 0, 255), (255, 255, 255)
    for number, source in enumerate(SOURCES):
        (tmp_path / source).mkdir()
        pixels[0, 0] = number  # no two are copies
        Image.fromarray(pixels).save(tmp_path / source / "a.png")
    return tmp_path


def write(home: Path, cams: str) -> Path:
    config = home / "config.yaml"
    config.write_text(f"database: tags.db\nsources: [screens, {{path: cams, crop: {cams}}}]\n")
    return config


def scanned(home: Path, cams: str) -> str:
    done = tagger(home, "scan", "--config", write(home, cams))
    assert done.returncode == 0, done.stderr
    return done.stdout


def top(home: Path) -> dict[str, str]:
    return dict(rows(home / "tags.db", "SELECT source, label FROM top_tag"))


def test_a_changed_crop_tags_its_source_anew_and_no_other(home: Path) -> None:
    seq = "SELECT source, max(seq) FROM image_tags GROUP BY source"
    scanned(home, "center")
    assert top(home) == {"screens": "red", "cams": "red"}
    before = dict(rows(home / "tags.db", seq))
    assert "1 tagged" in scanned(home, "[0, 0, 0.15, 1]")
    assert top(home) == {"screens": "red", "cams": "blue"}
    after = dict(rows(home / "tags.db", seq))
    assert after["screens"] == before["screens"]
    assert after["cams"] > before["cams"]
    assert "0 tagged" in scanned(home, "[0, 0, 0.15, 1]")


def test_a_copy_in_another_source_has_the_tags_of_that_ones_crop(home: Path) -> None:
    (home / "cams" / "a.png").write_bytes((home / "screens" / "a.png").read_bytes())
    scanned(home, "[0.85, 0, 0.15, 1]")
    assert top(home) == {"screens": "red", "cams": "white"}


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ((), ["red", "white"]),
        (("--crop", "center"), ["red", "red"]),
        (("--crop", "squash"), ["grey", "grey"]),
    ],
)
def test_tag_crops_as_the_source_does_or_as_it_is_told(
    home: Path, options: tuple[str, ...], labels: list[str]
) -> None:
    config = write(home, "[0.85, 0, 0.15, 1]")
    files = [home / source / "a.png" for source in SOURCES]
    said = tagger(home, "tag", *options, *files, "--config", config).stdout.splitlines()
    best = {line.split("\t")[0]: line.split("\t")[1] for line in reversed(said)}
    assert [best[str(file)] for file in files] == labels


@pytest.mark.parametrize("crop", ["center", "squash", "letterbox", "tiles"])
def test_every_crop_that_the_config_knows_may_be_asked_for(home: Path, crop: str) -> None:
    assert tagger(home, "tag", "--crop", crop, home / "cams" / "a.png").returncode == 0
    assert f"crop: {crop}" in tagger(home, "config", "show", "--config", write(home, crop)).stdout


def test_what_any_tile_shows_is_found(home: Path) -> None:
    thirds = np.repeat(np.array([[(255, 0, 0), (0, 0, 255), (255, 255, 255)]], np.uint8), 90, axis=1)
    Image.fromarray(np.repeat(thirds, 90, axis=0)).save(home / "cams" / "a.png")
    scanned(home, "tiles")
    found = rows(home / "tags.db", "SELECT label FROM image_tags WHERE source = 'cams' AND score > 0.9")
    assert {label for (label,) in found} == {"red", "blue", "white"}
