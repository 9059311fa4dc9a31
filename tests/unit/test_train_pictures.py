"""Which pictures a network learns from, and what is said of a folder that cannot be learned from."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagger.config.tagging import DecodeSettings
from tagger.errors import ConfigError
from tagger.train.pictures import DataSet, gathered, labels_of
from tagger.train.reader import PictureReader
from tagger.vision.models import BUILTIN_ENTRY
from tests.conftest import Painter

SIDE = 128


@pytest.fixture
def reader() -> Iterator[PictureReader]:
    with PictureReader(DecodeSettings(), BUILTIN_ENTRY.preprocessing) as reader:
        yield reader


def scene(number: int, drift: float = 0) -> Image.Image:
    """Return a picture that is like no other number's, and with `drift` a near copy: it is moved aside, and another's haze is on it."""
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    whole = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    moved = whole.crop((round(SIDE * drift / 2), 0, SIDE, SIDE)).resize((SIDE, SIDE))
    return Image.blend(moved, scene(number + 5000), drift) if drift else whole


def saved(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


def labelled(root: Path, label: str, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        saved(scene(number), root / label / f"{number}.png")


def look(root: Path, reader: PictureReader) -> DataSet:
    return gathered(root, reader, lambda *_: None)


def test_each_label_is_in_each_part_and_no_content_is_in_two(tmp_path: Path, reader: PictureReader) -> None:
    labelled(tmp_path, "many", 20)
    labelled(tmp_path, "few", 3, first=100)
    data = look(tmp_path, reader)
    assert data.labels == ("few", "many")
    parts = (data.training, data.validation, data.test)
    assert [[sum(one.label == label for one in part) for part in parts] for label in (0, 1)] == [
        [1, 1, 1],
        [13, 3, 4],
    ]
    assert len({one.sha256 for part in parts for one in part}) == data.count == 23


def test_near_copies_of_what_judges_are_not_learned_from(tmp_path: Path, reader: PictureReader) -> None:
    for number in range(40):
        folder = tmp_path / ("sea", "land")[number % 2]
        for shot, drift in enumerate((0, 0.04, 0.08)):
            saved(scene(number, drift), folder / f"clip-{3 * number + shot:06}.jpg")
    data = look(tmp_path, reader)
    assert (data.count, data.different, data.of_one_look) == (120, 40, ())
    shown = [
        [int(Path(one.path).stem.removeprefix("clip-")) // 3 for one in part]
        for part in (data.training, data.validation, data.test)
    ]
    assert not set(shown[0]) & {*shown[1], *shown[2]} and not set(shown[1]) & set(shown[2])
    assert [len(part) for part in shown] == [3 * 26, 6, 8]
    assert len(set(shown[2])) == 8, "what looks the same judges once"
    assert data.left_out == 2 * (6 + 8)


def test_a_scene_that_changes_slowly_is_learned_from_and_not_torn(
    tmp_path: Path, reader: PictureReader
) -> None:
    labelled(tmp_path, "other", 10)
    labelled(tmp_path, "film", 10, first=100)
    begin, end = scene(200), scene(201)
    for frame in range(30):
        saved(Image.blend(begin, end, frame / 29), tmp_path / "film" / f"frame-{frame}.png")
    data = look(tmp_path, reader)
    assert data.different == 21
    assert sum("frame" in one.path for one in data.training) == 30


def test_a_label_of_one_scene_is_divided_all_the_same_and_named(
    tmp_path: Path, paint: Painter, reader: PictureReader
) -> None:
    labelled(tmp_path, "other", 10)
    for number in range(10):
        paint(tmp_path / "shut" / f"{number}.png", number=number)
    data = look(tmp_path, reader)
    assert data.of_one_look == ("shut",)
    parts = (data.training, data.validation, data.test)
    assert [sum(one.label == 1 for one in part) for part in parts] == [6, 2, 2]
    assert (data.count, data.different, data.left_out) == (20, 11, 0)


def test_a_picture_stays_in_its_part_whatever_it_is_called(tmp_path: Path, reader: PictureReader) -> None:
    labelled(tmp_path, "one", 10)
    labelled(tmp_path, "two", 10, first=100)
    before = look(tmp_path, reader)
    for file in list(tmp_path.rglob("*.png")):
        file.rename(file.with_name(f"again-{file.name}"))
    after = look(tmp_path, reader)
    assert {one.sha256 for one in before.test} == {one.sha256 for one in after.test}


def test_copies_are_left_out_and_counted(tmp_path: Path, reader: PictureReader) -> None:
    labelled(tmp_path, "one", 4)
    labelled(tmp_path, "two", 4, first=100)
    (tmp_path / "one" / "copy.png").write_bytes((tmp_path / "one" / "1.png").read_bytes())
    data = look(tmp_path, reader)
    assert (data.count, data.copies) == (8, 1)


def test_a_picture_under_two_labels_is_named(tmp_path: Path, reader: PictureReader) -> None:
    labelled(tmp_path, "one", 4)
    labelled(tmp_path, "two", 4)
    with pytest.raises(ConfigError, match=r"two/0\.png: is the same picture as .*one/0\.png"):
        look(tmp_path, reader)


def test_what_cannot_be_read_is_told_and_the_rest_is_taken(tmp_path: Path, reader: PictureReader) -> None:
    labelled(tmp_path, "one", 4)
    labelled(tmp_path, "two", 4, first=100)
    (tmp_path / "one" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    (tmp_path / "one" / "nowhere.png").symlink_to(tmp_path / "gone.png")
    assert look(tmp_path, reader).count == 8
    assert sorted(Path(path).name for path in reader.unreadable) == ["nowhere.png", "torn.jpg"]
    assert all(reader.unreadable.values())


def test_pictures_behind_links_are_learned_from(
    tmp_path: Path, paint: Painter, reader: PictureReader
) -> None:
    labelled(tmp_path, "one", 4)
    labelled(tmp_path, "two", 2, first=100)
    (tmp_path / "two" / "link.png").symlink_to(paint(tmp_path.parent / "elsewhere.png", number=200))
    assert look(tmp_path, reader).count == 7


def test_a_label_without_readable_pictures_is_named(tmp_path: Path, reader: PictureReader) -> None:
    labelled(tmp_path, "good", 4)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "torn.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"bad: 0 different pictures .*torn\.png: not a picture"):
        look(tmp_path, reader)


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ([], "there is no folder in it"),
        (["only"], "one label"),
        (["day", "Day"], "is the same label as"),
        (["day", "a\\b"], r"has no /, \", \\"),
    ],
)
def test_a_folder_that_is_no_set_of_labels_is_refused(tmp_path: Path, folders: list[str], said: str) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError) as refused:
        labels_of(tmp_path)
    assert said.replace('\\"', '"').replace("\\\\", "\\") in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: cannot be read: No such file"):
        labels_of(tmp_path / "nowhere")


def test_no_more_is_read_than_a_few_batches_ahead(
    tmp_path: Path, paint: Painter, reader: PictureReader
) -> None:
    asked = []

    def batches() -> Iterator[list[str]]:
        for number in range(10):
            asked.append(number)
            yield [str(paint(tmp_path / f"{number}.png", number=number))]

    assert next(reader.ahead(batches()))
    assert len(asked) == 3
