"""The views: what SQL users hold on to. Their names, columns and meaning are a contract; tables are not.

A tag's times equal its file's, and the joins say so: whichever column a question compares, the planner
may start from the label's index or from the file's.
"""

from sqlalchemy import Connection, Float, Integer, String, column, table

from tagger.config.views import SearchSettings
from tagger.heads.names import CLEAR, FLAGGED
from tagger.heads.names import UNSURE as UNSURE_LABEL
from tagger.store.core import conditions, sessions
from tagger.store.core.columns import Instant, PathText
from tagger.store.core.heads import RANKS
from tagger.store.core.schema import State
from tagger.store.core.schema import configured as _limit

UNSURE = 0.5
"""A picture whose best label scores less is uncertain: by the model's own word it is rather something else."""

_PATH = "rtrim(source.root, '/') || '/' || file.path AS path"
_DAMAGED = "coalesce(file.damaged, 0) AS damaged"

_IS_GONE = f"file.state = '{State.GONE}' AS is_gone"

_JOINS = """
    FROM tag
    JOIN reading ON reading.file_id = tag.file_id AND reading.model_id = tag.model_id
    JOIN file ON file.id = tag.file_id AND file.captured_at = tag.captured_at
    JOIN label ON label.id = tag.label_id
    JOIN source ON source.id = file.source_id
    JOIN model ON model.id = tag.model_id
"""


_LATELY, _FEW = 500, 5
"""Of so many of a camera's last pictures the longest pause is what is usual; fewer than a few tell nothing."""


def _longest_pause(which: str) -> str:
    """Return SQL for the seconds between two pictures of one camera, at most.

    It is not the mean: what moves comes in bursts, and rests at night.
    """
    return f"""(
        SELECT CASE WHEN count(*) >= {_FEW} THEN max(pause) * 86400 END FROM (
            SELECT julianday(at) - julianday(lead(at) OVER (ORDER BY at DESC)) AS pause FROM (
                SELECT its.captured_at AS at FROM file AS its WHERE {which} ORDER BY at DESC LIMIT {_LATELY})))"""  # noqa: S608


# Where a column stands in two tables, each view names the one whose index its usual order needs:
# image_tags is read by label and time, top_tag by confidence or by source and time; top_tag leaves the tag's
# own seen_at alone, so that the index of each file's tags is all that it reads of them.
VIEWS = {
    "image_tags": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, label.name AS label, tag.score,
               CASE WHEN tag.rank < {RANKS} THEN tag.rank END AS rank,
               model.name AS model, tag.captured_at, tag.seen_at, reading.tagged_at,
               label.name_zh, label.key, coalesce(tag.by, 'model') AS by,
               file.camera, file.app_id, {_DAMAGED}, {_IS_GONE}, label.head
        {_JOINS}
        WHERE file.seen_at = tag.seen_at AND tag.score >= label.min_score
              AND (label.role IS NULL OR label.role = '{FLAGGED}')
    """,
    "head_tags": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, label.head,
               substr(label.key, length(label.head) + 2) AS label, tag.score,
               model.name AS model, tag.captured_at, tag.seen_at, reading.tagged_at,
               label.name_zh, label.key, coalesce(tag.by, 'model') AS by,
               CASE WHEN label.role IN ('{FLAGGED}', '{UNSURE_LABEL}') THEN label.role
                    WHEN EXISTS (SELECT 1 FROM label AS its WHERE its.head = label.head AND its.role = '{FLAGGED}')
                    THEN '{CLEAR}' END AS state,
               file.camera, file.app_id, {_DAMAGED}, {_IS_GONE}
        {_JOINS}
        WHERE label.head IS NOT NULL AND tag.rank % {RANKS} = 1 AND tag.rank > {RANKS} AND file.seen_at = tag.seen_at
    """,  # noqa: S608
    "top_tag": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, label.name AS label,
               reading.top_score AS score, tag.rank,
               model.name AS model, file.captured_at, file.seen_at, reading.tagged_at,
               label.name_zh, label.key, coalesce(tag.by, 'model') AS by,
               file.camera, file.app_id,
               reading.top_score >= {_limit("search.min_score", SearchSettings().min_score)} AS is_sure,
               {_DAMAGED}, {_IS_GONE}
        {_JOINS}
        WHERE tag.rank = 1
    """,
    "image_categories": f"""
        SELECT reading.seq, {_PATH}, source.name AS source, category.name AS category, category_score.score,
               category_score.captured_at, file.seen_at, category.name_zh, category.key,
               file.camera, file.app_id, {_DAMAGED}, {_IS_GONE}
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
               file.captured_at, file.seen_at, label.name_zh, label.key, file.camera, file.app_id,
               {_DAMAGED}, {_IS_GONE}
        {_JOINS}
        WHERE tag.rank = 1 AND +reading.top_score < {UNSURE}
    """,
    "old_tags": f"""
        SELECT {_PATH}, source.name AS source, label.name AS label, old_tag.score, old_tag.rank,
               model.name AS model, file.captured_at, file.seen_at, old_tag.tagged_at, label.name_zh, label.key,
               {_DAMAGED}, {_IS_GONE}
        FROM old_tag
        JOIN file ON file.id = old_tag.file_id
        JOIN label ON label.id = old_tag.label_id
        JOIN source ON source.id = file.source_id
        JOIN model ON model.id = old_tag.model_id
    """,  # noqa: S608
    "camera_health": f"""
        WITH RECURSIVE camera(source_id, name) AS (
            SELECT id, (SELECT min(camera) FROM file WHERE source_id = source.id AND camera IS NOT NULL) FROM source
            UNION ALL
            SELECT source_id, (
                SELECT min(file.camera) FROM file
                WHERE file.source_id = camera.source_id AND file.camera IS NOT NULL AND file.camera > camera.name)
            FROM camera WHERE name IS NOT NULL
        ),
        lately AS (
            SELECT camera.source_id, camera.name, file.* FROM camera
            JOIN file ON file.id IN (
                SELECT id FROM file AS its WHERE its.source_id = camera.source_id AND its.camera = camera.name
                ORDER BY its.captured_at DESC LIMIT {_limit("health.pictures", 5)})
            WHERE camera.name IS NOT NULL
            UNION ALL
            SELECT source.id, NULL, file.* FROM source
            JOIN file ON file.id IN (
                SELECT id FROM file AS its WHERE its.source_id = source.id AND its.captured_at > ''
                ORDER BY its.captured_at DESC LIMIT {_limit("health.pictures", 5)})
            WHERE NOT EXISTS (SELECT 1 FROM file AS its WHERE its.source_id = source.id AND its.camera IS NOT NULL)
        ),
        seen AS (
            SELECT source_id, name AS camera, count(*) AS pictures, max(captured_at) AS last_captured_at,
                   avg(brightness) AS brightness, avg(contrast) AS contrast, avg(sharpness) AS sharpness,
                   avg(colourfulness) AS colourfulness,
                   max(brightness) < {_limit("health.black", 0.05)} AS is_black,
                   count(*) > 2 AND (count(DISTINCT sha256) = 1 OR count(brightness) = count(*) AND
                       count(DISTINCT brightness || ' ' || contrast || ' ' || sharpness) = 1) AS is_frozen,
                   max(sharpness) < {_limit("health.blurred", 0.1)} AND NOT max(is_blank) AS is_blurred,
                   max(colourfulness) < {_limit("health.colourless", 4)}
                       AND max(brightness) < {_limit("health.night", 0.4)} AS is_dark_grey,
                   CASE WHEN name IS NULL
                       THEN {_longest_pause("its.source_id = lately.source_id AND its.captured_at > ''")}
                       ELSE {_longest_pause("its.source_id = lately.source_id AND its.camera = lately.name")}
                   END AS longest_pause
            FROM lately GROUP BY source_id, name
        ),
        judged AS (
            SELECT *, is_dark_grey AND NOT is_black AS is_night,
                   (julianday('now') - julianday(last_captured_at)) * 86400 > max(
                       {_limit("health.silent_after", 3600)},
                       {_limit("health.silent_factor", 1.5)} * longest_pause) AS is_silent
            FROM seen
        )
        SELECT source.name AS source, camera, pictures, last_captured_at, brightness, contrast, sharpness,
               colourfulness, coalesce(is_black, 0) AS is_black, is_frozen,
               coalesce(is_blurred AND NOT is_black, 0) AS is_blurred, coalesce(is_night, 0) AS is_night,
               coalesce(is_silent, 0) AS is_silent,
               CASE WHEN is_silent THEN 'silent' WHEN is_black THEN 'black' WHEN is_frozen THEN 'frozen'
                    WHEN is_blurred THEN 'blurred' WHEN is_night THEN 'night' ELSE 'ok' END AS state
        FROM judged JOIN source ON source.id = judged.source_id
    """,  # noqa: S608
    "image_conditions": conditions.view(_PATH, _IS_GONE),
    "failed_files": f"""
        SELECT {_PATH}, source.name AS source, file.stage, file.error, file.attempts,
               file.next_try_at, file.seen_at, file.state
        FROM file
        JOIN source ON source.id = file.source_id
        WHERE file.state IN ('failed', 'quarantined') AND file.state <> 'done'
    """,  # noqa: S608
    "sessions": sessions.select(
        _PATH, _limit("sessions.distance", sessions.DISTANCE), _limit("sessions.gap", sessions.GAP)
    ),
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
    for name in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def create_views(connection: Connection) -> None:
    for name in VIEWS:
        connection.exec_driver_sql(_made(name))


def mend_views(connection: Connection) -> None:
    """Make the views anew where somebody has made others of their names."""
    found = dict(
        map(tuple, connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    )
    if any(found.get(name, "").split() != _made(name).split() for name in VIEWS):
        drop_views(connection)
        create_views(connection)


def _made(name: str) -> str:
    return f"CREATE VIEW {name} AS {VIEWS[name]}"
