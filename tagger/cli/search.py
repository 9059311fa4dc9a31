"""`tagger search`: pictures with a label."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_csv, print_json, print_lines, print_table
from tagger.cli.since import parse_since

if TYPE_CHECKING:
    from tagger.store.queries import Found

COLUMNS = ("captured_at", "score", "label", "source", "path")


def search(
    label: Annotated[str, typer.Argument(help="A label, in any case.", show_default=False)],
    min_score: Annotated[float, typer.Option(min=0, max=1, help="The lowest score to show.")] = 0.1,
    since: Annotated[
        str | None,
        typer.Option(help="Captured since: a duration (30m, 2h, 7d) or an ISO time.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most pictures to show.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per picture.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Show the pictures with a label, newest first."""
    settings = load_settings(config, database)
    moment = parse_since(since) if since else None
    from tagger.store import queries
    from tagger.store.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        rows = (_row(found) for found in queries.search(store, label, min_score, moment, limit))
        if as_json:
            print_json(dict(zip(COLUMNS, row, strict=True)) for row in rows)
        elif as_csv:
            print_csv(COLUMNS, rows)
        elif sys.stdout.isatty():
            _show(list(_texts(rows)), min_score)
        else:
            print_lines(_texts(rows))


def _show(rows: list[tuple[str, ...]], min_score: float) -> None:
    if rows:
        print_table(COLUMNS, rows)
    else:
        typer.echo(f"no picture has it with a score of {min_score} or more", err=True)


def _row(found: "Found") -> tuple[str, float, str, str, str]:
    when = found.captured_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return when, round(found.score, 4), found.label, found.source, found.path


def _texts(rows: Iterator[tuple[str, float, str, str, str]]) -> Iterator[tuple[str, ...]]:
    from tagger.records import shown  # not above: building its types takes a tenth of all of --help

    for when, score, label, source, path in rows:
        yield when, f"{score:.3f}", label, source, shown(path)
