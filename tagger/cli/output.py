"""Results are shown as a table to people, and as a line each to programs.

All that a command prints passes through here, and with it what files, servers and databases call things: nothing of that moves
a terminal's cursor. Programs that read a pipe get paths as they are, where they asked for paths or CSV.
"""

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from tagger.wording.escape import shown, shown_lines


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a sentence, or several lines."""
    typer.echo(shown_lines(str(text)), err=err, nl=nl)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on the terminal's full width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column == "score" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    Console().print(table)


def print_lines(rows: Iterable[Sequence[str]]) -> None:
    """Print a line per row, its cells set apart by tabs."""
    for row in rows:
        typer.echo("\t".join(shown(cell) for cell in row))


def print_json(objects: Iterable[Mapping[str, Any]]) -> None:
    """Print an object per line, in ASCII; a byte of a path that is not UTF-8 is a lone surrogate, as Python has it."""
    for one in objects:
        say(json.dumps(one))


def print_paths(paths: Iterable[str], ended_by_nul: bool) -> None:
    """Print paths alone, as the file system has them, whatever bytes they are; on a terminal, as they can be shown."""
    is_seen, end = sys.stdout.isatty(), b"\0" if ended_by_nul else b"\n"
    for path in paths:
        sys.stdout.buffer.write((shown(path).encode() if is_seen else os.fsencode(path)) + end)
    sys.stdout.buffer.flush()


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as CSV, below a header where there are `columns`; on a terminal, as they can be shown."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if columns:
        writer.writerow(columns)
    is_seen = sys.stdout.isatty()
    writer.writerows(
        [shown(one) if isinstance(one, str) else one for one in row] if is_seen else row for row in rows
    )
