"""People's say in tags, on a real database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tagger.errors import ConfigError
from tagger.records import Known
from tagger.store.tags.corrections import ContradictionError, Correction, apply
from tests.integration.shelf import RESNET, Shelf, rewritten, sha, tagged

CAT = {"tabby": 0.7, "sports car": 0.25}
TAGS = "SELECT label, score, rank, by FROM image_tags ORDER BY path, rank"


def say(shelf: Shelf, *names: str, **verdicts: str) -> int:
    """`right="tabby"`: of each file named."""
    paths = [f"/data/{name}" for name in names or ("cam/a.jpg",)]
    return apply(
        shelf.database, paths, Correction(**{how: [name] for how, name in verdicts.items()}), shelf.now
    )


def test_what_people_add_comes_first_and_what_they_reject_is_gone(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    assert say(shelf, right="police van", wrong="tabby") == 1
    assert shelf.sql(TAGS) == [("police van", 1.0, 1, "human"), ("sports car", 0.25, 2, "model")]
    assert shelf.sql("SELECT label, score FROM top_tag") == [("police van", 1.0)]
    assert shelf.sql("SELECT * FROM uncertain") == []


@pytest.mark.parametrize("how", ["wrong", "open"])
@pytest.mark.parametrize("other", ["tabby", "Tiger Cat", "TABBY"])
def test_two_things_of_one_label_are_refused_by_whichever_name(shelf: Shelf, how: str, other: str) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    before = shelf.sql(TAGS)
    with pytest.raises(ContradictionError, match="two things are said of it"):
        say(shelf, right="tabby", **{how: other})
    assert shelf.sql(TAGS) == before


def test_categories_follow(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    say(shelf, right="police van", wrong="tabby")
    found = shelf.sql("SELECT category, score FROM image_categories ORDER BY category")
    assert found == [("car", 0.25), ("vehicle", 1.0)]


def test_a_tag_that_is_confirmed_is_there_once(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    say(shelf, right="Tiger Cat")
    assert shelf.sql(TAGS) == [("tabby", 1.0, 1, "human"), ("sports car", 0.25, 2, "model")]


def test_taken_back_it_is_as_the_model_said(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    everything = "SELECT label, score, rank, by FROM image_tags UNION ALL SELECT category, score, 0, '' FROM image_categories"
    before = shelf.sql(everything)
    say(shelf, right="police van", wrong="tabby")
    say(shelf, open="police van")
    say(shelf, open="tabby")
    assert shelf.sql(everything) == before
    assert shelf.sql("SELECT top_score, said FROM reading") == [(0.7, None)]


def test_who_follows_the_database_sees_the_picture_again(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    [(before,)] = shelf.sql("SELECT seq FROM top_tag")
    shelf.now += timedelta(hours=1)
    say(shelf, wrong="tabby")
    assert shelf.sql("SELECT label, seq > ? FROM top_tag", before) == [("sports car", 1)]


def test_it_holds_for_copies_those_that_come_later_too(shelf: Shelf) -> None:
    for name in ("a.jpg", "b.jpg"):
        shelf.tag(shelf.stamp(name), CAT, content="cat")
    assert say(shelf, wrong="tabby") == 2
    later = shelf.stamp("c.jpg", "phone")
    shelf.admitted(later)
    shelf.writer.write([Known(later, sha("cat"))])
    assert shelf.sql("SELECT DISTINCT label FROM top_tag") == [("sports car",)]
    assert shelf.sql("SELECT count(*) FROM top_tag") == [(3,)]


def test_of_one_label_one_thing_is_said_whatever_it_is_called(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    for names in (("tabby", "tabby"), ("tabby", "Tiger Cat"), ("虎斑猫", "n00000000")):
        with pytest.raises(ContradictionError, match="two things are said of it"):
            say(shelf, right=names[0], wrong=names[1])
    assert shelf.sql("SELECT count(*) FROM image_tags WHERE by = 'human'") == [(0,)]


def test_it_holds_for_more_copies_than_are_written_at_a_time(shelf: Shelf) -> None:
    first = shelf.stamp("0.jpg")
    shelf.tag(first, CAT, content="cat")
    copies = [shelf.stamp(f"{number}.jpg", "phone") for number in range(450)]
    shelf.admitted(*copies)
    shelf.writer.write([Known(copy, sha("cat")) for copy in copies])
    assert say(shelf, "cam/0.jpg", wrong="tabby") == 451
    assert shelf.sql("SELECT DISTINCT label FROM top_tag") == [("sports car",)]
    assert shelf.sql("SELECT count(*) FROM top_tag") == [(451,)]


def test_another_model_changes_nothing_of_it(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    say(shelf, right="police van", wrong="tabby")
    writer = shelf.writer_for(replace(RESNET, name="resnet50"))
    shelf.admitted(stamp)
    writer.write([tagged(stamp, {"tabby": 0.9, "web site": 0.05})])
    assert shelf.sql(TAGS) == [("police van", 1.0, 1, "human"), ("web site", 0.05, 2, "model")]
    say(shelf, open="tabby")
    assert shelf.sql("SELECT label, score FROM image_tags WHERE by = 'model'") == [
        ("tabby", 0.9),
        ("web site", 0.05),
    ]


def test_it_does_not_hold_for_another_picture_in_its_place(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, CAT)
    say(shelf, wrong="tabby")
    shelf.tag(rewritten(stamp), CAT, content="another cat")
    assert shelf.sql("SELECT label FROM top_tag") == [("tabby",)]


def test_a_picture_of_which_everything_is_wrong_has_no_tags_and_is_not_lost(shelf: Shelf) -> None:
    shelf.tag(shelf.stamp("a.jpg"), {"tabby": 0.7})
    say(shelf, wrong="tabby")
    assert shelf.sql("SELECT * FROM image_tags") == []
    assert say(shelf, open="tabby") == 1
    assert shelf.sql("SELECT label FROM top_tag") == [("tabby",)]


@pytest.mark.parametrize(
    ("path", "name", "what"),
    [
        ("cam/a.jpg", "tabbi", "no label has this name\n  did you mean tabby"),
        (
            "cam/a.jpg",
            "battle scene",
            "no label has this name\n  the model does not know such a word; tagger teach has it",
        ),
        (
            "cam/a.jpg",
            "vehicle",
            "no label has this name\n  it is a category; name the label, such as police van, sports",
        ),
        ("cam/a.jpg", "yesterday", "tagger search says how times and conditions are asked for"),
        ("cam/a.jpg", "vehicle", "no label has this name"),
        ("cam/b.jpg", "tabby", "there are no tags of this file"),
        ("elsewhere/a.jpg", "tabby", "there are no tags of this file"),
    ],
)
def test_what_nothing_is_known_of_is_refused_and_nothing_is_changed(
    shelf: Shelf, path: str, name: str, what: str
) -> None:
    shelf.tag(shelf.stamp("a.jpg"), CAT)
    with pytest.raises(ConfigError, match=what):
        say(shelf, "cam/a.jpg", path, wrong=name)
    assert shelf.sql("SELECT label FROM top_tag") == [("tabby",)]
    assert shelf.sql("SELECT * FROM verdict") == []
