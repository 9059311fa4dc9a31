"""What the web costs, and what it takes from the files. `python -m benchmarks.web PART FOLDER`

    predict FOLDER     one client, one 1080p JPEG after the other, nothing else to do: how long does an answer take?
    mixed FOLDER       16 clients without a pause, while a backlog is worked off, against `tagger scan` of the backlog
    gallery FOLDER     1,000,000 files: every filter of the gallery, until its first byte
    hostile FOLDER     1,300 clients that only cost, while a backlog is worked off: is it slower, is anybody else served?

FOLDER keeps the pictures and the database for the next run. What is compared takes turns, so that what the machine
does meanwhile hits both alike. Clients are processes of their own (see `clients`); what they take of the cores is told.
"""

import http.client
import json
import os
import platform
import re
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any, NamedTuple
from urllib.parse import quote

from benchmarks import sql
from benchmarks.promises import cpu_seconds
from benchmarks.sets import SETS, original, photos
from benchmarks.sides import TAGGER
from benchmarks.soak import Soak
from tagger.search.parse import parse
from tagger.store.core.database import Database
from tagger.store.search import found
from tagger.vision import cores

PICTURES, BACKLOG = 120, 1200
PAIRS = 3
CLIENTS = 16
SECONDS = 10.0
FILES = 1_000_000
RUNS = 10
SERVED = (
    "TAGGER_ENGINE__BACKEND=openvino",
    "TAGGER_LOG_FORMAT=text",
    "TAGGER_WEB__ENABLED=true",
    "TAGGER_WEB__PORT=0",
)
USUAL_FILES = 1024
"""That a process may have open, where nobody raised it: systemd's default."""
QUERIES = {
    "everything": "",
    "a source": "in gate",
    "a source with one file in a hundred": "in roof",
    "a source silent for half a year": "in attic",
    "a label": "police van",
    "a rare label": "label 276",
    "a label, quite sure": "label 276 >= 0.9",
    "the commonest label, surer than any is": "label 0 >= 0.9999",
    "a category": "category 0",
    "the commonest category, surer than any is": "category 0 >= 0.9999",
    "a small category": "category 7",
    "since an hour ago": "since 1h",
    "since a month ago": "since 30d",
    "uncertain": "uncertain",
    "not uncertain": "not uncertain",
    "a combination": "category 0 >= 0.5 and not uncertain since 30d in gate",
    "a rare combination": "label 276 and uncertain in roof",
    "a combination that nothing is": "category 0 >= 0.5 and uncertain and not category 0 in roof",
    "an attribute": "site:south",
    "an attribute of one file in a hundred": "site:north",
    "an attribute of ten files": "site:islet",
    "a path": "path:*5.jpg",
    "a path of ten files": "path:*/00012[0-9]?.jpg",
    "a path of no file": "path:nowhere/*",
    "files that failed": "state:failed",
}
"""What the gallery's filters make of themselves, and what people type."""


def predict(home: Path) -> None:
    _pictures(home)
    with _daemon(home / "idle", *SERVED) as soak:
        times = sorted(_posted(soak, home / "pictures", 1)[0]["latencies"])
    cuts = quantiles(times, n=100)
    print(
        f"{len(times)} answers, one client: p50 {_ms(median(times))}, p99 {_ms(cuts[98])}, at most {_ms(times[-1])}"
    )
    print(f"p50 at most 30 ms: {_verdict(median(times) <= 0.030)}")


def mixed(home: Path) -> None:
    """The cores that a picture takes are told, too: where others use this machine, rates are theirs as much as ours."""
    _pictures(home)
    turns = [(_scan(home / "busy"), _mixed(home)) for _ in range(PAIRS)]
    both = median(turn.both / scan.rate for scan, turn in turns)
    files = median(turn.files / scan.rate for scan, turn in turns)
    cost = median(turn.cost / scan.cost for scan, turn in turns)
    slowest = median(turn.p99 for _, turn in turns)
    print(
        f"medians: {both:.2f}× scan, files {files:.2f}×, a picture's core time {cost:.2f}×, p99 {_ms(slowest)}"
    )
    sound = both >= 0.8, files >= 0.25, slowest <= 1.5
    print(f"0.80, 0.25, 1.5 s: {', '.join(map(_verdict, sound))}")


class Scan(NamedTuple):
    """Files a second, and seconds of a core for each."""

    rate: float
    cost: float


class Mixed(NamedTuple):
    """`both` are files and requests a second, were the clients on another machine."""

    both: float
    files: float
    cost: float
    p99: float


def _scan(home: Path) -> Scan:
    """From the model that is loaded to the last line that says how many were tagged."""
    _forget(home)
    command = [TAGGER, "scan", str(home / "inbox"), "--database", str(home / "tags.db")]
    environment = os.environ | dict(option.split("=", 1) for option in SERVED)
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        marks = [
            (time.perf_counter(), cpu_seconds(process.pid))
            for line in process.stderr or ()
            if re.search(r"INFO (model:|tagged \d)", line)
        ]
    took, used = (last - first for first, last in zip(marks[0], marks[-1], strict=True))
    print(f"scan: {BACKLOG / took:.1f} files/s, {_ms(used / BACKLOG)} of a core for each", flush=True)
    return Scan(BACKLOG / took, used / BACKLOG)


def _mixed(home: Path) -> Mixed:
    with _daemon(home / "busy", *SERVED) as soak:
        said, tagged, used = _posted(soak, home / "pictures", CLIENTS)
    times, wall = sorted(said["latencies"]), said["wall"]
    left, p99 = 1 - said["cpu"] / (cores.available() * wall), quantiles(times, n=100)[98]
    cost = used / (tagged + len(times))
    print(
        f"mixed: {tagged / wall:.1f} files/s + {len(times) / wall:.1f} requests/s, {_ms(cost)} of a core for each,"
        f" clients took {1 - left:.1%} of the cores; p50 {_ms(median(times))}, p99 {_ms(p99)}; {said['busy']} times 429",
        flush=True,
    )
    return Mixed((tagged + len(times)) / wall / left, tagged / wall, cost, p99)


def gallery(home: Path) -> None:
    database = home / "gallery.db"
    if not database.exists():
        sql.make(database, FILES)
        _describe(database)
    with _reader(database) as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
        print("| query | `/images` ms | worst | `/` ms | worst | plan |\n|---|---:|---:|---:|---:|---|")
        for name, query in QUERIES.items():
            addresses = f"/images?limit=60&q={quote(query)}", f"/?q={quote(query)}"
            cells = [cell for address in addresses for cell in _first_bytes(client, address)]
            print(f"| {name}: `{query}` | {' | '.join(cells)} | {_plan(database, query)} |", flush=True)
        for name, query in {"page 1,000 of everything": "", "page 1,000 of a category": "category 0"}.items():
            cursor = _deep(client, query, 1000)
            address = (
                f"images?limit=60&q={quote(query)}&cursor={cursor}",
                f"?q={quote(query)}&cursor={cursor}",
            )
            cells = [cell for one in address for cell in _first_bytes(client, f"/{one}")]
            print(f"| {name} | {' | '.join(cells)} | |", flush=True)


def hostile(home: Path) -> None:
    _pictures(home)
    _limit_files()
    turns = [(_visited(home, alone=True), _visited(home, alone=False)) for _ in range(PAIRS)]
    rate, cost = (median(crowded[part] / alone[part] for alone, crowded in turns) for part in (0, 1))
    print(f"medians: with the crowd {rate:.2f}× the files a second, a file's core time {cost:.2f}×")


def _visited(home: Path, alone: bool) -> tuple[float, float]:
    """Files a second, and seconds of a core for each; prints how those fared who only asked something meanwhile."""
    with _daemon(home / "busy", *SERVED) as soak, _visitor(_port(soak.log.read_text())) as visits:
        said, tagged, used = ({}, *_tagged_within(soak, SECONDS)) if alone else _crowded(soak)
        failed = _count(soak.database, "file WHERE state = 'failed'")
        troubles = len(re.findall(r" (?:ERROR|WARNING) ", soak.log.read_text()))
    answered = [took for took, status in visits if status == 200]
    print(
        f"{'alone' if alone else 'crowd'}: {tagged / SECONDS:.1f} files/s, {_ms(used / max(tagged, 1))} of a core for"
        f" each, {failed} failed, {troubles} lines of trouble; {len(answered)} of {len(visits)} visitors answered,"
        f" p50 {_ms(median(answered or [0]))}, at most {_ms(max(answered or [0]))}; {said}",
        flush=True,
    )
    return tagged / SECONDS, used / max(tagged, 1)


# The pictures and the daemon


def _pictures(home: Path) -> None:
    """1080p JPEGs, and a backlog of them in which no two have the same content."""
    pictures, backlog = home / "pictures", home / "busy" / "inbox"
    if backlog.exists():
        return
    pictures.mkdir(parents=True)
    sources = photos(home / "sources")
    for number in range(PICTURES):
        SETS["B"].write(sources[number % len(sources)], pictures / f"{number:04}", number)
    backlog.mkdir(parents=True)
    made = sorted(pictures.iterdir())
    for number in range(BACKLOG):
        to = backlog / f"{number:05}"
        original(made[number % PICTURES], to, number)
        os.utime(to.with_suffix(".jpg"), (1e9, 1e9))


@contextmanager
def _daemon(home: Path, *options: str) -> Iterator[Soak]:
    """With a database that is new."""
    home.mkdir(parents=True, exist_ok=True)
    _forget(home)
    soak = Soak(home, *options)
    try:
        yield soak
    finally:
        soak.process.terminate()
        soak.process.wait()


def _forget(home: Path) -> None:
    for path in home.glob("tags.db*"):
        path.unlink()


@contextmanager
def _reader(database: Path) -> Iterator[int]:
    """`tagger web` of a database; its port."""
    environment = os.environ | {"TAGGER_WEB__PORT": "0", "TAGGER_LOG_FORMAT": "text"}
    command = [TAGGER, "web", "--database", str(database)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        try:
            yield _port(process.stderr.readline())
        finally:
            process.terminate()


def _port(log: str) -> int:
    found = re.search(r"web: http://127\.0\.0\.1:(\d+)", log)
    assert found, log
    return int(found[1])


@contextmanager
def _clients(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of clients that have begun."""
    command = [sys.executable, "-m", "benchmarks.clients", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        yield process


def _posted(soak: Soak, folder: Path, clients: int) -> tuple[dict[str, Any], int, float]:
    """What the clients say; how many files were tagged meanwhile, and the daemon's seconds of a core."""
    arguments = (str(_port(soak.log.read_text())), str(folder), str(clients), str(SECONDS))
    with _clients("post", *arguments) as process:
        before, used = _count(soak.database, "reading"), cpu_seconds(soak.process.pid)
        said = process.stdout.readline() if process.stdout else ""
        after, used = _count(soak.database, "reading"), cpu_seconds(soak.process.pid) - used
    if before < after == BACKLOG:
        sys.exit("the backlog is done before the clients are: more files, please")
    return json.loads(said), after - before, used


def _tagged_within(soak: Soak, seconds: float) -> tuple[int, float]:
    """How many files, and the daemon's seconds of a core."""
    soak.await_rows(1)
    before, used = _count(soak.database, "reading"), cpu_seconds(soak.process.pid)
    time.sleep(seconds)
    return _count(soak.database, "reading") - before, cpu_seconds(soak.process.pid) - used


def _count(database: Path, rows: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])  # noqa: S608 (our own words)


# The gallery


def _describe(database: Path) -> None:
    """What a path tells of a file: most are of one site, some of another, ten of a third."""
    site = "CASE WHEN id % 100000 = 0 THEN 'islet' WHEN id % 100 = 0 THEN 'north' ELSE 'south' END"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(f"INSERT INTO file_attribute SELECT id, 'site', {site} FROM file")  # noqa: S608


def _first_bytes(client: http.client.HTTPConnection, address: str) -> tuple[str, str]:
    """Median and worst of the milliseconds until the first byte; what was refused instead."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        client.request("GET", address)
        answer = client.getresponse()
        times.append(1000 * (time.perf_counter() - start))
        answer.read()
        if answer.status != 200:
            return str(answer.status), ""
    return f"{median(times):.0f}", f"{max(times):.0f}"


def _deep(client: http.client.HTTPConnection, query: str, pages: int) -> str:
    """The cursor of that page, of 60 pictures each."""
    cursor = ""
    for _ in range(pages * 60 // 500):
        client.request("GET", f"/images?limit=500&q={quote(query)}&cursor={cursor}")
        cursor = json.loads(client.getresponse().read())["next"]
    return cursor


def _plan(database: Path, query: str) -> str:
    with closing(Database.open(str(database), create=False)) as store:
        text, values = found.sql(store, parse(query, datetime.now(UTC)), query, 0.3, 61, counts=False)
    with closing(sqlite3.connect(database)) as connection:
        return "; ".join(step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {text}", values))


# Those who only cost, and those who visit meanwhile


def _limit_files() -> None:
    """Of this process, and of the daemons that it starts, which may raise it, as they may under systemd."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_FILES, most))


def _crowded(soak: Soak) -> tuple[dict[str, Any], int, float]:
    with _clients("hostile", str(_port(soak.log.read_text())), str(SECONDS + 1)) as process:
        tagged, used = _tagged_within(soak, SECONDS)
        return json.loads(process.stdout.readline() if process.stdout else ""), tagged, used


@contextmanager
def _visitor(port: int) -> Iterator[Sequence[tuple[float, int]]]:
    """What those met with who asked meanwhile, twice a second: how long it took, and the status; 0 for no answer."""
    visits: list[tuple[float, int]] = []
    leaving = Event()

    def visit() -> None:
        while not leaving.wait(0.5):
            start = time.perf_counter()
            status = _visit(port)
            visits.append((time.perf_counter() - start, status))

    visitor = Thread(target=visit)
    visitor.start()
    try:
        yield visits
    finally:
        leaving.set()
        visitor.join()


def _visit(port: int) -> int:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as client:
            client.request("GET", "/stats")
            return client.getresponse().status
    except OSError:
        return 0


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


def _verdict(sound: bool) -> str:
    return "kept" if sound else "MISSED"


def main() -> None:
    parts = {"predict": predict, "mixed": mixed, "gallery": gallery, "hostile": hostile}
    match sys.argv[1:]:
        case [part, folder] if part in parts:
            libraries = ", ".join(f"{name} {version(name)}" for name in ("openvino", "uvicorn", "fastapi"))
            print(f"{platform.machine()}, {cores.available()} cores, load {os.getloadavg()[0]:.1f}")
            print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}")
            parts[part](Path(folder).absolute())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
