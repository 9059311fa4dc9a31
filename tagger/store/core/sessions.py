"""The view of sessions: what one camera saw without much change, as one row.

A session begins with a picture unlike the one before it, or long after it; it ends before the next that does. Each is found
by looks into indexes, so that the newest fifty cost the same in a million files and in ten, and a bound on `started_at`,
or a source, spares the rest. Rejected: window functions, which are three times as quick for all sessions there are,
and must go through all of them for any one (docs/similar.md).

SQL has neither an exclusive or nor a count of bits, and its integers have signs: halves of a look are counted apart.
"""

DISTANCE, GAP = 14, 3600.0
"""Of 64 bits, how many may differ from one picture to the next; seconds that may lie between them."""


def select(path: str, distance: str, gap: str) -> str:
    """Return the view's SELECT. `path` is SQL for the path of `file` below `source`, the others for the two limits."""
    its_best = "ORDER BY one.sharpness DESC, one.captured_at, one.path LIMIT 1"
    return f"""
        SELECT source.name AS source, start.camera, start.captured_at AS started_at,
               {_within("max(one.captured_at)")} AS ended_at, {_within("count(*)")} AS pictures,
               best.seq, {path}, label.name AS label, label.name_zh, label.key
        FROM file AS start
        JOIN reading ON reading.file_id = start.id
        JOIN source ON source.id = start.source_id
        LEFT JOIN file AS next ON next.id = {_next(distance, gap)}
        LEFT JOIN file ON file.id = {_within("one.id", its_best)}
        LEFT JOIN reading AS best ON best.file_id = file.id
        LEFT JOIN tag ON tag.file_id = file.id AND tag.model_id = best.model_id AND tag.rank = 1
        LEFT JOIN label ON label.id = tag.label_id
        WHERE reading.look IS NOT NULL AND {_begins("start", "reading", distance, gap)}
    """  # noqa: S608


def _begins(file: str, reading: str, distance: str, gap: str) -> str:
    """Return SQL for whether a picture begins a session: none before it is near in time, or the last of those is unlike it."""
    before = """
        SELECT (its.look | {reading}.look) & ~(its.look & {reading}.look) AS differing, its.model_id
        FROM file AS earlier JOIN reading AS its ON its.file_id = earlier.id
        WHERE earlier.source_id = {file}.source_id AND earlier.camera {camera} AND its.look IS NOT NULL
            AND earlier.captured_at BETWEEN
                strftime('%Y-%m-%d %H:%M:%f', {file}.captured_at, -{gap} || ' seconds') AND {file}.captured_at
            AND (earlier.captured_at, earlier.path) < ({file}.captured_at, {file}.path)
        ORDER BY earlier.captured_at DESC, earlier.path DESC LIMIT 1"""
    alike = f"SELECT {_bits('differing')} <= {distance} FROM ({before}) WHERE model_id = {{reading}}.model_id"  # noqa: S608
    return f"NOT coalesce({_by_camera(alike, file, reading=reading, gap=gap)}, 0)"


def _next(distance: str, gap: str) -> str:
    """Return SQL for the first picture of the next session."""
    begins = _begins("later", "theirs", distance, gap).replace("{", "{{").replace("}", "}}")
    found = f"""
        SELECT later.id FROM file AS later JOIN reading AS theirs ON theirs.file_id = later.id
        WHERE later.source_id = {{file}}.source_id AND later.camera {{camera}} AND theirs.look IS NOT NULL
            AND later.captured_at >= {{file}}.captured_at
            AND (later.captured_at, later.path) > ({{file}}.captured_at, {{file}}.path) AND {begins}
        ORDER BY later.captured_at, later.path LIMIT 1"""  # noqa: S608
    return _by_camera(found, "start")


def _within(what: str, order: str = "") -> str:
    """Return SQL for `what` of the session's pictures."""
    found = f"""
        SELECT {what} FROM file AS one JOIN reading AS its ON its.file_id = one.id
        WHERE one.source_id = {{file}}.source_id AND one.camera {{camera}} AND its.look IS NOT NULL
            AND one.captured_at BETWEEN {{file}}.captured_at AND coalesce(next.captured_at, '~')
            AND (one.captured_at, one.path) >= ({{file}}.captured_at, {{file}}.path)
            AND (next.id IS NULL OR (one.captured_at, one.path) < (next.captured_at, next.path))
        {order}"""  # noqa: S608
    return _by_camera(found, "start")


def _by_camera(query: str, file: str, **names: str) -> str:
    """Return two queries in one: the index of cameras has only files that have one."""
    none, same = (query.format(file=file, camera=one, **names) for one in ("IS NULL", f"= {file}.camera"))
    return f"(CASE WHEN {file}.camera IS NULL THEN ({none}) ELSE ({same}) END)"


def _bits(number: str) -> str:
    """Return SQL for how many of 64 bits are set."""
    halves = (f"({number} & 0xFFFFFFFF)", f"({number} >> 32 & 0xFFFFFFFF)")
    fours = " + ".join(map(_in_fours, halves))
    return f"((((({fours}) & 0x0F0F0F0F) + (({fours}) >> 4 & 0x0F0F0F0F)) * 0x01010101) >> 24 & 0xFF)"


def _in_fours(half: str) -> str:
    """Return SQL for how many are set in each four of 32 bits."""
    twos = f"({half} - ({half} >> 1 & 0x55555555))"
    return f"(({twos} & 0x33333333) + ({twos} >> 2 & 0x33333333))"
