"""A head and a model whose weights file is called so would have labels of the same keys: neither takes the other's."""

from dataclasses import replace

import pytest

from tagger.errors import ConfigError
from tagger.records import Label, Tag, Taxonomy
from tagger.store.tags.writer import Writer
from tests.integration.shelf import NOON, RESNET, Shelf, tagged
from tests.integration.test_head_tags import BATTLE, at_work, learned, said, seen

OWN_MODEL = replace(RESNET, weights_sha256="of scene.pt")
OF_SCENE_PT = [Label("scene/battle", "battle"), Label("scene/menu", "menu")]


def reader_of_scene_pt(shelf: Shelf) -> Writer:
    """Return what stores what a model says whose weights are in a file called as the head is."""
    return Writer(shelf.database, OWN_MODEL, OF_SCENE_PT, Taxonomy("", ()), "scene.pt", lambda: NOON)


def test_labels_of_a_model_stay_its_own_where_its_file_is_called_as_a_head(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    writer, stamp = reader_of_scene_pt(shelf), shelf.stamp("a.jpg")
    shelf.admitted(stamp)
    reading = replace(tagged(stamp, {"tabby": 1}).reading, tags=(Tag(OF_SCENE_PT[0], 0.9, 1),), categories=())
    writer.write([replace(tagged(stamp, {"tabby": 1}), reading=reading)])
    learned(shelf)
    at_work(shelf)
    assert "scene/battle is a label of a model already" in caplog.text
    assert "call the head something else" in caplog.text
    assert shelf.sql("SELECT label, head FROM image_tags WHERE path = ?", stamp.path) == [("battle", None)]
    assert shelf.sql("SELECT name FROM head") == []


def test_labels_of_a_head_stay_its_own_where_a_models_file_is_called_so(shelf: Shelf) -> None:
    stamp = seen(shelf, "a.jpg", BATTLE)
    learned(shelf)
    at_work(shelf)
    with pytest.raises(ConfigError, match=r"head scene.*scene/battle.*\n.*scene\.json"):
        reader_of_scene_pt(shelf)
    assert said(shelf, stamp) == [("battle", "model")]
    shelf.writer_for(RESNET)
