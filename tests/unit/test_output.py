"""What files and servers call things moves no terminal's cursor, wherever it is printed."""

import io
import logging
import os
import pty
from collections.abc import Callable
from contextlib import redirect_stdout, suppress

import pytest

from tagger.cli.logs import Text
from tagger.cli.output import print_csv, print_json, print_lines, print_paths, print_table, say
from tagger.errors import TaggerError

LOUD = "\x1b[2J\x07\x9b31m\u202egnp.exe\r2026-11-30 10:00:00 INFO forged"


def on_a_terminal(show: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> str:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "500")
        patch.setattr("sys.stdout", terminal)
        show()
    seen = b""
    with suppress(OSError):  # Linux says EIO where the other side is closed
        while chunk := os.read(ours, 4096):
            seen += chunk
    os.close(ours)
    return seen.decode()


@pytest.mark.parametrize(
    "show",
    [
        lambda: say(LOUD),
        lambda: print_table(["path"], [[LOUD]]),
        lambda: print_lines([[LOUD, "x"]]),
        lambda: print_csv(["path"], [[LOUD, 3]]),
        lambda: print_json([{"path": LOUD}]),
        lambda: print_paths([LOUD], ended_by_nul=False),
        lambda: print_paths([LOUD], ended_by_nul=True),
    ],
    ids=["say", "table", "lines", "csv", "json", "paths", "nul"],
)
def test_a_terminal_sees_nothing_but_text(show: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = on_a_terminal(show, monkeypatch)
    assert "gnp.exe" in seen
    assert not set(seen) & set("\x07\x9b\u202e")
    assert "\x1b[2J" not in seen
    assert "\r2026" not in seen


def test_a_program_that_reads_csv_gets_names_as_they_are() -> None:
    with redirect_stdout(io.StringIO()) as out:
        print_csv([], [["a\u202eb"]])
    assert out.getvalue() == "a\u202eb\n"


def test_no_name_begins_a_line_of_the_log() -> None:
    record = logging.LogRecord(
        "tagger", logging.WARNING, "", 0, "%s: damaged", ("a\n2026-11-30 INFO forged" + LOUD,), None
    )
    first, *others = Text().format(record).split("\n")
    assert first.endswith("WARNING a")
    assert all(line.startswith("  ") and line.isprintable() for line in others)


def test_an_error_is_short_and_printable_whatever_it_names() -> None:
    said = str(TaggerError(f"{LOUD}{'x' * 5000}", f"{LOUD}{'y' * 500_000}", f"{LOUD}{'z' * 5000}"))
    assert len(said.encode()) <= 2000
    assert all(line.isprintable() for line in said.split("\n"))
    forged = str(TaggerError("a\n2026-11-30 INFO forged", "b\n2026-11-30 INFO forged"))
    assert all(line.startswith("  ") for line in forged.split("\n")[1:])
    secret = str(TaggerError("postgresql://me:hunter2@host/db", "is not supported", "name a file"))
    assert secret.startswith("postgresql://me:***@host/db")
