"""The intake on a real journal and real files; its clock is handed in, its threads are not needed."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tagger.config.settings import Source
from tagger.host import beneath
from tagger.ingest.filters import Filters
from tagger.ingest.scan import walk
from tagger.ingest.settle import Settling
from tagger.pipeline.channel import Closed
from tagger.pipeline.intake import Intake
from tagger.records import Changed, Failed, Label, ModelIdentity, Origin, Outcome, Sighting, Taxonomy
from tagger.store.core.database import Database
from tagger.store.queue import upkeep
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.writer import Writer

LONG_AGO = 1_000_000_000


class House:
    """A source `pictures` with an intake on its journal."""

    def __init__(self, folder: Path) -> None:
        self.source = Source(path=folder / "pictures", name="pictures")
        self.source.path.mkdir()
        self.database = Database.open(str(folder / "tags.db"), create=True)
        self.folders: list[str] = []
        self.now = 0.0
        self.writer = Writer(
            self.database,
            ModelIdentity("m", "0", "none"),
            [Label("m/a", "a")],
            Taxonomy("0", ()),
            "",
            lambda: datetime.now(UTC),
        )
        self.intake = self.start()

    def start(self) -> Intake:
        journal = FileQueue(self.database, {"pictures": str(self.source.path)}, lambda: datetime.now(UTC))
        settling = Settling({"pictures": 0.5}, lambda one: beneath.stat("/", one.path))
        return Intake(journal, settling, lambda seen: self.folders.append(seen.path), lambda: self.now)

    def drop(self, name: str, age: float = 0, text: str = "x") -> str:
        """A file whose mtime lies `age` seconds after a day long ago."""
        path = self.source.path / name
        path.write_text(text)
        os.utime(path, (LONG_AGO + age, LONG_AGO + age))
        return str(path)

    def store(self, outcome: Outcome) -> None:
        self.writer.write([outcome])
        self.intake.done([outcome])

    def see(self, path: str, origin: Origin = Origin.WATCH) -> None:
        """A sighting, and time enough to settle."""
        self.intake.see(Sighting(path, "pictures", origin))
        self.intake.step()
        self.now += 1
        self.intake.settle(self.now)

    def scan(self) -> None:
        """A scan, and time enough for what it finds young to settle."""
        for page in walk(self.source, Filters([self.source], {".png"})):
            self.intake.compare(page)
        self.intake.step()
        self.now += 1
        self.intake.settle(self.now)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    with closing(house.database):
        yield house


def test_a_new_file_overtakes_the_backlog(house: House) -> None:
    old = [house.drop(f"{number}.png") for number in range(50)]
    for path in old:
        house.see(path, Origin.SCAN)
    house.intake.get()
    house.see(house.drop("new.png"))
    overtaken = 1
    while not house.intake.get().path.endswith("new.png"):
        overtaken += 1
    assert overtaken <= 8


def test_the_backlog_is_worked_off_newest_first(house: House) -> None:
    for name, age in (("b.png", 2), ("c.png", 3), ("a.png", 1)):
        house.see(house.drop(name, age), Origin.SCAN)
    order = [Path(house.intake.get().path).name for _ in range(3)]
    assert order == ["c.png", "b.png", "a.png"]


def test_what_is_known_is_not_handed_out_again(house: House) -> None:
    house.see(house.drop("a.png"))
    house.store(Failed(house.intake.get(), "decode", "bad"))
    house.see(str(house.source.path / "a.png"))
    house.intake.finish()
    with pytest.raises(Closed):
        house.intake.get()


def test_a_file_that_changed_while_it_was_read_comes_back(house: House) -> None:
    path = house.drop("a.png")
    house.see(path)
    first = house.intake.get()
    house.drop("a.png", text="longer")
    house.store(Changed(first))
    house.see(path)
    assert house.intake.get().size == len("longer")
    assert house.intake.tally.new == 1


def test_a_folder_that_appears_is_passed_on_to_be_scanned(house: House) -> None:
    folder = house.source.path / "new"
    folder.mkdir()
    house.see(str(folder))
    assert house.folders == [str(folder)]


def test_what_was_handed_out_but_not_done_is_suspect_at_the_next_start_and_then_handed_out(
    house: House,
) -> None:
    path = house.drop("a.png")
    house.see(path)
    assert house.intake.get().path == path
    again = house.start()
    assert not again.idle
    suspects = again.suspects()
    again.acquit(suspects)
    assert [suspect.path for suspect in suspects] == [path]
    assert again.get().path == path


def test_what_another_process_gave_back_to_the_journal_is_found(house: House) -> None:
    path = house.drop("a.png")
    house.see(path)
    house.store(Failed(house.intake.get(), "decode", "bad"))
    assert upkeep.retry_all(house.database) == 1
    house.intake.look()
    assert house.intake.get().path == path


def test_what_was_claimed_but_not_handed_out_goes_back_when_the_intake_closes(house: House) -> None:
    for name in ("a.png", "b.png"):
        house.see(house.drop(name))
    handed_out = house.intake.get()
    house.intake.close()
    with pytest.raises(Closed):
        house.intake.get()
    with house.database.read() as connection:
        states = connection.exec_driver_sql("SELECT state FROM file ORDER BY state").scalars().all()
    assert states == ["busy", "pending"]
    assert handed_out.path.endswith(".png")


def test_a_finished_intake_ends_only_when_all_is_done(house: House) -> None:
    house.see(house.drop("a.png"))
    house.intake.finish()
    stamp = house.intake.get()
    assert not house.intake.finished
    house.store(Failed(stamp, "decode", "bad"))
    assert house.intake.finished


def test_a_scan_counts_what_is_new_and_what_is_not(house: House) -> None:
    house.drop("a.png")
    house.drop("b.png")
    house.scan()
    for _ in range(2):
        house.store(Failed(house.intake.get(), "decode", "bad"))
    house.drop("c.png")
    again = house.intake = house.start()
    house.scan()
    assert (again.tally.scanned, again.tally.new, again.tally.unchanged) == (3, 1, 2)


def test_a_source_that_is_no_longer_configured_is_left_alone(house: House) -> None:
    house.see(house.drop("a.png"))
    other = FileQueue(house.database, {"others": "/others"}, lambda: datetime.now(UTC))
    assert other.waiting() == 0
    assert other.claim(10) == []


def test_under_a_low_rate_the_most_urgent_file_goes_next_whatever_waits(house: House) -> None:
    journal = FileQueue(house.database, {"pictures": str(house.source.path)}, lambda: datetime.now(UTC))
    house.intake = Intake(
        journal,
        Settling({"pictures": 0.5}, lambda one: beneath.stat("/", one.path)),
        lambda _: None,
        lambda: house.now,
        rate=1,
    )
    backlog = [house.drop(f"{number}.png", age=number) for number in range(3)]
    for path in backlog:
        house.see(path, Origin.SCAN)
    assert house.intake.get().path == backlog[2]
    new = house.drop("new.png", age=-5)
    house.see(new)
    house.now += 2
    assert house.intake.get().path == new
