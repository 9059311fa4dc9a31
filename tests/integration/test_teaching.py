"""Heads are taught from folders, and again from what is remembered of them."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagger.config.load import load
from tagger.config.settings import Settings
from tagger.errors import ConfigError, TaggerError
from tagger.heads import files
from tagger.heads.head import Head
from tagger.runtime.teach.teaching import Taught, TeachTask, forget, teach
from tagger.store.core.database import Database
from tagger.store.tags import head_list
from tagger.teach import given

WARM = {"red": (255, 0, 0), "orange": (255, 130, 0), "pink": (255, 0, 130)}
COLD = {"blue": (0, 0, 255), "violet": (130, 0, 255), "sky": (0, 130, 255)}
GREEN = {"green": (0, 255, 0), "grass": (130, 255, 0), "sea": (0, 255, 130)}

Painter = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With pictures of two labels, and an engine that looks at nothing but colours."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    painted(tmp_path / "shots/warm", WARM)
    painted(tmp_path / "shots/cold", COLD)
    return tmp_path


def painted(
    folder: Path, colours: Mapping[str, tuple[int, int, int]], size: tuple[int, int] = (64, 48)
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in colours.items():
        Image.new("RGB", size, colour).save(folder / f"{name}.png")


def settings(home: Path, text: str = "") -> Settings:
    (home / "config.yaml").write_text(f"database: tags.db\nengine: {{backend: fake}}\n{text}")
    return load(home / "config.yaml", (), environ={})


def taught(home: Path, text: str = "", shots: str = "shots", **wanted: object) -> Taught:
    """Teach the head `mood` from the folder."""
    folder = given.of_folder(home / shots) if shots else given.Given()
    return teach(settings(home, text), TeachTask("mood", folder, **wanted), lambda *_: None)  # type: ignore[arg-type]


def label_of(head: Head, *colour: float) -> str:
    vector = np.array([colour], np.float32) / np.linalg.norm(colour)
    return head.tags(head.fits[0], vector.astype(np.float32))[0][0].label


def refusal(home: Path, *arguments: object, **wanted: object) -> str:
    with pytest.raises(TaggerError) as refused:
        taught(home, *arguments, **wanted)  # type: ignore[arg-type]
    return str(refused.value)


def test_a_folder_for_each_label_is_enough(home: Path) -> None:
    said = taught(home)
    stored = files.read(home / "heads", "mood")
    assert stored
    assert stored.labels == ("cold", "warm")
    assert (label_of(stored, 1, 0.1, 0), label_of(stored, 0, 0.1, 1)) == ("warm", "cold")
    assert said.lessons[0].given == 6
    assert said.waiting == 0


def test_a_head_is_not_taught_that_is_called_as_what_the_models_labels_are_of(home: Path) -> None:
    head = TeachTask("mean-colour", given.of_folder(home / "shots"))
    with pytest.raises(ConfigError, match=r"head mean-colour.*\n.*call the head something else"):
        teach(settings(home), head, lambda *_: None)
    assert not (home / "heads").exists()


def test_what_is_remembered_is_enough_for_the_next_time(home: Path) -> None:
    first = taught(home).head
    for one in (home / "shots/warm").iterdir():
        one.unlink()
    assert taught(home, shots="").head.examples == first.examples
    painted(home / "more/warm", {"rose": (255, 120, 120)})
    assert len(taught(home, shots="more").head.examples["warm"]) == len(first.examples["warm"]) + 1


def test_for_another_crop_pictures_are_looked_at_again_and_missing_ones_are_named(home: Path) -> None:
    taught(home)
    (home / "shots/warm/red.png").unlink()
    painted(home / "shots/warm", {"pink": (0, 255, 0)})  # another picture in its place
    squashed = taught(home, "sources: [{path: inbox, crop: squash, heads: [mood]}]", shots="")
    assert squashed.lessons[0].crop == "squash"
    assert {Path(path).name: why for path, why in squashed.missing.items()} == {
        "red.png": "it is not there any more",
        "pink.png": "another picture is there now",
    }
    assert label_of(squashed.head, 1, 0.4, 0) == "warm"


def test_where_all_of_a_label_is_missing_that_is_said(home: Path) -> None:
    taught(home)
    for one in (home / "shots/warm").iterdir():
        one.unlink()
    said = refusal(home, "sources: [{path: inbox, crop: squash}]", shots="")
    assert "warm: none of its examples can be looked at" in said
    assert "red.png" in said


def test_each_crop_of_its_sources_is_learned_for(home: Path) -> None:
    text = "heads: [mood]\nsources: [a, {path: b, crop: squash}, {path: c, crop: tiles, heads: []}]"
    assert [one.crop for one in taught(home, text).lessons] == ["center", "squash"]


def test_pictures_that_cannot_be_looked_at_are_named_and_left_out(home: Path) -> None:
    (home / "shots/warm/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (home / "shots/cold/empty.jpg").touch()
    painted(home / "shots/cold", {"black": (0, 0, 0)})
    said = taught(home)
    assert {Path(path).name for path, _ in said.left_out} == {"broken.png", "empty.jpg", "black.png"}
    assert all(why for _, why in said.left_out)
    assert said.lessons[0].given == 6


def test_a_picture_under_two_labels_is_named_and_refused_unless_it_may_have_both(home: Path) -> None:
    painted(home / "shots/cold", {"also red": WARM["red"]})
    said = refusal(home)
    assert "the same picture is given under several labels" in said
    assert "(cold, warm)" in said
    assert "--any" in said
    assert not (home / "heads").exists()
    both = taught(home, any=True).head
    assert {one for one in both.examples["warm"] if one in both.examples["cold"]}
    assert taught(home, shots="").head.any, "that a picture may have several is remembered"


def test_the_last_word_on_a_picture_counts(home: Path) -> None:
    taught(home)
    painted(home / "changed/cold", {"red": WARM["red"]})
    head = taught(home, shots="changed").head
    assert (len(head.examples["cold"]), len(head.examples["warm"])) == (4, 2)


def test_one_label_alone_is_refused_and_none_is_enough_of_a_second(home: Path) -> None:
    painted(home / "single/warm", WARM)
    assert "warm" in refusal(home, shots="single")
    assert not (home / "heads").exists()
    painted(home / "single/none", GREEN)
    head = taught(home, shots="single").head
    assert head.labels == ("warm",)
    assert (label_of(head, 1, 0.1, 0), label_of(head, 0, 1, 0.1)) == ("warm", "none")


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ((), "there is no folder in it"),
        (("empty",), "there is no picture in it"),
        (("unsure",), "should look at"),
        (('a"b',), "a label's name has no"),
    ],
)
def test_folders_of_no_labels_are_refused(home: Path, folders: tuple[str, ...], words: str) -> None:
    (home / "wrong").mkdir()
    for one in folders:
        (home / "wrong" / one).mkdir()
    assert words in refusal(home, shots="wrong")


def test_labels_may_be_in_chinese(home: Path) -> None:
    painted(home / "zh/战斗", WARM)
    painted(home / "zh/主城", COLD)
    assert taught(home, shots="zh").head.labels == ("主城", "战斗")


def test_a_label_that_the_model_has_is_allowed_and_told(home: Path) -> None:
    painted(home / "colours/red", WARM)
    painted(home / "colours/sad", COLD)
    assert taught(home, shots="colours").also_of_the_model == ["red"]


def test_what_must_not_be_missed_is_remembered_until_it_is_taken_back(home: Path) -> None:
    assert taught(home, recalls={"warm": 0.9}).head.recalls == {"warm": 0.9}
    assert taught(home, shots="").head.recalls == {"warm": 0.9}
    assert taught(home, shots="", recalls={"warm": 0}).head.recalls == {}
    assert "it has cold, warm" in refusal(home, shots="", recalls={"hot": 0.9})


def test_forgotten_examples_are_learned_from_no_more(home: Path) -> None:
    taught(home)
    assert forget(settings(home), "mood") == 6
    assert "has no examples of any label yet" in refusal(home, shots="")
    painted(home / "more/warm", {"brown": (130, 60, 0)})
    painted(home / "more/cold", {"navy": (0, 0, 130)})
    assert sum(map(len, taught(home, shots="more", forgets=True).head.examples.values())) == 2


def test_without_features_it_is_refused_with_the_key(home: Path) -> None:
    assert "features" in refusal(home, "features: false")


def test_where_the_head_cannot_be_written_examples_are_kept_and_nothing_is_half_there(home: Path) -> None:
    (home / "heads").write_text("in the way")
    said = refusal(home)
    assert "the head cannot be written" in said
    assert "tagger teach mood" in said
    (home / "heads").unlink()
    assert taught(home, shots="").lessons[0].given == 6


def test_damaged_files_of_the_head_before_are_replaced(home: Path) -> None:
    taught(home)
    (home / "heads/mood.json").write_text("{")
    assert taught(home, shots="").head.labels == ("cold", "warm")


def test_a_database_in_memory_has_no_place_for_heads(home: Path) -> None:
    wanted = TeachTask("mood", given.of_folder(home / "shots"))
    with pytest.raises(ConfigError, match="in memory"):
        teach(load(None, (), "sqlite://", environ={}), wanted, lambda *_: None)


def test_the_whole_frame_is_recommended_where_it_tells_more(home: Path) -> None:
    for label, edge in (("warm", (255, 0, 0)), ("cold", (0, 0, 255))):
        for number in range(6):
            wide = Image.new("RGB", (192, 48), edge)
            wide.paste(
                (0, 80 + 20 * number, 20 * number), (72, 0, 120, 48)
            )  # the middle is the same under both
            (home / "wide" / label).mkdir(parents=True, exist_ok=True)
            wide.putpixel((96, 24), (number, len(label), 0))
            wide.save(home / f"wide/{label}/{number}.png")
    said = taught(home, "sources: [inbox]", shots="wide", any=False)
    assert said.squash
    assert said.squash.squashed > said.squash.centred


def test_a_folder_without_a_readable_picture_is_no_label(home: Path) -> None:
    (home / "shots/broken").mkdir()
    (home / "shots/broken/x.png").write_bytes(b"no picture")
    said = taught(home)
    assert [Path(path).name for path, _ in said.left_out] == ["x.png"]
    assert said.head.labels == ("cold", "warm")
    with (
        closing(Database.open(str(home / "tags.db"), create=False)) as database,
        database.read() as connection,
    ):
        [head] = head_list.heads(connection)
    assert [one.name for one in head.taught] == ["cold", "warm"]
