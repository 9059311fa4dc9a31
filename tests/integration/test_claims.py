"""From a sighting to a claim, on a real queue and real files; the clock is handed in, threads are not needed."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tagger.config.path_rules import PathRules
from tagger.config.sources import Source
from tagger.ingest.filters import Filters
from tagger.ingest.inbox import Inbox
from tagger.ingest.scanner import Scanner
from tagger.ingest.settle import Settling, look_beneath
from tagger.ingest.settler import Settler
from tagger.ingest.watch import Watch
from tagger.pipeline.claims import Claims
from tagger.pipeline.recent_events import RecentEvents
from tagger.pipeline.report import Report
from tagger.pipeline.sink import Sink
from tagger.pipeline.stats import Counts, Stats
from tagger.records import Changed, Failed, Label, ModelIdentity, Origin, Outcome, Sighting, Stamp, Taxonomy
from tagger.store.core.database import Database
from tagger.store.queue import retry
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.moves import Moves
from tagger.store.tags.redate import Redate
from tagger.store.tags.writer import Writer
from tagger.supervision import Closed

LONG_AGO = 1_000_000_000


class Line:
    """A source `pictures` with all that a file passes on its way."""

    def __init__(self, folder: Path) -> None:
        self.source = Source(path=folder / "pictures", name="pictures")
        self.source.path.mkdir()
        self.database = Database.open(str(folder / "tags.db"), create=True)
        self.now = 0.0
        self.writer = Writer(
            self.database,
            ModelIdentity("m", "0", "none"),
            [Label("m/a", "a")],
            Taxonomy("0", ()),
            "",
            lambda: datetime.now(UTC),
        )
        self.start()

    def start(self, rate: float = 0) -> None:
        roots = {"pictures": str(self.source.path)}
        self.inbox = Inbox()
        self.queue = FileQueue(self.database, roots, lambda: datetime.now(UTC))
        self.queue.start()
        settling = Settling({"pictures": 0.5}, partial(look_beneath, {"pictures": self.source}))
        filters = Filters([self.source], {".png"})
        redates = {"pictures": Redate(self.database, "pictures", PathRules(), lambda: datetime.now(UTC))}
        moves = Moves(self.queue, redates, {})
        self.settler = Settler(self.inbox, settling, self.queue, moves, lambda: self.now)
        self.scanner = Scanner(
            [self.source], filters, self.inbox, Watch([self.source], filters, self.inbox), settling, self.queue,
            redates, moves, 300, 10,
        )  # fmt: skip
        self.claims = Claims(self.queue, rate, lambda: self.now)
        self.stats = Stats(roots)
        report = Report(Taxonomy("0", ()), 0.3)
        self.sink = Sink(self.writer, self.stats, RecentEvents(), report, self.inbox, self.claims)

    def drop(self, name: str, age: float = 0, text: str = "x") -> str:
        """A file whose mtime lies `age` seconds after a day long ago."""
        path = self.source.path / name
        path.write_text(text)
        os.utime(path, (LONG_AGO + age, LONG_AGO + age))
        return str(path)

    def get(self) -> Stamp:
        return self.claims.get()

    def store(self, outcome: Outcome) -> None:
        self.sink.store([outcome])

    def settle(self) -> None:
        """Time enough to settle."""
        self.settler.step()
        self.now += 1
        self.settler.settle(self.now)

    def see(self, path: str, origin: Origin = Origin.WATCH) -> None:
        self.inbox.see(Sighting(path, "pictures", origin))
        self.settle()

    def scan(self) -> None:
        with suppress(Closed):
            self.scanner.once()
        self.settle()

    @property
    def counts(self) -> Counts:
        return self.stats.snapshot(self.scanner.scanned, self.queue.admitted)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path)
    with closing(line.database):
        yield line


def test_a_new_file_overtakes_the_backlog(line: Line) -> None:
    old = [line.drop(f"{number}.png") for number in range(50)]
    for path in old:
        line.see(path, Origin.SCAN)
    line.get()
    line.see(line.drop("new.png"))
    overtaken = 1
    while not line.get().path.endswith("new.png"):
        overtaken += 1
    assert overtaken <= 8


def test_the_backlog_is_worked_off_newest_first(line: Line) -> None:
    for name, age in (("b.png", 2), ("c.png", 3), ("a.png", 1)):
        line.see(line.drop(name, age), Origin.SCAN)
    order = [Path(line.get().path).name for _ in range(3)]
    assert order == ["c.png", "b.png", "a.png"]


def test_what_is_known_is_not_handed_out_again(line: Line) -> None:
    line.see(line.drop("a.png"))
    line.store(Failed(line.get(), "decode", "bad"))
    line.see(str(line.source.path / "a.png"))
    assert line.claims.is_done


def test_a_file_that_changed_while_it_was_read_comes_back(line: Line) -> None:
    path = line.drop("a.png")
    line.see(path)
    first = line.get()
    line.drop("a.png", text="longer")
    line.store(Changed(first))
    line.see(path)
    assert line.get().size == len("longer")
    assert line.counts.new == 1


def test_a_folder_that_appears_is_passed_on_to_be_scanned(line: Line) -> None:
    folder = line.source.path / "new"
    folder.mkdir()
    line.see(str(folder))
    assert line.inbox.take_folders() == {str(folder): "pictures"}


def test_what_was_handed_out_but_not_done_is_suspect_at_the_next_start_and_then_handed_out(
    line: Line,
) -> None:
    path = line.drop("a.png")
    line.see(path)
    assert line.get().path == path
    line.start()
    assert line.queue.has_suspects
    suspects = line.queue.suspects()
    line.queue.acquit(suspects)
    assert [suspect.path for suspect in suspects] == [path]
    assert line.get().path == path


def test_what_another_process_gave_back_to_the_queue_is_found(line: Line) -> None:
    path = line.drop("a.png")
    line.see(path)
    line.store(Failed(line.get(), "decode", "bad"))
    assert retry.retry_all(line.database) == 1
    line.claims.look()
    assert line.get().path == path


def test_what_was_claimed_but_not_handed_out_goes_back_at_the_end(line: Line) -> None:
    for name in ("a.png", "b.png"):
        line.see(line.drop(name))
    handed_out = line.get()
    line.claims.close()
    with pytest.raises(Closed):
        line.get()
    with line.database.read() as connection:
        states = connection.exec_driver_sql("SELECT state FROM file ORDER BY state").scalars().all()
    assert states == ["busy", "pending"]
    assert handed_out.path.endswith(".png")


def test_a_scan_is_finished_only_when_all_is_done(line: Line) -> None:
    line.see(line.drop("a.png"))
    line.inbox.finish()
    stamp = line.get()
    assert line.inbox.is_finished and not line.claims.is_done
    line.store(Failed(stamp, "decode", "bad"))
    with ThreadPoolExecutor() as pool:  # who waits for the next file finds that there is none
        pending = pool.submit(line.get)
        while not line.claims.is_done:
            pass
        line.claims.close()
    assert isinstance(pending.exception(), Closed)


def test_a_scan_counts_what_is_new_and_what_is_not(line: Line) -> None:
    line.drop("a.png")
    line.drop("b.png")
    line.scan()
    for _ in range(2):
        line.store(Failed(line.get(), "decode", "bad"))
    line.drop("c.png")
    line.start()
    line.scan()
    assert (line.counts.scanned, line.counts.new, line.counts.unchanged) == (3, 1, 2)


def test_a_source_that_is_no_longer_configured_is_left_alone(line: Line) -> None:
    line.see(line.drop("a.png"))
    other = FileQueue(line.database, {"others": "/others"}, lambda: datetime.now(UTC))
    assert other.waiting() == 0
    assert other.claim(10) == []


def test_under_a_low_rate_the_most_urgent_file_goes_next_whatever_waits(line: Line) -> None:
    line.start(rate=1)
    backlog = [line.drop(f"{number}.png", age=number) for number in range(3)]
    for path in backlog:
        line.see(path, Origin.SCAN)
    assert line.get().path == backlog[2]
    new = line.drop("new.png", age=-5)
    line.see(new)
    line.now += 2
    assert line.get().path == new
