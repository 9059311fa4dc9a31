"""The views: what SQL users hold on to. Their names, columns and meaning are a contract; tables are not.

A tag's times equal its file's, and the joins say so: whichever column a question compares, the planner
may start from the label's index or from the file's.
"""

from sqlalchemy import Connection, Float, Integer, String, column, table

from tagger.store.columns import Instant, PathText

UNSURE = 0.5
"""A picture whose best label scores less is uncertain: by the model's own word it is rather something else."""

_PATH = "rtrim(source.root, '/') || '/' || file.path AS path"

_JOINS = """
    FROM tag
    JOIN reading ON reading.file_id = tag.file_id AND reading.model_id = tag.model_id
    JOIN file ON file.id = tag.file_id AND file.captured_at = tag.captured_at
    JOIN label ON label.id = tag.label_id
    JOIN source ON source.id = file.source_id
    JOIN model ON model.id = tag.model_id
"""

# Where a column stands in two tables, each view names the one whose index its usual order needs:
# image_tags is read by label and time, top_tag by confidence or by source and time; top_tag leaves the tag's
# own seen_at alone, so that the index of each file's tags is all that it reads of them.
_VIEWS = {
    "image_tags": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, label.name AS label, tag.score, tag.rank,
               model.name AS model, tag.captured_at, tag.seen_at, reading.tagged_at,
               label.name_zh, label.key, coalesce(tag.by, 'model') AS by,
               file.camera, file.app_id
        {_JOINS}
        WHERE file.seen_at = tag.seen_at AND tag.score >= label.min_score
    """,
    "top_tag": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, label.name AS label,
               reading.top_score AS score, tag.rank,
               model.name AS model, file.captured_at, file.seen_at, reading.tagged_at,
               label.name_zh, label.key, coalesce(tag.by, 'model') AS by,
               file.camera, file.app_id
        {_JOINS}
        WHERE tag.rank = 1
    """,
    "image_categories": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, category.name AS category, category_score.score,
               category_score.captured_at, file.seen_at, category.name_zh, category.key,
               file.camera, file.app_id
        FROM category_score
        JOIN category ON category.id = category_score.category_id
        JOIN file ON file.id = category_score.file_id AND file.captured_at = category_score.captured_at
        JOIN reading ON reading.file_id = category_score.file_id AND reading.model_id = category_score.model_id
        JOIN source ON source.id = file.source_id
        WHERE category_score.score >= category.min_score
    """,  # noqa: S608
    # The plus keeps the planner from the index of scores where the order is another: half of all may be uncertain.
    "uncertain": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, label.name AS label,
               reading.top_score, reading.margin, reading.entropy,
               file.captured_at, file.seen_at, label.name_zh, label.key, file.camera, file.app_id
        {_JOINS}
        WHERE tag.rank = 1 AND +reading.top_score < {UNSURE}
    """,
    "old_tags": f"""
        SELECT {_PATH}, source.name AS source, label.name AS label, old_tag.score, old_tag.rank,
               model.name AS model, file.captured_at, file.seen_at, old_tag.tagged_at, label.name_zh, label.key
        FROM old_tag
        JOIN file ON file.id = old_tag.file_id
        JOIN label ON label.id = old_tag.label_id
        JOIN source ON source.id = file.source_id
        JOIN model ON model.id = old_tag.model_id
    """,  # noqa: S608
    "failed_files": f"""
        SELECT {_PATH}, source.name AS source, file.stage, file.error, file.attempts,
               file.next_try_at, file.seen_at, file.state
        FROM file
        JOIN source ON source.id = file.source_id
        WHERE file.state IN ('failed', 'quarantined') AND file.state <> 'done'
    """,  # noqa: S608
    "missing_files": f"""
        SELECT {_PATH}, source.name AS source, file.missing_since, file.captured_at, file.seen_at
        FROM file
        JOIN source ON source.id = file.source_id
        WHERE file.missing_since IS NOT NULL
    """,  # noqa: S608
}

image_tags, top_tag = (
    table(
        name,
        column("seq", Integer),
        column("path", PathText),
        column("source", String),
        column("label", String),
        column("score", Float),
        column("rank", Integer),
        column("model", String),
        column("captured_at", Instant),
        column("seen_at", Instant),
        column("tagged_at", Instant),
        column("name_zh", String),
        column("key", String),
        column("by", String),
        column("camera", String),
        column("app_id", String),
    )
    for name in ("image_tags", "top_tag")
)

failed_files = table(
    "failed_files",
    column("path", PathText),
    column("source", String),
    column("stage", String),
    column("error", String),
    column("attempts", Integer),
    column("next_try_at", Instant),
    column("seen_at", Instant),
    column("state", String),
)


def drop_views(connection: Connection) -> None:
    for name in _VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def create_views(connection: Connection) -> None:
    for name, select in _VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {select}")
