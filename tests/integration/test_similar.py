"""What looks like a picture, and what is all but the same, by the features that are stored."""

import sqlite3
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tagger.errors import ConfigError, DatabaseError
from tagger.records import Features, Known, ModelIdentity, Origin
from tagger.similar.groups import groups
from tagger.similar.hits import similar
from tagger.similar.neighbours import CANDIDATES
from tagger.store.queue import retry
from tagger.store.search import features
from tagger.store.search.features import PictureFeatures
from tagger.store.tags.corrections import Correction, apply
from tagger.store.tags.writer import Writer
from tagger.vision.features import features_of
from tests.integration.shelf import RESNET, Shelf, sha, tagged

Row = NDArray[np.float32]
CHANCE = np.random.default_rng(11)
OTHER = replace(RESNET, name="resnet50")
CAT = {"tabby": 0.9}


def scene(width: int = 64) -> Row:
    return CHANCE.standard_normal(width).astype(np.float32)


def like(row: Row, cosine: float) -> Row:
    """A picture at that angle from another."""
    aside = scene(len(row))
    aside -= row * (aside @ row) / (row @ row)
    unit, side = row / np.linalg.norm(row), aside / np.linalg.norm(aside)
    mixed: Row = cosine * unit + np.sqrt(1 - cosine**2) * side
    return mixed.astype(np.float32)


def of(row: Row) -> Features:
    [found] = features_of(row[np.newaxis], [1])
    assert found
    return found


def store(
    shelf: Shelf, name: str, row: Row | None, by: Writer | None = None, content: str = "", width: int = 1920
) -> int:
    """Gives its seq."""
    [stamp] = shelf.admitted(shelf.stamp(name))
    outcome = tagged(stamp, CAT, content)
    facts = replace(outcome.facts, width=width)
    (by or shelf.writer).write([replace(outcome, facts=facts, features=None if row is None else of(row))])
    [(seq,)] = shelf.sql("SELECT max(seq) FROM top_tag")
    assert isinstance(seq, int)
    return seq


def store_all(shelf: Shelf, rows: Sequence[Row]) -> None:
    """As `0.jpg` and so on."""
    stamps = [shelf.stamp(f"{number}.jpg") for number in range(len(rows))]
    shelf.admitted(*stamps)
    outcomes = (
        replace(tagged(stamp, CAT), features=of(row)) for stamp, row in zip(stamps, rows, strict=True)
    )
    shelf.writer.write(list(outcomes))


def names(paths: Sequence[str]) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]


def found(shelf: Shelf, seq: int, limit: int = 10) -> list[tuple[str, float]]:
    hits = similar(shelf.database, features.by_seq(shelf.database, seq), limit)
    return [(names([hit.picture.path])[0], round(hit.by.score, 2) if hit.by else -1) for hit in hits]


def copies(shelf: Shelf, at_least: float = 0.95, among: "array[int] | None" = None) -> list[list[str]]:
    return [
        names([one.picture.path for one in group]) for group in groups(shelf.database, at_least, among, 100)
    ]


def spoil(shelf: Shelf, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(shelf.file)) as connection, connection:
        connection.execute(sql, values)


# What looks like a picture


def test_the_most_alike_come_first_and_the_picture_itself_not_at_all(shelf: Shelf) -> None:
    one = scene()
    seq = store(shelf, "one.jpg", one)
    for cosine in (0.5, 0.99, 0.2, 0.9):
        store(shelf, f"{cosine}.jpg", like(one, cosine))
    assert found(shelf, seq) == [("0.99.jpg", 0.99), ("0.9.jpg", 0.9), ("0.5.jpg", 0.5), ("0.2.jpg", 0.2)]
    assert found(shelf, seq, limit=1) == [("0.99.jpg", 0.99)]


def test_what_is_gone_looks_like_nothing_but_may_be_asked_for(shelf: Shelf) -> None:
    """However many of them are nearer than those that are there."""
    one = scene()
    store_all(shelf, [one, *(like(one, 0.99) for _ in range(CANDIDATES + 1)), like(one, 0.5)])
    shelf.vanish(*range(1, CANDIDATES + 3))
    assert found(shelf, 1) == [(f"{CANDIDATES + 2}.jpg", 0.5)]


def test_the_nearest_of_thousands_are_found_by_their_codes(shelf: Shelf) -> None:
    one = scene(512)
    seq = store(shelf, "one.jpg", one)
    rows = [scene(512) for _ in range(3000)] + [like(one, cosine) for cosine in (0.8, 0.9)]
    store_all(shelf, rows)
    assert found(shelf, seq, limit=2) == [("3001.jpg", 0.9), ("3000.jpg", 0.8)]


def test_a_picture_of_another_model_is_not_compared(shelf: Shelf) -> None:
    one = scene()
    seq = store(shelf, "one.jpg", one)
    store(shelf, "same width.jpg", one, shelf.writer_for(OTHER))
    store(shelf, "wider.jpg", scene(128), shelf.writer_for(replace(RESNET, weights_sha256="ff")))
    store(shelf, "other crop.jpg", like(one, 0.9), shelf.writer_for(replace(RESNET, preprocessing="tiles")))
    assert found(shelf, seq) == [("other crop.jpg", 0.9)]


def test_a_picture_that_is_not_in_the_database_is_compared_too(shelf: Shelf) -> None:
    one = scene()
    store(shelf, "one.jpg", one)
    [hit] = similar(shelf.database, PictureFeatures(None, of(one), RESNET), 10)
    assert hit.by
    assert hit.by.score == pytest.approx(1, abs=0.001)
    assert hit.by.name == "tabby"


@pytest.mark.parametrize(
    ("model", "says"), [(None, "no features are stored"), (OTHER, "of another model only (resnet50)")]
)
def test_where_there_is_nothing_to_compare_with_it_says_what_to_do(
    shelf: Shelf, model: ModelIdentity | None, says: str
) -> None:
    store(shelf, "one.jpg", scene() if model else None, shelf.writer_for(model) if model else None)
    with pytest.raises(ConfigError) as refused:
        similar(shelf.database, PictureFeatures(None, of(scene()), RESNET), 10)
    assert says in str(refused.value)
    assert "features: false" in str(refused.value)
    assert "tagger retag" in str(refused.value)


@pytest.mark.parametrize("seq", [0, 99, 2**70])
def test_a_seq_that_does_not_exist_is_refused(shelf: Shelf, seq: int) -> None:
    with pytest.raises(ConfigError, match="no picture has this seq"):
        features.by_seq(shelf.database, seq)


def test_a_picture_without_features_says_how_it_gets_some(shelf: Shelf) -> None:
    seq = store(shelf, "one.jpg", None)
    with pytest.raises(ConfigError, match="tagger retag"):
        features.by_seq(shelf.database, seq)


def test_a_picture_is_found_by_its_path_whatever_bytes_that_has(shelf: Shelf) -> None:
    odd = "\udcff \uf7ff.jpg"
    store(shelf, odd, scene(), content="odd")
    assert features.by_path(shelf.database, f"/data/cam/{odd}")
    assert features.by_path(shelf.database, "/data/cam/other.jpg") is None
    assert features.by_path(shelf.database, "/elsewhere.jpg") is None


@pytest.mark.parametrize("damage", [b"", b"\0", b"\xff" * 128, b"\0" * 128, b"\1" * 2000, "text"])
def test_damaged_features_are_passed_over(shelf: Shelf, damage: bytes | str) -> None:
    one = scene()
    store(shelf, "other.jpg", scene())
    seq = store(shelf, "one.jpg", one)
    bad = store(shelf, "bad.jpg", like(one, 0.99))
    store(shelf, "good.jpg", like(one, 0.98))
    spoil(shelf, "UPDATE feature SET vector = ? WHERE file_id = 3", damage)
    assert found(shelf, seq)[0] == ("good.jpg", 0.98)
    assert copies(shelf) == [["one.jpg", "good.jpg"]]
    with pytest.raises((DatabaseError, ConfigError), match="tagger retag"):
        found(shelf, bad)


@pytest.mark.parametrize("damage", [b"", b"\1" * 100, "text"])
def test_damaged_codes_are_passed_over(shelf: Shelf, damage: bytes | str) -> None:
    store(shelf, "one.jpg", scene())
    spoil(shelf, "UPDATE feature_code SET codes = ?", damage)
    assert copies(shelf) == []
    with pytest.raises(DatabaseError, match="tagger retag"):
        found(shelf, 1)


# What becomes of features


def test_a_copy_has_the_features_of_its_original(shelf: Shelf) -> None:
    one = scene()
    seq = store(shelf, "one.jpg", one, content="same")
    [stamp] = shelf.admitted(shelf.stamp("copy.jpg"))
    shelf.writer.write([Known(stamp, sha("same"))])
    assert found(shelf, seq) == [("copy.jpg", 1.0)]
    assert shelf.sql("SELECT count(*), count(DISTINCT look) FROM reading") == [(2, 1)]


def test_a_verdict_leaves_the_features_alone(shelf: Shelf) -> None:
    one = scene()
    store(shelf, "one.jpg", one)
    seq = store(shelf, "two.jpg", like(one, 0.9))
    apply(shelf.database, ["/data/cam/one.jpg"], Correction(right=["sports car"]), shelf.now)
    assert found(shelf, seq) == [("one.jpg", 0.9)]


def test_a_picture_that_is_tagged_anew_without_features_has_none(shelf: Shelf) -> None:
    one = scene()
    seq = store(shelf, "one.jpg", one)
    stamp = shelf.stamp("two.jpg")
    store(shelf, "two.jpg", like(one, 0.9))
    retry.retag(shelf.database, [2])
    shelf.admitted(stamp, origin=Origin.SCAN)
    shelf.writer.write([tagged(stamp, CAT)])
    assert found(shelf, seq) == []
    assert shelf.sql("SELECT count(*) FROM feature") == [(1,)]


def test_what_is_not_wanted_takes_no_room(shelf: Shelf) -> None:
    store(shelf, "one.jpg", None, content="same")
    [stamp] = shelf.admitted(shelf.stamp("copy.jpg"))
    shelf.writer.write([Known(stamp, sha("same"))])
    assert shelf.sql("SELECT (SELECT count(*) FROM feature), (SELECT count(*) FROM feature_code)") == [(0, 0)]


# What is all but the same


def test_copies_hang_together_in_groups_the_best_first(shelf: Shelf) -> None:
    one, other = scene(), scene()
    store(shelf, "small.jpg", like(one, 0.99), width=800)
    store(shelf, "large.jpg", one, width=4000)
    store(shelf, "alone.jpg", scene())
    store(shelf, "a.jpg", other)
    store(shelf, "middle.jpg", like(one, 0.98), width=1000)
    store(shelf, "b.jpg", like(other, 0.97))
    assert copies(shelf) == [["large.jpg", "small.jpg", "middle.jpg"], ["a.jpg", "b.jpg"]]
    assert copies(shelf, at_least=0.985) == [["large.jpg", "small.jpg"]]


def test_a_group_tells_how_much_each_is_like_its_best(shelf: Shelf) -> None:
    one = scene()
    store(shelf, "one.jpg", one, content="same", width=4000)
    store(shelf, "copy.jpg", None, content="same", width=4000)
    store(shelf, "near.jpg", like(one, 0.97))
    [group] = groups(shelf.database, 0.95, None, 100)
    assert [round(alike.score or 0, 2) for alike in group] == [1, 1, 0.97]


def test_a_thousand_frames_of_one_scene_are_one_group(shelf: Shelf) -> None:
    one = scene()
    store_all(shelf, [like(one, 0.985) for _ in range(1000)])
    store(shelf, "alone.jpg", scene())
    assert [len(group) for group in copies(shelf)] == [1000]


def test_pairs_are_found_among_thousands_that_are_not(shelf: Shelf) -> None:
    store_all(shelf, [row for one in (scene(512) for _ in range(1000)) for row in (one, like(one, 0.955))])
    alike = list(groups(shelf.database, 0.95, None, 10_000))
    assert len(alike) >= 990
    assert {len(group) for group in alike} == {2}


def test_without_features_exact_copies_are_found_all_the_same(shelf: Shelf) -> None:
    for name, content in (("a.jpg", "x"), ("b.jpg", "x"), ("c.jpg", "y"), ("d.jpg", "x")):
        store(shelf, name, None, content=content)
    assert copies(shelf) == [["a.jpg", "b.jpg", "d.jpg"]]


def test_what_is_gone_is_no_copy(shelf: Shelf) -> None:
    store(shelf, "a.jpg", None, content="x")
    store(shelf, "b.jpg", None, content="x")
    shelf.vanish(2)
    assert copies(shelf) == []


def test_copies_may_be_looked_for_among_some(shelf: Shelf) -> None:
    one = scene()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        store(shelf, name, like(one, 0.99), content="x" if name == "a.jpg" else name)
    assert sorted(copies(shelf, among=array("q", [3, 1]))[0]) == ["a.jpg", "c.jpg"]
    assert copies(shelf, among=array("q", [2])) == []
    assert copies(shelf, among=array("q")) == []


def test_a_copy_is_one_even_where_1_is_asked_for(shelf: Shelf) -> None:
    one = scene(512)
    store(shelf, "a.jpg", one)
    store(shelf, "b.jpg", one * 3)
    store(shelf, "c.jpg", like(one, 0.99))
    assert sorted(copies(shelf, at_least=1)[0]) == ["a.jpg", "b.jpg"]


def test_models_are_not_mixed_in_groups(shelf: Shelf) -> None:
    one, other = scene(), scene(128)
    for name, row, model in (
        ("a", one, RESNET),
        ("b", other, OTHER),
        ("c", one, RESNET),
        ("d", other, OTHER),
    ):
        store(shelf, f"{name}.jpg", row, shelf.writer_for(model))
    assert sorted(map(sorted, copies(shelf))) == [["a.jpg", "c.jpg"], ["b.jpg", "d.jpg"]]


def test_an_empty_database_has_no_copies(shelf: Shelf) -> None:
    assert copies(shelf) == []
