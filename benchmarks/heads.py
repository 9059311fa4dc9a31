"""What heads cost: labelling pictures that are stored, and those that come. `python -m benchmarks.heads FOLDER [PICTURES]`

A million pictures with features as an earlier release has stored them are labelled by a new head, while others come: how long it
takes, and how long a batch of new ones waits at most until its tags are stored. Then, what one more head adds to storing
a picture, in runs that take turns, and how long the page takes to choose pictures to label next. Four gigabytes are written to FOLDER for a million, and deleted again.
"""

import hashlib
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.similar import _many, _store
from tagger.heads import files
from tagger.heads.head import Fit, Head
from tagger.pipeline.labelling import Labelling
from tagger.pipeline.recent_events import RecentEvents
from tagger.records import Facts, Label, ModelIdentity, Origin, Reading, Stamp, Tag, Tagged, Taxonomy
from tagger.similar.suggest import Candidates, suggested
from tagger.store.core.database import Database
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.heads import HeadsInUse
from tagger.store.tags.writer import Writer
from tagger.supervision import Closed
from tagger.vision.features import features_of
from tagger.web.page.own_labels import AMONG, QUEUE

MODEL = ModelIdentity("resnet18", "0", "none")
WIDTH, LABELS = 1280, 6
BATCH, EVERY = 8, 0.5
"""New pictures, and seconds between them, while those before are labelled."""
ROUNDS, BATCHES = 7, 40
LABEL = Label("n0", "thing")
TAXONOMY = Taxonomy("0", ())


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    file, chance = folder / "heads.db", np.random.default_rng(1)
    photos = np.abs(np.random.default_rng(0).standard_normal((120, 12, WIDTH), np.float32))
    _store(file, _many(photos, count, chance), count)
    try:
        with closing(Database.open(str(file), create=True)) as database:
            line = _Line(database)
            _report_backlog(line, folder, count)
            _report_cost(line)
            _report_queue(database, folder)
    finally:
        file.unlink()
        for name in ("scene.json", "scene.safetensors"):
            (folder / "heads" / name).unlink()


class _Line:
    """Stores pictures of features that are taken by chance."""

    def __init__(self, database: Database) -> None:
        self.writer = Writer(database, MODEL, [LABEL], TAXONOMY, "generated", lambda: datetime.now(UTC))
        roots = {"cam": "/srv/cam"}
        self._queue = FileQueue(database, roots, lambda: datetime.now(UTC), self.writer.registered)
        self._chance, self._number = np.random.default_rng(2), 0

    def batch(self) -> list[Tagged]:
        """Return a batch of pictures that are claimed."""
        rows = self._chance.random((BATCH, WIDTH), np.float32)
        found = [self._tagged(one) for one in features_of(rows, [1] * BATCH)]
        self._queue.admit([one.stamp for one in found], Origin.WATCH)
        self._queue.claim(BATCH)
        return found

    def _tagged(self, features: object) -> Tagged:
        self._number += 1
        name = f"new/{self._number}.jpg"
        stamp = Stamp(f"/srv/cam/{name}", "cam", 1, 10**18 + self._number, 0)
        facts = Facts(hashlib.sha256(name.encode()).hexdigest(), 640, 480, "JPEG", None)
        reading = Reading((Tag(LABEL, 0.9, 1),), 0.9, 0.8, 0.5)
        return Tagged(stamp, facts, reading, features)  # type: ignore[arg-type]


def _report_backlog(line: _Line, folder: Path, count: int) -> None:
    chance = np.random.default_rng(3)
    weights = chance.standard_normal((WIDTH, LABELS + 1)).astype(np.float32) * 9
    fit = Fit(MODEL, weights, np.zeros(LABELS + 1, np.float32), (0.3,) * LABELS, (0.3,) * LABELS)
    labels = tuple(f"label {at}" for at in range(LABELS))
    files.write(folder / "heads", Head("scene", labels, False, (fit,), datetime.now(UTC)))
    labelling = Labelling(line.writer, {"cam": ("scene",)}, {"cam": MODEL}, RecentEvents())
    start = time.perf_counter()
    labelling.take_up()
    thread = threading.Thread(target=_label, args=(labelling,))
    thread.start()
    waits = list(_stored_meanwhile(line, labelling))
    seconds = time.perf_counter() - start
    labelling.close()
    thread.join()
    print(f"{count:,} pictures labelled in {seconds:.0f} s, {count / seconds:,.0f} a second")
    print(
        f"new pictures meanwhile: {len(waits)} batches, stored within {max(waits):.2f} s, median {statistics.median(waits):.3f} s"
    )


def _label(labelling: Labelling) -> None:
    with suppress(Closed):
        while not labelling.is_done:
            labelling.once()


def _stored_meanwhile(line: _Line, labelling: Labelling) -> Iterator[float]:
    """Yield seconds until the tags of a new batch were there, from its admission on."""
    while not labelling.is_done:
        start = time.perf_counter()
        line.writer.write(line.batch())
        yield time.perf_counter() - start
        time.sleep(EVERY)


def _report_cost(line: _Line) -> None:
    in_use = line.writer.heads
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for has_head, found in times.items():
            line.writer.heads = in_use if has_head else HeadsInUse()
            batches = [line.batch() for _ in range(BATCHES)]
            start = time.process_time()
            for batch in batches:
                line.writer.write(batch)
            found.append((time.process_time() - start) / BATCHES / BATCH * 1e6)
    none, one = (statistics.median(found) for found in times.values())
    print(f"storing a picture: {none:.0f} µs of processor without a head, {one:.0f} µs with one")


def _report_queue(database: Database, folder: Path) -> None:
    head, times = files.read(folder / "heads", "scene"), []
    assert head
    for turn in range(ROUNDS):
        start = time.perf_counter()
        suggested(database, head, {MODEL: ["cam"]}, QUEUE, Candidates(AMONG, turn))
        times.append(time.perf_counter() - start)
    print(f"pictures to label next: {statistics.median(times):.2f} s, {max(times):.2f} s at most")


if __name__ == "__main__":
    main()
