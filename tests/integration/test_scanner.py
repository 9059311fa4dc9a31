"""When what is walked: real folders, and an intake that only notes what it is shown."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.config.path_rules import PathRules
from tagger.config.sources import Source
from tagger.host import beneath
from tagger.ingest.filters import Filters
from tagger.ingest.inbox import Inbox
from tagger.ingest.scanner import LEISURE, Scanner
from tagger.ingest.settle import Settling
from tagger.ingest.watch import Watch
from tagger.records import Origin, Sighting, Stamp
from tagger.store.core.database import Database
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.moves import Moves
from tagger.store.tags.redate import Redate


class Noting(FileQueue):
    """Calls `shown` with each page before it is compared."""

    shown: Callable[[Sequence[Stamp]], object] = staticmethod(lambda page: None)

    def differences(self, stamps: Sequence[Stamp], met: Callable[[int], object] | None = None) -> list[Stamp]:
        self.shown(stamps)
        return super().differences(stamps, met)


class Polled(Watch):
    """Is told whose events do not tell all."""

    names: frozenset[str] = frozenset()

    @property
    def polled(self) -> frozenset[str]:
        return self.names


class Line:
    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.source = Source(path=folder / "cam", name="cam")
        self.source.path.mkdir()
        self.database = Database.open(str(folder / "tags.db"), create=True)
        self.queue = Noting(self.database, {"cam": str(self.source.path)}, lambda: datetime.now(UTC))
        self.inbox, filters = Inbox(), Filters([self.source], {".png"})
        self.watch = Polled([self.source], filters, self.inbox)
        redates = {"cam": Redate(self.database, "cam", PathRules(), lambda: datetime.now(UTC))}
        self.scanner = Scanner(
            [self.source],
            filters,
            self.inbox,
            self.watch,
            Settling({"cam": 0}, lambda one: beneath.stat("/", one.path)),
            self.queue,
            redates,
            Moves(self.queue, redates, {}),
            rescan=300,
            poll=10,
            clock=lambda: self.now,
        )
        self.pages: list[Sequence[Stamp]] = []
        self.queue.shown = self.pages.append

    def files(self, folder: str, count: int) -> None:
        (self.source.path / folder).mkdir(exist_ok=True)
        for number in range(count):
            (self.source.path / folder / f"{number}.png").touch()

    def finish_all(self) -> None:
        with self.database.write() as connection:
            connection.exec_driver_sql("UPDATE file SET state = 'done', captured_at = '2024-01-01'")

    @property
    def missing(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.exec_driver_sql("SELECT path FROM missing_files").scalars())

    def next_scan(self) -> float:
        """Seconds until the source is walked again, once it is walked now."""
        self.inbox.ask_whole(["cam"])
        self.scanner.step()
        return self.scanner._next["cam"] - self.now


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path)
    with closing(line.database):
        yield line


def test_a_folder_that_appears_during_a_long_scan_is_walked_before_it_ends(line: Line) -> None:
    line.files("old", 3000)
    new = f"{line.source.path}/new"

    def show(page: Sequence[Stamp]) -> None:
        if not line.pages:
            line.files("new", 1)
            line.inbox.ask_folder(Sighting(new, "cam", Origin.WATCH))
        line.pages.append(page)

    line.queue.shown = show
    line.next_scan()
    assert [stamp.path for stamp in line.pages[1]] == [f"{new}/0.png"]
    assert sum(map(len, line.pages)) >= 3001


def test_a_source_whose_changes_are_not_announced_is_walked_often(line: Line) -> None:
    line.files("old", 1)
    assert 270 <= line.next_scan() <= 330
    line.watch.names = frozenset({"cam"})
    assert 9 <= line.next_scan() <= 11


def test_a_source_that_takes_long_to_walk_is_polled_at_leisure(line: Line) -> None:
    line.files("old", 1)
    line.watch.names = frozenset({"cam"})

    def take_a_minute(page: Sequence[Stamp]) -> None:
        line.now += 60

    line.queue.shown = take_a_minute
    assert 0.9 * LEISURE * 60 <= line.next_scan() <= 1.1 * LEISURE * 60


def test_lost_events_have_all_walked_at_once_and_once(line: Line) -> None:
    line.files("old", 1)
    line.inbox.ask_lost(["cam"])
    line.inbox.ask_lost(["cam"])
    line.scanner.step()
    assert len(line.pages) == 1


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    "take_away", [shutil.rmtree, lambda folder: folder.rename(folder.parent / "away"), _empty]
)
def test_nothing_is_missing_while_the_folder_is_away_or_empty(
    line: Line, take_away: Callable[[Path], object]
) -> None:
    line.files("old", 5)
    line.next_scan()
    line.finish_all()
    take_away(line.source.path)
    for _ in range(3):
        line.next_scan()
    assert line.missing == []


def test_what_is_not_there_is_missing_where_the_folder_is_alive(line: Line) -> None:
    line.files("old", 9)
    line.next_scan()
    line.finish_all()
    (line.source.path / "old" / "3.png").unlink()
    line.next_scan()
    assert line.missing == [str(line.source.path / "old" / "3.png")]


def test_a_file_in_whose_place_a_link_is_put_is_missing(line: Line) -> None:
    line.files("old", 9)
    line.next_scan()
    line.finish_all()
    taken = line.source.path / "old" / "3.png"
    taken.unlink()
    taken.symlink_to("4.png")
    line.next_scan()
    assert line.missing == [str(taken)]
