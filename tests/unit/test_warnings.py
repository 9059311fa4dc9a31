"""What endangers a database: a fault of SQLite's is `doctor`'s to tell, and nobody else's."""

import sqlite3
from pathlib import Path

import pytest

from tagger.config.settings import Settings
from tagger.doctor.database import database
from tagger.store.core.warnings import warnings


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 6, 23), False),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 1), False),
    ],
)
def test_doctor_names_a_sqlite_that_can_damage_a_database_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], faulty: bool
) -> None:
    text = ".".join(map(str, version))
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr(sqlite3, "sqlite_version", text)
    finding = next(database(Settings(database=":memory:")))
    assert text in finding.what
    assert (finding.level, "3.51.3" in finding.hint) == (("note", True) if faulty else ("ok", False))


def test_a_start_says_nothing_about_sqlite_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    assert list(warnings(tmp_path / "tags.db")) == []
