"""Heads in the database: new pictures, those that were stored before, copies, and what people say of them."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tagger.heads import files
from tagger.heads.head import Fit, Head
from tagger.pipeline.labelling import Labelling
from tagger.pipeline.recent_events import RecentEvents
from tagger.records import Features, Health, Known, ModelIdentity, Stamp
from tagger.store.core.heads import RANKS
from tagger.store.tags import corrections, head_backlog
from tagger.store.tags.corrections import Correction
from tagger.supervision import Closed
from tests.integration.moving import Site, drop
from tests.integration.shelf import NOON, RESNET, Shelf, sha, tagged

BATTLE, CITY, OTHER = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
LABELLED = "SELECT label, by FROM head_tags WHERE path = ? AND head = 'scene'"


def head(model: ModelIdentity = RESNET, **changed: object) -> Head:
    """Return a head whose labels lie along the first two of three features."""
    fit = Fit(model, np.eye(3, dtype=np.float32) * 9, np.zeros(3, np.float32), (0.5, 0.5), (0.5, 0.5))
    values = {"name": "scene", "labels": ("battle", "main city"), "any": False, "fits": (fit,)}
    return Head(**{**values, "learned_at": datetime(2026, 1, 2, tzinfo=UTC), **changed})  # type: ignore[arg-type]


def labelling(shelf: Shelf, **wanted: Sequence[str]) -> Labelling:
    """Return what puts heads to work, by the names of sources; the scene everywhere if none are named."""
    wanted = wanted or {"cam": ("scene",), "phone": ("scene",)}
    identities = dict.fromkeys(("cam", "phone"), RESNET)
    return Labelling(shelf.writer, {"cam": (), "phone": ()} | wanted, identities, RecentEvents())


def at_work(shelf: Shelf, **wanted: Sequence[str]) -> None:
    """Put heads to work, and have them label all that was stored before."""
    work = labelling(shelf, **wanted)
    work.take_up()
    work.close()
    while not work.is_done:
        with pytest.raises(Closed):
            work.once()


def learned(shelf: Shelf, new: Head | None = None) -> None:
    folder = files.beside(shelf.file)
    assert folder
    files.write(folder, new or head())


def seen(
    shelf: Shelf,
    name: str,
    features: tuple[float, ...],
    source: str = "cam",
    content: str = "",
    health: Health | None = None,
) -> Stamp:
    """Tag a picture with these features."""
    stamp = shelf.stamp(name, source)
    shelf.admitted(stamp)
    vector = np.array(features, np.float16).tobytes()
    one = tagged(stamp, {"tabby": 0.9, "web site": 0.1}, content)
    facts = replace(one.facts, health=health)
    shelf.writer.write([replace(one, facts=facts, features=Features(vector, bytes(64), 0))])
    return stamp


def said(shelf: Shelf, stamp: Stamp) -> list[tuple[object, ...]]:
    return shelf.sql(LABELLED, stamp.path)


def test_a_new_picture_has_the_labels_of_its_sources_heads_at_once(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf, cam=("scene",)).take_up()
    stamps = [seen(shelf, f"{at}.jpg", features) for at, features in enumerate((BATTLE, CITY, OTHER))]
    assert [said(shelf, stamp) for stamp in stamps] == [
        [("battle", "model")], [("main city", "model")], [("none", "model")]
    ]  # fmt: skip
    assert said(shelf, seen(shelf, "p.jpg", BATTLE, "phone")) == []


def test_pictures_that_were_stored_before_are_labelled_without_a_new_seq(shelf: Shelf) -> None:
    stamps = [seen(shelf, "a.jpg", BATTLE), seen(shelf, "b.jpg", OTHER)]
    before = shelf.sql("SELECT seq, path, label, score, rank FROM top_tag ORDER BY seq")
    learned(shelf)
    at_work(shelf)
    assert [said(shelf, stamp) for stamp in stamps] == [[("battle", "model")], [("none", "model")]]
    assert shelf.sql("SELECT seq, path, label, score, rank FROM top_tag ORDER BY seq") == before


def test_light_tells_labels_wherever_a_picture_is_labelled(shelf: Shelf) -> None:
    """Of pictures with the same features: when it is stored, as backlog, as a copy, and after a correction."""
    weights = np.zeros((8, 3), np.float32)
    weights[3] = (9, -9, 0)  # by brightness alone
    fit = Fit(RESNET, weights, np.zeros(3, np.float32), (0.5, 0.5), (0.5, 0.5))
    bright, dark = Health(0.9, 0.2, 0.3, 40, False), Health(0.05, 0.2, 0.3, 40, False)
    old = [seen(shelf, "old.jpg", OTHER, health=bright), seen(shelf, "older.jpg", OTHER, health=dark)]
    learned(shelf, head(fits=(fit,)))
    at_work(shelf)
    new = [
        seen(shelf, "new.jpg", OTHER, health=bright),
        seen(shelf, "newer.jpg", OTHER, content="newer", health=dark),
    ]
    copy = shelf.stamp("copy.jpg")
    shelf.admitted(copy)
    shelf.writer.write([Known(copy, sha("newer"))])
    for stamp, label in zip(
        [*old, *new, copy], ["battle", "main city", "battle", "main city", "main city"], strict=True
    ):
        assert said(shelf, stamp) == [(label, "model")]
    corrections.apply(shelf.database, [old[1].path], Correction(right=("scene:battle",)), NOON)
    assert said(shelf, old[1]) == [("battle", "human")]
    corrections.apply(shelf.database, [old[1].path], Correction(open=("scene:battle",)), NOON)
    assert said(shelf, old[1]) == [("main city", "model")]


def test_ranks_of_the_model_and_what_asks_by_them_stay_the_models(shelf: Shelf) -> None:
    stamp = seen(shelf, "a.jpg", BATTLE)
    learned(shelf)
    at_work(shelf)
    rows = shelf.sql("SELECT label, rank, head FROM image_tags WHERE path = ? ORDER BY rank", stamp.path)
    assert rows == [("battle", None, "scene"), ("tabby", 1, None), ("web site", 2, None)]
    assert shelf.sql("SELECT label FROM image_tags WHERE rank = 1") == [("tabby",)]


def test_no_label_is_no_tag_of_the_picture(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf).take_up()
    stamp = seen(shelf, "a.jpg", OTHER)
    assert said(shelf, stamp) == [("none", "model")]
    assert shelf.sql("SELECT label FROM image_tags WHERE head IS NOT NULL") == []


def test_more_pictures_than_one_transaction_takes_are_all_labelled(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_backlog, "WINDOW", 3)
    for at in range(10):
        seen(shelf, f"{at}.jpg", BATTLE)
    learned(shelf)
    at_work(shelf)
    assert shelf.sql("SELECT count(*) FROM head_tags WHERE label = 'battle'") == [(10,)]


def test_what_was_cut_short_goes_on_where_it_was(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_backlog, "WINDOW", 3)
    for at in range(10):
        seen(shelf, f"{at}.jpg", BATTLE)
    learned(shelf)
    work = labelling(shelf)
    work.take_up()
    work.close()
    with pytest.raises(Closed):
        work.once()
    assert shelf.sql("SELECT count(*) FROM head_tags") == [(3,)]
    shelf.writer = shelf.writer_for(RESNET)
    at_work(shelf)
    assert shelf.sql("SELECT count(*) FROM head_tags") == [(10,)]


def test_a_head_that_is_learned_anew_labels_all_pictures_anew(shelf: Shelf) -> None:
    stamps = [seen(shelf, "a.jpg", BATTLE), seen(shelf, "b.jpg", CITY)]
    learned(shelf)
    at_work(shelf)
    learned(shelf, head(labels=("boss", "main city")))
    at_work(shelf)
    assert [said(shelf, stamp) for stamp in stamps] == [[("boss", "model")], [("main city", "model")]]


def test_a_head_that_the_config_names_no_longer_takes_its_tags_away_and_leaves_its_examples(
    shelf: Shelf,
) -> None:
    stamp = seen(shelf, "a.jpg", OTHER)
    learned(shelf)
    at_work(shelf)
    corrections.apply(shelf.database, [stamp.path], Correction(right=("scene/battle",)), NOON)
    at_work(shelf, cam=())
    assert said(shelf, stamp) == []
    assert corrections.correction_of(shelf.database, 1).right == ["battle"]
    at_work(shelf)
    assert said(shelf, stamp) == [("battle", "human")]


@pytest.mark.parametrize("damage", ["damaged", "missing"])
def test_a_head_whose_files_are_damaged_or_missing_keeps_what_it_said(shelf: Shelf, damage: str) -> None:
    stamp = seen(shelf, "a.jpg", BATTLE)
    learned(shelf)
    at_work(shelf)
    text = shelf.file.parent / "heads" / "scene.json"
    if damage == "damaged":
        text.write_text("{")
    else:
        text.unlink()
    at_work(shelf)
    assert said(shelf, stamp) == [("battle", "model")]


def test_a_head_that_was_taught_for_another_model_labels_nothing(shelf: Shelf) -> None:
    learned(shelf, head(ModelIdentity("resnet18", "ab12", "squash")))
    at_work(shelf)
    assert said(shelf, seen(shelf, "a.jpg", BATTLE)) == []


def test_a_copy_is_labelled_by_the_heads_of_its_own_source(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf, phone=("scene",)).take_up()
    seen(shelf, "a.jpg", BATTLE, content="same")
    copy = shelf.stamp("b.jpg", "phone")
    shelf.admitted(copy)
    shelf.writer.write([Known(copy, sha("same"))])
    assert said(shelf, copy) == [("battle", "model")]


def test_what_people_say_of_a_heads_label_holds_at_once_and_for_copies_and_for_new_heads(
    shelf: Shelf,
) -> None:
    learned(shelf)
    labelling(shelf).take_up()
    stamp, copy = seen(shelf, "a.jpg", BATTLE, content="same"), seen(shelf, "b.jpg", BATTLE, content="same")
    before = shelf.sql("SELECT seq FROM top_tag")
    assert corrections.apply(shelf.database, [stamp.path], Correction(right=("main city",)), NOON) == 2
    assert [said(shelf, one) for one in (stamp, copy)] == [[("main city", "human")]] * 2
    assert shelf.sql("SELECT seq FROM top_tag") == before
    learned(shelf, head(labels=("battle", "main city", "boss"), fits=(wider(),)))
    at_work(shelf)
    assert said(shelf, stamp) == [("main city", "human")]


def wider() -> Fit:
    weights = np.zeros((3, 4), np.float32)
    return Fit(RESNET, weights, np.zeros(4, np.float32), (0.5,) * 3, (0.5,) * 3)


def test_another_label_takes_the_place_of_the_one_that_was_right_before(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf).take_up()
    stamp = seen(shelf, "a.jpg", OTHER)
    for name in ("battle", "main city"):
        corrections.apply(shelf.database, [stamp.path], Correction(right=(name,)), NOON)
    assert said(shelf, stamp) == [("main city", "human")]
    assert corrections.correction_of(shelf.database, 1).right == ["main city"]


def test_a_label_that_is_wrong_is_none_and_comes_back_when_the_verdict_is_taken_back(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf).take_up()
    stamp = seen(shelf, "a.jpg", BATTLE)
    corrections.apply(shelf.database, [stamp.path], Correction(wrong=("battle",)), NOON)
    assert said(shelf, stamp) == [("none", "human")]
    corrections.apply(shelf.database, [stamp.path], Correction(open=("battle",)), NOON)
    assert said(shelf, stamp) == [("battle", "model")]


def test_a_correction_of_the_models_labels_leaves_those_of_heads(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf).take_up()
    stamp = seen(shelf, "a.jpg", BATTLE)
    corrections.apply(shelf.database, [stamp.path], Correction(right=("sports car",), wrong=("tabby",)), NOON)
    assert said(shelf, stamp) == [("battle", "model")]
    assert shelf.sql("SELECT label, rank FROM image_tags WHERE rank > 0 ORDER BY rank") == [
        ("sports car", 1),
        ("web site", 2),
    ]


def test_a_head_may_give_several_labels(shelf: Shelf) -> None:
    fit = Fit(RESNET, np.eye(3, 2, dtype=np.float32) * 9, np.full(2, -4, np.float32), (0.5, 0.5), (0.5, 0.5))
    learned(shelf, head(any=True, fits=(fit,)))
    labelling(shelf).take_up()
    stamp = seen(shelf, "a.jpg", (0.8, 0.6, 0.0))
    labels = "SELECT label FROM image_tags WHERE head = 'scene' ORDER BY score DESC"
    assert shelf.sql(labels) == [("battle",), ("main city",)]
    assert said(shelf, stamp) == [("battle", "model")]
    corrections.apply(shelf.database, [stamp.path], Correction(wrong=("battle",)), NOON)
    assert shelf.sql(labels) == [("main city",)]


def test_a_label_that_the_model_has_too_keeps_a_name_of_its_own(shelf: Shelf) -> None:
    learned(shelf, head(labels=("battle", "tabby")))
    labelling(shelf).take_up()
    stamp = seen(shelf, "a.jpg", CITY)
    assert said(shelf, stamp) == [("tabby", "model")]
    rows = shelf.sql("SELECT label, key FROM image_tags WHERE path = ? ORDER BY head", stamp.path)
    assert rows[-1] == ("tabby (scene)", "scene/tabby")
    assert rows[0][0] == "tabby"


def test_what_must_not_be_missed_has_one_of_three_states(shelf: Shelf) -> None:
    fit = Fit(RESNET, np.eye(3, dtype=np.float32) * 3, np.zeros(3, np.float32), (0.7, 0.5), (0.3, 0.5))
    learned(shelf, head(fits=(fit,), recalls={"battle": 0.98}))
    labelling(shelf).take_up()
    for name, features in (("f", BATTLE), ("u", (0.6, 0.6, 0.5)), ("c", OTHER)):
        seen(shelf, f"{name}.jpg", features)
    states = shelf.sql("SELECT label, state FROM head_tags ORDER BY path")
    assert states == [("none", "clear"), ("battle", "flagged"), ("unsure", "unsure")]


def test_pictures_without_features_or_of_another_model_are_left_alone(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 1.0})
    other = shelf.writer_for(ModelIdentity("resnet18", "cd34", "128/112"))
    shelf.writer, kept = other, shelf.writer
    seen(shelf, "b.jpg", BATTLE)
    shelf.writer = kept
    learned(shelf)
    at_work(shelf)
    assert shelf.sql("SELECT count(*) FROM head_tags") == [(0,)]


def test_heads_have_ranks_behind_those_of_every_model(shelf: Shelf) -> None:
    learned(shelf)
    labelling(shelf).take_up()
    seen(shelf, "a.jpg", BATTLE)
    ranks = [rank for (rank,) in shelf.sql("SELECT rank FROM tag ORDER BY rank")]
    assert ranks == [1, 2, RANKS + 1]


def test_a_picture_that_moves_to_another_source_has_the_labels_of_that_ones_heads(tmp_path: Path) -> None:
    site = Site(tmp_path, "")
    with closing(site.database):
        files.write(tmp_path / "heads", head())
        folder = Labelling(
            site.writer,
            {"src": (), "other": ("scene",)},
            dict.fromkeys(("src", "other"), RESNET),
            RecentEvents(),
        )
        folder.take_up()
        drop(site.src / "a.png", "one")
        site.scan()
        for stamp in site.queue.claim(1):
            one = tagged(stamp, {"tabby": 0.9}, "one")
            vector = np.array(BATTLE, np.float16).tobytes()
            site.writer.write([replace(one, features=Features(vector, bytes(64), 0))])
        before = site.sql("SELECT seq, label FROM top_tag")
        (site.src / "a.png").rename(site.other / "a.png")
        site.scan()
        site.work()
        assert site.sql("SELECT label FROM head_tags WHERE NOT is_gone") == [("battle",)]
        assert site.sql("SELECT seq, label FROM top_tag WHERE NOT is_gone") == before
        (site.other / "a.png").rename(site.src / "a.png")
        site.scan()
        site.work()
        assert site.sql("SELECT label FROM head_tags WHERE NOT is_gone") == []
