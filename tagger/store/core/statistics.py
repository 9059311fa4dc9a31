"""What SQLite's planner is told of the tables: the shape of a large database, from the first row on.

Left alone, the planner takes every table for equally large, and starts a join at the wrong end: the same
question takes 1 ms or 10 s. ANALYZE would measure the shape, but of the database as it is on the day it
runs. A fixed shape gives the same plans on every day; whoever runs ANALYZE by hand replaces it.
"""

from sqlalchemy import Connection

_FILES = 1_000_000
_TAGS = 5 * _FILES
_PER_SOURCE = _FILES // 10
_PER_CATEGORY = _FILES // 10
_PER_LABEL = _TAGS // 100  # labels are skewed, and questions are about the frequent ones

# Table, index, rows, then rows per distinct value of the first column, the first two, and so on:
# https://www.sqlite.org/fileformat2.html#stat1tab
_SHAPE = (
    ("source", "sqlite_autoindex_source_1", (20, 1)),
    ("model", "sqlite_autoindex_model_1", (2, 1, 1, 1)),
    ("label", "sqlite_autoindex_label_1", (1000, 1)),
    ("label", "sqlite_autoindex_label_2", (1000, 1)),
    ("file", "sqlite_autoindex_file_1", (_FILES, _PER_SOURCE, 1)),
    ("file", "file_unfinished", (10_000, 2_000, 2_000, 2, 1)),
    ("file", "file_missing", (10_000, 2_000)),
    ("file", "file_content", (_FILES, 2)),
    ("file", "file_stamp", (_FILES, 2, 2, 2)),
    ("file", "file_latest", (_FILES, _PER_SOURCE, 2)),
    ("file", "file_captured", (_FILES, 2)),
    ("file", "file_misdated", (1000, 200)),
    ("file", "file_camera", (_FILES, _PER_SOURCE, _PER_SOURCE // 5, 2)),
    ("file", "file_app", (_PER_SOURCE, _PER_SOURCE // 50, 2)),
    ("file_attribute", "file_attribute", (_FILES, 1, 1)),
    ("file_attribute", "file_attribute_value", (_FILES, _FILES // 2, 1000)),
    ("verdict", "verdict", (10_000, 1, 1)),
    ("old_tag", "old_tag", (_TAGS, 5, 5, 1)),
    ("category_label", "category_label", (2000, 2, 1)),
    ("file", "file_seen", (_FILES, 2)),
    ("reading", "sqlite_autoindex_reading_1", (_FILES, 1, 1)),
    ("reading", "reading_confidence", (_FILES, 2)),
    ("category", "sqlite_autoindex_category_1", (50, 1)),
    ("category", "sqlite_autoindex_category_2", (50, 1)),
    ("taxonomy", "sqlite_autoindex_taxonomy_1", (2, 1)),
    ("category_within", "category_within", (50, 2, 1)),
    ("category_score", "category_score", (3 * _FILES, _PER_CATEGORY, 2, 1, 1)),
    ("word", "ix_word_text", (5000, 2)),
    ("tag", "tag", (_TAGS, _PER_LABEL, 5, 1, 1, 1)),
    ("tag", "sqlite_autoindex_tag_2", (_TAGS, 5, 5, 1)),
    ("head", "sqlite_autoindex_head_1", (4, 1)),
    ("head_source", "head_source", (10, 5, 1)),
    ("example", "example", (10_000, 1)),
    ("example_vector", "example_vector", (10_000, 1, 1)),
)


def describe(connection: Connection) -> None:
    """Tell the planner the shape, in place of what it was told before."""
    connection.exec_driver_sql("ANALYZE sqlite_master")  # makes the table of statistics, measures nothing
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    connection.exec_driver_sql(
        "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)",
        [(table, index, " ".join(map(str, counts))) for table, index, counts in _SHAPE],
    )
