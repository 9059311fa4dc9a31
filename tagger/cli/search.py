"""`tagger search`: the pictures that a query finds."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_csv, print_json, print_lines, print_table, say
from tagger.cli.redirected import refuse_what_the_shell_took
from tagger.wording.escape import shown

if TYPE_CHECKING:
    from tagger.search.query import Query
    from tagger.store.core.database import Database as Store
    from tagger.store.search.found import Hit

COLUMNS = ("captured_at", "score", "label", "source", "path")
EVERY = 1.0
"""Seconds between two looks for what arrived."""

Print = Callable[[Iterable["Hit"]], None]


def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY",
            help="'vehicle >= 0.5 and not snow since 2h in cam1'; docs/search.md has all of it. Without one: everything.",
            show_default=False,
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="For names without a score. Default: search.min_score.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most pictures to show.")] = 100,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per picture.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    as_lines: Annotated[bool, typer.Option("--nl", help="Only paths, one per line.")] = False,
    as_nul: Annotated[bool, typer.Option("-0", help="Only paths, each ended by NUL, for xargs -0.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is tagged from now on.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Show the SQL, and the values bound to it.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Show the pictures that a query finds, newest first."""
    refuse_what_the_shell_took(" ".join(words or ()))
    settings = load_settings(config, database)
    from datetime import UTC, datetime

    from tagger.search.parse import parse
    from tagger.store.core.database import Database as Store
    from tagger.store.search import found

    text = " ".join(words or ())
    query = parse(text, datetime.now(UTC))
    least = settings.search.min_score if min_score is None else min_score
    with closing(Store.open(settings.database, create=False)) as store:
        if sql:
            _print_sql(*found.sql(store, query, text, least, limit, count))
        elif count:
            say(found.count(store, query, text, least))
        elif follow:
            _follow(store, query, text, least, limit, printer(as_json, as_csv, as_lines, as_nul, follow))
        else:
            hits = _Counted(found.search(store, query, text, least, limit))
            printer(as_json, as_csv, as_lines, as_nul)(hits)
            if not (as_json or as_csv or as_lines or as_nul):
                _say_what_is_not_shown(store, query, text, least, hits.number, limit, settings.model.top_k)


@dataclass
class _Counted:
    """Hits, of which the number is known once they were shown."""

    hits: Iterable["Hit"]
    number: int = 0

    def __iter__(self) -> Iterator["Hit"]:
        for hit in self.hits:
            self.number += 1
            yield hit


def _say_what_is_not_shown(
    store: "Store", query: "Query", text: str, least: float, shown: int, limit: int, top_k: int
) -> None:
    """To people: that there are more, or why there is nothing."""
    from tagger.store.search import found

    if shown == limit and (total := found.count(store, query, text, least)) > shown:
        say(f"{shown:,} of {total:,}; --limit shows more", err=True)
    if not shown:
        for line in _why_nothing(store, query, text, least, top_k):
            say(line, err=True)


def _why_nothing(store: "Store", query: "Query", text: str, least: float, top_k: int) -> Iterator[str]:
    from tagger.store.search import nothing_found

    if not text.strip():
        yield "no picture is tagged yet; tagger scan FOLDER tags what is there"
        return
    short = nothing_found.reasons(store, query, text, least, top_k)
    for one in short:
        yield one.words + (f": tagger search {shlex.quote(one.query)}" if one.query else "")
    if not short:
        yield "no picture is so; tagger search '' shows all that are tagged"


def _follow(store: "Store", query: "Query", text: str, least: float, limit: int, show: Print) -> None:
    """The newest first found, the oldest of them first, and then what arrives."""
    from tagger.store.search import found

    try:
        after = found.newest(store)
        hits = list(found.search(store, query, text, least, limit))
        show(hit for hit in reversed(hits) if (hit.picture.seq or 0) <= after)
        while True:
            hits, after = found.arrived(store, query, text, least, after)
            show(hits)
            sys.stdout.flush()
            time.sleep(EVERY)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def printer(as_json: bool, as_csv: bool, as_lines: bool, as_nul: bool, follow: bool = False) -> Print:
    """What shows hits in the form that the options ask for."""
    header = iter([COLUMNS])
    if as_json:
        return lambda hits: print_json(map(_object, hits))
    if as_csv:
        return lambda hits: print_csv(next(header, ()), map(_row, hits))
    if as_lines or as_nul:
        return lambda hits: _print_paths(hits, b"\0" if as_nul else b"\n")
    if sys.stdout.isatty() and not follow:
        return _print_table_if_any
    return lambda hits: print_lines(_texts(hits))


def _print_table_if_any(hits: Iterable["Hit"]) -> None:
    if rows := list(_texts(hits)):
        print_table(COLUMNS, rows)


def _print_paths(hits: Iterable["Hit"], end: bytes) -> None:
    """As the file system has them, whatever bytes they are; on a terminal as they can be shown."""
    is_seen = sys.stdout.isatty()
    for hit in hits:
        path = hit.picture.path
        sys.stdout.buffer.write((shown(path).encode() if is_seen else os.fsencode(path)) + end)
    sys.stdout.buffer.flush()


def _print_sql(statement: str, values: dict[str, Any]) -> None:
    say(statement)
    for name, value in values.items():
        say(f"-- {name} = {value!r}")


def _row(hit: "Hit") -> tuple[str, float | None, str, str, str]:
    picture, by = hit.picture, hit.by
    when = picture.captured_at
    score, label = (round(by.score, 4), by.name) if by else (None, "")
    return _iso(when) if when else "", score, label, picture.source, picture.path


def _object(hit: "Hit") -> dict[str, Any]:
    picture = hit.picture
    return {name: None if value == "" else value for name, value in zip(COLUMNS, _row(hit), strict=True)} | {
        "state": picture.state,
        "seq": picture.seq,
        "tags": [
            {"label": one.name, "name_zh": one.name_zh, "key": one.key, "score": round(one.score, 4)}
            for one in picture.tags
        ],
        "categories": {one.key: round(one.score, 4) for one in picture.categories},
        "conditions": list(picture.conditions),
    }


def _texts(hits: Iterable["Hit"]) -> Iterator[tuple[str, ...]]:
    for when, score, label, source, path in map(_row, hits):
        yield when, "" if score is None else f"{score:.3f}", label, source, shown(path)


def _iso(moment: Any) -> str:
    return str(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
