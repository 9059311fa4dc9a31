"""Forgetting what is missing, by hand, on a real database."""

from datetime import timedelta

from tagger.store.core.schema import State
from tagger.store.queue import forget
from tagger.store.queue.missing import MissingFiles
from tests.integration.shelf import HOME, Shelf, rewritten


def test_only_what_has_been_missing_for_so_long_is_forgotten_and_its_tags_with_it(shelf: Shelf) -> None:
    stamps = [shelf.stamp(f"{number}.jpg") for number in range(20)]
    for stamp in stamps:
        shelf.tag(stamp, {"tabby": 0.9, "web site": 0.1})
    for gone in (1, 2):
        roll = MissingFiles(shelf.queue, "cam")
        shelf.queue.differences(stamps[gone:], roll.met)
        roll.mark([id_ for page in roll.unmet() for id_, _ in page], HOME)
        shelf.now += timedelta(days=1)
    assert forget.prune(shelf.database, shelf.now - timedelta(days=1, hours=1)) == 1
    assert shelf.sql("SELECT state FROM file WHERE path IN ('0.jpg', '1.jpg')") == [(State.GONE,)]
    assert forget.prune(shelf.database, shelf.now) == 1
    assert shelf.sql("SELECT count(*) FROM image_tags") == [(36,)]
    assert shelf.queue.differences(stamps) == stamps[:2]


def test_what_is_gone_for_now_but_not_missing_is_kept(shelf: Shelf) -> None:
    stamp = shelf.stamp("a.jpg")
    shelf.tag(stamp, {"tabby": 0.9})
    shelf.admitted(rewritten(stamp))
    assert forget.prune(shelf.database, shelf.now + timedelta(days=1)) == 0
