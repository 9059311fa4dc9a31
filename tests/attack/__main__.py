"""`python -m tests.attack PICTURES REQUESTS SEED`: the whole attack on one daemon; the exit code says whether it bore it.

Three of four mutated pictures are dropped into the watched folder, the others posted to /predict, eight at a time. All go
through the daemon that runs and its own decoder. The requests are raw bytes; every tenth is left half said.
"""

import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.attack import pictures, requests
from tests.attack.cases import CASES, a_stop_after_a_thousand_reloads, ended_well
from tests.attack.pulse import PATIENCE, seconds
from tests.attack.target import TOKEN, Target, attacked, stranger
from tests.attack.watch import Measured, Photos, rows, watched

A_SECOND = 4.0
"""Good pictures that come each second: more than cameras bring, and what two slow cores tag beside other work."""
UNDISTURBED = 20.0
"""Seconds before the attack in which the daemon is measured."""
EACH_POST = 8
HALF_SAID = 300
"""Connections that are kept open at the most."""
DROPPED_A_SECOND = 100
SETTLED = 60.0
"""Seconds after the attack in which what was dropped is still looked at."""
REAL = {"TAGGER_ENGINE__BACKEND": "auto"}


@dataclass
class Report:
    """What came of it: of each bound, what was measured, and whether it was kept."""

    lines: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def add(self, what: str, found: float, most: float, unit: str = "", least: bool = False) -> None:
        kept = found >= most if least else found <= most
        bound = f"{'≥' if least else '≤'} {most:g}{unit}"
        self.lines.append((what, f"{found:,.{0 if float(found).is_integer() else 2}f}{unit}", bound, kept))

    def __str__(self) -> str:
        rows = [
            ("", "measured", "bound", ""),
            *((*line[:3], "" if line[3] else "BROKEN") for line in self.lines),
        ]
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, (*wide, 0), strict=True)) for row in rows
        )


class Siege:
    """One attack from all sides. `came_of_it` says what the named cases complained of."""

    def __init__(self, target: Target, count: int, said: int, seed: int) -> None:
        self._target, self._said, self._seed = target, said, seed
        self.came_of_it: list[str] = []
        self.posted = self.dropped = self.asked = 0
        files = pictures.write(target.home / "mutants", pictures.mutated(count, seed))
        self._folder = target.inbox / "mutants"
        self._to_post = files[::4]
        self._to_drop = [file for number, file in enumerate(files) if number % 4]

    def attack(self) -> None:
        sides: list[Callable[[], None]] = [self._drop, self._post, self._ask, self._try_cases]
        threads = [threading.Thread(target=side) for side in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def left(self) -> int:
        """How many of the pictures in the folder have neither tags nor a failure, after a while more if need be."""
        end = time.monotonic() + SETTLED
        while True:
            left = self.dropped - rows(self._target, self._folder, "top_tag", "failed_files")
            if left <= 0 or time.monotonic() > end or not self._target.is_alive:
                return left
            threading.Event().wait(1)

    def _drop(self) -> None:
        pause = threading.Event()
        self._folder.mkdir()
        start = time.monotonic()
        for file in self._to_drop:
            file.rename(self._folder / file.name)
            self.dropped += 1
            pause.wait(max(start + self.dropped / DROPPED_A_SECOND - time.monotonic(), 0))

    def _post(self) -> None:
        part = b'--X\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n%s\r\n'
        for files in _by(EACH_POST, self._to_post):
            body = (
                b"".join(part % (os.fsencode(file.name), file.read_bytes()) for file in files) + b"--X--\r\n"
            )
            kept = "mutants: " + ", ".join(file.name for file in files)
            before = len(self._target.hangs) + len(self._target.errors)
            self._target.post("/predict", "multipart/form-data; boundary=X", body, kept)
            self.posted += len(files)
            if len(self._target.hangs) + len(self._target.errors) == before:
                for file in files:
                    file.unlink()
            if not self._target.is_alive:
                return

    def _ask(self) -> None:
        held: list[socket.socket] = []
        for number, request in enumerate(requests.mutated(self._said, self._seed, TOKEN)):
            if number % 10 == 9:
                with suppress(OSError):
                    held.append(self._target.connect(request[: len(request) // 2], stranger(number)))
            else:
                self._target.ask(request, source=stranger(number))
            self.asked += 1
            if len(held) > HALF_SAID:
                held.pop(0).close()
        for one in held:
            one.close()

    def _try_cases(self) -> None:
        for case in CASES:
            name, start = case.__name__.replace("_", " "), time.monotonic()
            try:
                case(self._target)
                came = "ok"
            except (AssertionError, OSError) as error:
                came = str(error).partition("\n")[0][:200] or type(error).__name__
                self.came_of_it.append(f"{name}: {came}")
            sys.stdout.write(f"  {time.monotonic() - start:5.1f} s  {name}: {came}\n")
            sys.stdout.flush()


def _by(size: int, files: list[Path]) -> list[list[Path]]:
    return [files[at : at + size] for at in range(0, len(files), size)]


def report(target: Target, before: Measured, during: Measured, siege: Siege, log: int) -> Report:
    found = Report()
    ended = not target.is_alive or seconds(target.port) >= PATIENCE
    found.add("crashes: the daemon has ended, or is ending", int(ended), 0)
    found.add("tracebacks in the log", target.tracebacks(), 0)
    found.add("answers with 500", len(target.errors), 0)
    found.add("requests that hang for more than 5 s", len(target.hangs), 0)
    found.add("longest time without a tag for a good picture", during.longest_gap, 5, " s")
    found.add("memory of the daemon and its children, at the most", during.memory / 1e6, 1_000, " MB")
    found.add("log", log / 1e6, 1, " MB")
    found.add(f"/healthz, 99 of 100 of {len(during.healthz)}", during.p99 * 1000, 100, " ms")
    rate, disturbed = before.tagged / before.seconds, during.tagged / during.seconds
    found.add(
        f"good pictures tagged, of {rate:.1f} a second undisturbed",
        disturbed / rate if rate else 0,
        0.7,
        least=True,
    )
    found.add("pictures in the folder that were not looked at", siege.left(), 0)
    found.add("named cases of which something came", len(siege.came_of_it), 0)
    return found


def main(count: int, said: int, seed: int) -> bool:
    home = Path(tempfile.mkdtemp(prefix="attack-", dir=os.environ.get("TMPDIR")))
    start = time.monotonic()
    sys.stdout.write(f"{count} mutated pictures, {said} mutated requests, seed {seed}, in {home}\n")
    with attacked(home, REAL) as target:
        kept = besiege(target, count, said, seed)
    sys.stdout.write(
        f"{time.monotonic() - start:.0f} s in all; {'all bounds kept' if kept else f'kept: {home}'}\n"
    )
    if kept:
        shutil.rmtree(home)
    return kept


def besiege(target: Target, count: int, said: int, seed: int) -> bool:
    siege = Siege(target, count, said, seed)
    photos, stop = Photos(target, A_SECOND, 100_000), threading.Event()
    feeder = threading.Thread(target=photos.feed, args=(stop,))
    feeder.start()
    try:
        with watched(target, photos) as before:
            stop.wait(UNDISTURBED)
        with watched(target, photos) as during:
            siege.attack()
    finally:
        stop.set()
        feeder.join()
    found = report(target, before, during, siege, target.log.stat().st_size)
    try:
        found.add("a stop after 1,000 reloads", a_stop_after_a_thousand_reloads(target), 10, " s")
    except AssertionError as error:
        found.lines.append(("a stop after 1,000 reloads", str(error), "≤ 10 s, exit code 0", False))
    found.lines.append(
        ("the database in order", "yes" if ended_well(target.home) else "no", "yes", ended_well(target.home))
    )
    for one in sorted({*target.hangs, *target.errors}):
        sys.stdout.write(f"  not answered in time, or with 500: {one[:300]}\n")
    sent = f"{siege.dropped} pictures dropped, {siege.posted} posted, {siege.asked} requests in {during.seconds:.0f} s"
    sys.stdout.write(f"{sent}; {during.came} good pictures came and {during.tagged} were tagged\n{found}\n")
    return all(line[3] for line in found.lines)


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:4])))
