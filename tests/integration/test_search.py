"""Searches on a real database, against what anybody would work out by hand from what was put in."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tagger.records import (
    Category,
    Changed,
    Facts,
    Failed,
    Gone,
    Label,
    ModelIdentity,
    Origin,
    Outcome,
    Reading,
    Stamp,
    Tag,
    Tagged,
    Taxonomy,
)
from tagger.search.parse import DEEPEST, LONGEST, parse
from tagger.search.query import (
    And,
    Everything,
    Field,
    In,
    Name,
    Not,
    Or,
    Query,
    QueryError,
    Since,
    Uncertain,
    Until,
)
from tagger.store.core.prepared import driver
from tagger.store.core.schema import State
from tagger.store.search import found
from tagger.store.tags.writer import Writer
from tests.integration.shelf import NOON, Shelf, rewritten, sha

HOUR = timedelta(hours=1)
LABELS = (
    Label("n0", "tabby", "虎斑猫", ("tabby cat", "tiger cat")),
    Label("n1", "crane (bird)", "鹤"),
    Label("n2", "crane (machine)", "起重机"),
    Label("n3", "snow", "积雪", ("winter",)),
    Label("n4", "sports car", "跑车", ("racer", "auto")),
    Label("n5", "racer", "赛车手"),
    Label("n6", "Éclair", "闪电泡芙"),
)
TAXONOMY = Taxonomy(
    "5e1f",
    (
        Category("animal", "animal", "动物", ("wildlife",)),
        Category("vehicle", "vehicle", "交通工具"),
        Category("car", "car", "汽车", ("auto",), ("vehicle",)),
        Category("snow", "snow", "雪", ("winter",)),
    ),
)
MEANS = {
    "tabby": {"n0"},
    "TABBY": {"n0"},
    "n0": {"n0"},
    "Tiger Cat": {"n0"},
    "虎斑猫": {"n0"},
    "crane": {"n1", "n2"},
    "Crane (bird)": {"n1"},
    "跑车": {"n4"},
    "起重机": {"n2"},
    "鹤": {"n1"},
    "snow": {"n3", "snow"},
    "雪": {"snow"},
    "积雪": {"n3"},
    "WINTER": {"n3", "snow"},
    "racer": {"n5"},
    "auto": {"n4", "car"},
    "éclair": {"n6"},
    "ÉCLAIR": {"n6"},
    "wildlife": {"animal"},
    "交通工具": {"vehicle"},
    "Vehicle": {"vehicle"},
}
"""What each word stands for, by the keys of labels and categories."""

SOURCES = ("cam", "phone", "front door")
PATTERNS = (
    "*",
    "*.jpg",
    "*.JPG",
    "/data/cam/*",
    "cam/*",
    "?.jpg",
    "1?.jpg",
    "*/front door/*",
    "[12]*.png",
    "cam/1.jpg",
    "*雪*",
    "*\udcff*",
    "none",
)
SCORES = st.integers(0, 10).map(lambda tenths: tenths / 10)


@dataclass(frozen=True)
class Put:
    """A file as it was put in. `captured_at` is None and there are no scores where it has no tags."""

    path: str
    source: str
    state: State
    captured_at: datetime | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    top: float | None = None


class Cabinet(Shelf):
    """A shelf with ambiguous labels. `put` is what is in it, in the order of the files' ids."""

    labels: tuple[Label, ...] = LABELS

    def __init__(self, file: Path, sources: tuple[str, ...] = SOURCES) -> None:
        super().__init__(file, sources)
        self.put: list[Put] = []

    def writer_for(self, model: ModelIdentity, taxonomy: Taxonomy = TAXONOMY) -> Writer:
        return Writer(self.database, model, self.labels, taxonomy, model.name, lambda: self.now)

    def tag_with(self, stamp: Stamp, scores: Mapping[str, float]) -> None:
        self.admitted(stamp)
        self.writer.write([tagged_with(stamp, scores)])

    def found(self, text: str, least: float = 0.3, limit: int | None = None) -> list[str]:
        """The names of the files, newest first."""
        hits = found.search(self.database, parse(text, NOON), text, least, limit)
        return [Path(hit.picture.path).name for hit in hits]

    def statement(
        self, text: str, limit: int | None = 50, counts: bool = False
    ) -> tuple[str, dict[str, Any]]:
        return found.sql(self.database, parse(text, NOON), text, 0.3, limit, counts)

    def refused(self, text: str) -> str:
        with pytest.raises(QueryError) as refused:
            self.found(text)
        return str(refused.value)


def tagged_with(stamp: Stamp, scores: Mapping[str, float]) -> Tagged:
    """Scores by the keys of labels and categories; the labels' best comes first."""
    by_key = {label.key: label for label in LABELS}
    ours = sorted(((score, key) for key, score in scores.items() if key in by_key), reverse=True)
    tags = tuple(Tag(by_key[key], score, rank) for rank, (score, key) in enumerate(ours, 1))
    placed = tuple((key, score) for key, score in scores.items() if key not in by_key)
    facts = Facts(sha(ascii(stamp.path)), 64, 48, "JPEG", None)
    return Tagged(stamp, facts, Reading(tags, tags[0].score, 0.1, 1.0, placed))


def random_scores(chance: random.Random) -> dict[str, float]:
    labels = chance.sample([label.key for label in LABELS], chance.randint(1, 4))
    places = chance.sample([one.key for one in TAXONOMY.categories], chance.randint(0, 4))
    return {key: chance.randint(0, 10) / 10 for key in (*labels, *places)}


def put_done(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    scores = random_scores(chance)
    cabinet.tag_with(stamp, scores)
    top = max(score for key, score in scores.items() if key.startswith("n"))
    captured = datetime.fromtimestamp(stamp.mtime_ns / 10**9, UTC)
    return Put(stamp.path, stamp.source, State.DONE, captured, scores, top)


def put_waiting_again(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    """It changed after it was tagged; until it is tagged anew, its tags stand."""
    done = put_done(cabinet, stamp, chance)
    cabinet.queue.admit([rewritten(stamp)], Origin.SCAN)  # less urgent than what is claimed next
    return Put(done.path, done.source, State.PENDING, done.captured_at, done.scores, done.top)


def put_gone(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    done = put_done(cabinet, stamp, chance)
    outcomes: tuple[Outcome, ...] = (Gone(stamp), Changed(stamp))
    cabinet.admitted(stamp)
    cabinet.writer.write([chance.choice(outcomes)])
    return Put(done.path, done.source, State.GONE, done.captured_at, done.scores, done.top)


def put_failed(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    """Its earlier content may have had tags; they go."""
    if chance.random() < 0.5:
        put_done(cabinet, stamp, chance)
        stamp = rewritten(stamp)
    cabinet.admitted(stamp)
    cabinet.writer.write([Failed(stamp, "decode", "truncated")])
    return Put(stamp.path, stamp.source, State.FAILED)


def put_suspect(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    cabinet.admitted(stamp)
    cabinet.queue.suspect()
    return Put(stamp.path, stamp.source, State.SUSPECT)


def put_quarantined(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    put_suspect(cabinet, stamp, chance)
    for _ in range(3):
        cabinet.queue.record_crash(stamp, "killed it")
    return Put(stamp.path, stamp.source, State.QUARANTINED)


def put_busy(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    cabinet.admitted(stamp)
    return Put(stamp.path, stamp.source, State.BUSY)


def put_pending(cabinet: Cabinet, stamp: Stamp, chance: random.Random) -> Put:
    cabinet.queue.admit([stamp], Origin.SCAN)
    return Put(stamp.path, stamp.source, State.PENDING)


PUTS: tuple[Callable[[Cabinet, Stamp, random.Random], Put], ...] = (
    *(put_suspect, put_quarantined, put_suspect, put_failed, put_failed, put_failed, put_gone, put_gone),
    *[put_done] * 45,
    *(put_busy, put_busy, put_waiting_again, put_waiting_again, put_pending, put_pending),
)
"""Who is in hand or waits comes last: a claim would take it, and a start would suspect it."""


def filled(file: Path, seed: int) -> Cabinet:
    """Twelve times for sixty pictures, so that many are equal."""
    cabinet, chance = Cabinet(file), random.Random(seed)  # noqa: S311
    for number, put in enumerate(PUTS):
        name = chance.choice(("{}.jpg", "{}.png", "雪{}.jpg", "sub/{}.JPG", "\udcff{}.jpg")).format(number)
        stamp = cabinet.stamp(name, chance.choice(SOURCES), chance.randint(0, 11) * HOUR)
        cabinet.put.append(put(cabinet, stamp, chance))
    return cabinet


@pytest.fixture(scope="module", params=[1, 2])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cabinet]:
    cabinet = filled(tmp_path_factory.mktemp("search") / "tags.db", request.param)
    with closing(cabinet.database):
        yield cabinet


@pytest.fixture
def cabinet(tmp_path: Path) -> Iterator[Cabinet]:
    cabinet = Cabinet(tmp_path / "tags.db")
    with closing(cabinet.database):
        yield cabinet


MOMENTS = st.integers(-1, 24).map(lambda halves: NOON - halves * HOUR / 2)
LEAVES: st.SearchStrategy[Query] = st.one_of(
    st.builds(Name, st.sampled_from(sorted(MEANS)), st.none() | SCORES),
    st.builds(Name, st.sampled_from(sorted(MEANS)), st.none() | SCORES),
    st.builds(Since, MOMENTS),
    st.builds(Until, MOMENTS),
    st.builds(In, st.sampled_from(SOURCES)),
    st.builds(Field, st.just("path"), st.sampled_from(PATTERNS)),
    st.builds(Field, st.just("state"), st.sampled_from([state.value for state in State])),
    st.just(Uncertain()),
)


def compound(inner: st.SearchStrategy[Query]) -> st.SearchStrategy[Query]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, parts), st.builds(Or, parts), st.builds(Not, inner))


QUERIES = st.just(Everything()) | st.recursive(LEAVES, compound, max_leaves=8)


def written(query: Query) -> str:
    """The query as somebody would type it who trusts in brackets only."""
    match query:
        case Name(text, score):
            return f'"{text}"' + ("" if score is None else f" >= {score}")
        case Since(moment) | Until(moment):
            return f"{type(query).__name__.lower()} {moment.isoformat()}"
        case In(source):
            return f'in "{source}"'
        case Field(name, value):
            return f'{name}:"{value}"'
        case And(parts) | Or(parts):
            word = " and " if isinstance(query, And) else " or "
            return word.join(f"({written(part)})" for part in parts)
        case Not(part):
            return f"not ({written(part)})"
    return "uncertain" if isinstance(query, Uncertain) else ""


def holds(query: Query, one: Put, least: float) -> bool:
    """Whether the query finds it, the long way round."""
    match query:
        case Name(text, score):
            needed = least if score is None else score
            return any(one.scores[key] >= needed for key in MEANS[text] & one.scores.keys())
        case Since(moment):
            return one.captured_at is not None and one.captured_at >= moment
        case Until(moment):
            return one.captured_at is not None and one.captured_at <= moment
        case And(parts):
            return all(holds(part, one, least) for part in parts)
        case Or(parts):
            return any(holds(part, one, least) for part in parts)
        case Not(part):
            return not holds(part, one, least)
    return holds_clause(query, one)


def holds_clause(clause: Query, one: Put) -> bool:
    match clause:
        case In(source):
            return one.source == source
        case Field("state", state):
            return one.state.value == state
        case Field("path", pattern):
            whole = pattern if pattern[0] in "/*" else f"*/{pattern}"
            return fnmatchcase(one.path, whole)
        case Uncertain():
            return one.top is not None and one.top < 0.5
    return True


def expected(query: Query, put: list[Put], least: float, with_gone: bool = False) -> list[str]:
    """Newest first, of one time the file that came last; what is gone only where states are asked for."""
    every = "state:" in written(query)
    ones = [(one.captured_at or datetime.min.replace(tzinfo=UTC), id_, one) for id_, one in enumerate(put)]
    ones.sort(key=lambda row: row[:2], reverse=True)
    asked = [one for *_, one in ones if every or (one.scores and (with_gone or one.state is not State.GONE))]
    return [one.path for one in asked if holds(query, one, least)]


SNOWLESS = And((Or((And((Name("tabby"), Not(Name("snow")))), Name("éclair"))), In("cam")))
UNTIMED = And((Not(And((Since(NOON), Name("tabby")))), Field("state", "failed")))


@given(QUERIES, SCORES, st.integers(1, 20))
@example(SNOWLESS, 0.0, 5)
@example(UNTIMED, 0.0, 5)
@settings(max_examples=300, deadline=None)
def test_a_search_finds_what_one_would_find_by_hand(
    full: Cabinet, query: Query, least: float, limit: int
) -> None:
    text = written(query)
    parsed, paths = parse(text, NOON), expected(query, full.put, least)
    hits = list(found.search(full.database, parsed, text, least))
    assert [hit.picture.path for hit in hits] == paths
    assert found.count(full.database, parsed, text, least) == len(paths)
    first = found.search(full.database, parsed, text, least, limit)
    assert [hit.picture.path for hit in first] == paths[:limit]
    arrived, last = found.arrived(full.database, parsed, text, least, after=0)
    assert last == found.newest(full.database)
    with_tags = {one.path for one in full.put if one.scores}
    ever = set(expected(query, full.put, least, with_gone=True))
    assert {hit.picture.path for hit in arrived} == with_tags & ever
    assert [hit.picture.seq or 0 for hit in arrived] == sorted(hit.picture.seq or 0 for hit in arrived)


@given(QUERIES, SCORES)
@settings(max_examples=100, deadline=None)
def test_the_sql_that_is_shown_finds_the_same_in_any_program(
    full: Cabinet, query: Query, least: float
) -> None:
    text = written(query)
    parsed = parse(text, NOON)
    statement, values = found.sql(full.database, parsed, text, least, None, counts=False)
    ids = [hit.picture.id for hit in found.search(full.database, parsed, text, least)]
    assert {type(value) for name, value in values.items() if f":{name}" in statement} <= {str, int, float}
    assert [row[0] for row in run(full, statement, values)] == ids


def run(cabinet: Cabinet, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """By sqlite3 alone."""
    with cabinet.database.read() as connection:
        return driver(connection).execute(statement, values).fetchall()


def test_a_picture_comes_with_all_that_is_known_of_it(full: Cabinet) -> None:
    by_path = {one.path: one for one in full.put}
    for hit in found.search(full.database, Everything(), "", 0.3):
        picture, put = hit.picture, by_path[hit.picture.path]
        assert {one.key: one.score for one in (*picture.tags, *picture.categories)} == put.scores
        assert (picture.state, picture.source, picture.captured_at) == (
            put.state.value,
            put.source,
            put.captured_at,
        )
        assert picture.seq and hit.by == picture.tags[0]


def test_a_hit_names_the_first_name_of_the_query_that_is_true_of_it(cabinet: Cabinet) -> None:
    cabinet.tag_with(cabinet.stamp("a.jpg"), {"n0": 0.9, "n3": 0.4, "car": 0.8})
    for text, name in (("snow or car", "snow"), ("snow >= 0.5 or car", "car"), ("not crane", "tabby")):
        [hit] = found.search(cabinet.database, parse(text, NOON), text, 0.3)
        assert hit.by and hit.by.name == name


def test_more_than_a_page_of_pictures_is_found_in_order(cabinet: Cabinet) -> None:
    stamps = [cabinet.stamp(f"{number}.jpg") for number in range(1200)]
    cabinet.admitted(*stamps)
    cabinet.writer.write([tagged_with(stamp, {"n0": 0.9, "animal": 0.9}) for stamp in stamps])
    assert len(cabinet.found("tabby")) == 1200
    ids = [hit.picture.id for hit in found.search(cabinet.database, Name("animal"), "animal", 0.3)]
    assert ids == sorted(ids, reverse=True)
    seen, after = list[int](), 0
    while after < found.newest(cabinet.database):
        hits, after = found.arrived(cabinet.database, Name("animal"), "animal", 0.3, after)
        seen += [hit.picture.seq or 0 for hit in hits]
    assert seen == list(range(1, 1201))


def test_what_arrives_is_told_once_and_what_is_tagged_anew_again(cabinet: Cabinet) -> None:
    def arrived(after: int) -> tuple[list[str], int]:
        hits, last = found.arrived(cabinet.database, Uncertain(), "uncertain", 0.3, after)
        return [Path(hit.picture.path).name for hit in hits], last

    cabinet.tag_with(cabinet.stamp("a.jpg"), {"n0": 0.4})
    names, last = arrived(0)
    assert names == ["a.jpg"]
    cabinet.tag_with(cabinet.stamp("sure.jpg"), {"n0": 0.9})
    names, last = arrived(last)
    assert (names, arrived(last)) == ([], ([], last))
    cabinet.tag_with(rewritten(cabinet.stamp("a.jpg")), {"n0": 0.3})
    assert arrived(last)[0] == ["a.jpg"]


# What a word means


@pytest.fixture
def cranes(cabinet: Cabinet) -> Cabinet:
    """A picture of each label, named by its key, and one of each category."""
    for label in LABELS:
        cabinet.tag_with(cabinet.stamp(f"{label.key}.jpg"), {label.key: 0.9})
    for one in TAXONOMY.categories:
        cabinet.tag_with(cabinet.stamp(f"{one.key}.jpg"), {"n6": 0.1, one.key: 0.9})
    return cabinet


@pytest.mark.parametrize("text", sorted(MEANS))
def test_a_word_is_a_name_or_else_a_synonym_and_all_that_it_is(cranes: Cabinet, text: str) -> None:
    assert set(cranes.found(f'"{text}"')) == {f"{key}.jpg" for key in MEANS[text]}


def test_case_does_not_matter_beyond_ascii_either(cranes: Cabinet) -> None:
    assert cranes.found("éCLAIR") == ["n6.jpg"]


def test_a_known_label_that_no_picture_has_finds_nothing(cabinet: Cabinet) -> None:
    assert cabinet.found("sports car") == []


def test_a_search_that_is_left_half_way_does_not_keep_the_next_from_what_is_new(cabinet: Cabinet) -> None:
    for name in ("a.jpg", "b.jpg"):
        cabinet.tag_with(cabinet.stamp(name), {"n0": 0.9})
    left = found.search(cabinet.database, Name("tabby"), "tabby", 0.3)
    next(left)
    left.close()  # type: ignore[attr-defined]
    cabinet.tag_with(cabinet.stamp("new.jpg"), {"n0": 0.9})
    assert len(cabinet.found("tabby")) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tabby", [0.9, 0.6, 0.3]),
        ("tabby >= 60%", [0.9, 0.6]),
        ("tabby since 30h", [0.9, 0.6]),
        ("tabby until 24h", [0.6, 0.3]),
        ("tabby since 24h until 24h", [0.6]),
    ],
)
def test_a_search_gives_the_newest_first_within_its_limits(
    cabinet: Cabinet, text: str, expected: list[float]
) -> None:
    for days, score in ((2, 0.3), (0, 0.9), (1, 0.6)):
        cabinet.tag_with(cabinet.stamp(f"{score}", age=days * 24 * HOUR), {"n0": score})
    assert cabinet.found(text) == [str(score) for score in expected]


def test_what_has_no_time_is_not_since_and_so_it_is_not_not_found(cabinet: Cabinet) -> None:
    cabinet.queue.admit([cabinet.stamp("new.jpg")], Origin.SCAN)
    assert cabinet.found("state:pending since 2h") == []
    assert cabinet.found("state:pending until 2h") == []
    assert cabinet.found("state:pending and not since 2h") == ["new.jpg"]
    assert cabinet.found("state:pending and not (tabby or until 2h)") == ["new.jpg"]


# Names that would like to be SQL

HOSTILE = (
    "plain",
    "'; DROP TABLE tag; --",
    "x' OR '1'='1",
    '"quoted"',
    "100%",
    "a;b",
    "back\\slash",
    "nul\0nul",
    "new\nline",
    ":label_id_1",
    "?1",
    "{}%s",
    "雪'",
)


class Hostile(Cabinet):
    labels = tuple(Label(f"k{number}", name) for number, name in enumerate(HOSTILE))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    cabinet = Hostile(tmp_path_factory.mktemp("hostile") / "tags.db", HOSTILE)
    with closing(cabinet.database):
        yield cabinet


def quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("shape", ["{}", "{} >= 0.1 since 2h", "not {} or {}", "in {}", "{} and not in {}"])
def test_names_and_sources_never_change_the_sql(hostile: Hostile, shape: str, counts: bool) -> None:
    def statement(name: str) -> str:
        return hostile.statement(shape.replace("{}", quoted(name)), counts=counts)[0]

    assert {statement(name) for name in HOSTILE} == {statement("plain")}


def words_of(statement: str) -> set[str]:
    """The words of SQL in a statement: a pattern with accents is the same test once more for each way to write it."""
    return set(re.sub(r":\w+|[(),]", " ", statement).split()) - {"OR"}


PATHS = st.text(st.characters(exclude_categories=())) | st.sampled_from(HOSTILE)


@given(PATHS.filter(str.strip))
@settings(deadline=None)
def test_a_path_never_changes_the_sql(hostile: Hostile, pattern: str) -> None:
    text = f"path:{quoted(pattern)} and not path:{quoted(pattern)}"
    statement, values = hostile.statement(text)
    assert words_of(statement) == words_of(hostile.statement("path:plain and not path:plain")[0])
    bound = [value for value in values.values() if isinstance(value, str)]
    assert pattern.isascii() is False or "\0" in pattern or any(value.endswith(pattern) for value in bound)
    assert hostile.found(text) == []


WORDS = st.sampled_from(
    [
        *MEANS,
        *(
            "and",
            "or",
            "not",
            "(",
            ")",
            '"',
            "“",
            ">=",
            "<",
            "0.5",
            "150%",
            "since",
            "until",
            "2h",
            "in",
            "cam",
        ),
        *(
            "today",
            "uncertain",
            "path:",
            "state:",
            "done",
            "path:*[",
            "size:3",
            "\0",
            "\udcff",
            "\ud800",
            "%",
        ),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=())) | st.lists(
    WORDS | st.text(st.characters(exclude_categories=()), max_size=4), max_size=12
).map(" ".join)


@given(TEXTS)
@example("\ud800 .0")
@settings(max_examples=300, deadline=None)
def test_any_text_finds_pictures_or_is_refused_in_words(full: Cabinet, text: str) -> None:
    try:
        query = parse(text, NOON)
        hits = list(found.search(full.database, query, text, 0.3))
    except QueryError as refused:
        assert str(refused).encode()
    else:
        assert len(hits) == found.count(full.database, query, text, 0.3) <= len(full.put)


def test_bytes_that_are_no_text_are_an_unknown_name_and_a_path_like_any(full: Cabinet) -> None:
    assert "called '\\udcff'" in full.refused("\udcff")
    assert "no source '\\udcff'" in full.refused("in \udcff")
    paths = expected(Field("path", "\udcff*"), full.put, 0)
    assert sorted(full.found("path:\udcff*")) == sorted(Path(path).name for path in paths) != []
    assert full.found("path:*\ud800*") == []


def test_a_path_goes_on_after_a_nul(full: Cabinet) -> None:
    assert full.found("path:*") != []
    assert full.found("path:*\0none") == []


# Errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "not tabbi since 2h",
            "no label or category is called 'tabbi'\n  not tabbi since 2h\n      ^^^^^\n  did you mean tabby",
        ),
        (
            "雪 or 起重",
            "no label or category is called '起重'\n  雪 or 起重\n        ^^^^\n  did you mean 起重机?",
        ),
        ("tabby in kam", "there is no source 'kam'\n  tabby in kam\n           ^^^\n  did you mean cam?"),
        ('in "nowhere at all"', 'sources: cam, "front door", phone'),
        ("pth:*.jpg", "there is no field 'pth'\n  pth:*.jpg\n  ^^^^^^^^^\n  did you mean path?"),
        ("size:3", "there is no field 'size'\n  size:3\n  ^^^^^^\n  fields: path, state, camera, app_id"),
        ("state:faild", "there is no state 'faild'\n  state:faild\n  ^^^^^^^^^^^\n  did you mean failed"),
        ("state:zz", "states: pending, busy, done, failed, suspect, quarantined, gone"),
        ("tabby 0.5", "  tabby 0.5\n  ^^^^^^^^^\n  write tabby >= 0.5; in a shell, put the whole query in"),
        ("yesterday", "that is asked for by: since yesterday until today"),
        ("tabby last week", "that is asked for by: tabby since 7d"),
        ("january", "a time is asked for by since and until, as in: since 2026-03-01"),
        ("at night", "that is asked for by: is:night"),
        ("front door", 'that is asked for by: in "front door"'),
        ("since:2h", "'since' takes no colon\n  since:2h\n  ^^^^^^^^\n  write since 2h"),
        ('in:"front door"', 'write in "front door"'),
    ],
)
def test_what_is_not_known_is_pointed_at(cabinet: Cabinet, text: str, message: str) -> None:
    assert message in cabinet.refused(text)


def test_where_no_label_is_close_some_names_are_told_and_nobody_is_asked_whether_he_meant_them(
    cabinet: Cabinet,
) -> None:
    refused = cabinet.refused("zzzzzz")
    assert "the model does not know such a word" in refused
    assert "it knows tabby, " in refused
    assert "n0" not in refused
    assert "did you mean" not in refused


def test_a_camera_or_a_folder_is_asked_for_by_its_clause(cabinet: Cabinet) -> None:
    cabinet.tag_with(cabinet.stamp("lobby/a.jpg"), {"n0": 0.9})
    assert "that is asked for by: path:*/lobby/*" in cabinet.refused("lobby")
    assert "that is asked for by: path:*/lobby/*" in cabinet.refused("tabby in lobby")
    assert cabinet.found("path:*/lobby/*") == ["a.jpg"]
    assert "asked for by" not in cabinet.refused("battle scene")


def test_a_source_is_called_by_its_very_name(cabinet: Cabinet) -> None:
    assert "no source 'CAM'" in cabinet.refused("in CAM")


# Queries as large as they may be


def longest(word: str, joined: str) -> str:
    return joined.join([word] * ((LONGEST + len(joined)) // (len(word) + len(joined))))


@pytest.mark.parametrize(
    ("text", "finds"),
    [
        (longest("雪", " or "), True),
        (longest("auto", " or "), True),
        (longest("not 鹤", " and "), True),
        (longest("雪", " and "), True),
        (longest("in cam", " "), True),
        (longest("鹤 or not 雪", " or "), False),
        (f"({' or '.join(['雪'] * 99)}) and ({' or '.join(['雪'] * 690)})", True),
        (f"({' or '.join(['雪'] * 390)}) and ({' or '.join(['雪'] * 390)})", True),
        (longest('(雪 and path:"*")', " or "), True),
    ],
)
def test_a_query_of_hundreds_of_names_is_answered(cabinet: Cabinet, text: str, finds: bool) -> None:
    assert LONGEST * 0.9 < len(text) <= LONGEST
    cabinet.tag_with(cabinet.stamp("a.jpg"), {"n4": 0.9, "snow": 0.9, "car": 0.9})
    assert cabinet.found(text) == ["a.jpg"] * finds
    assert found.count(cabinet.database, parse(text, NOON), text, 0.3) == finds
    assert len(found.arrived(cabinet.database, parse(text, NOON), text, 0.3, after=0)[0]) == finds


def test_names_that_mean_the_same_are_looked_for_once(cabinet: Cabinet) -> None:
    once, _ = cabinet.statement("tabby")
    assert cabinet.statement("tabby or TABBY or 虎斑猫 or (n0 and Tiger Cat)")[0] == once


class OneWord(Cabinet):
    """Each of its labels is called x, as happens to synonyms."""

    labels = tuple(Label(f"n{number}", f"name {number}", "", ("x",)) for number in range(600))


def test_a_word_that_hundreds_of_labels_share_is_answered(tmp_path: Path) -> None:
    cabinet = OneWord(tmp_path / "tags.db")
    with closing(cabinet.database):
        cabinet.tag_with(cabinet.stamp("a.jpg"), {"n0": 0.9})
        assert cabinet.found("x") == ["a.jpg"]
        assert cabinet.found("x and not name 1") == ["a.jpg"]


@pytest.mark.parametrize(
    ("before", "inside", "after", "per_level"),
    [
        ("(鹤 or 雪 and (", "雪", "))", 2),
        ("(鹤 or 雪 and not (", "雪", "))", 3),
        ("not (not uncertain and 鹤 or ", "雪", ")", 2),
        ("not ", "雪", "", 1),
        ("(", "雪", " since 2h)", 1),
        ("(since 9h and in cam and (鹤 or ", "雪", "))", 2),
        ("(not 鹤 and path:* and ", "state:done", ")", 1),
        ("(鹤 or (not 跑车 or ", "雪", ") until 1h)", 2),
    ],
)
def test_a_query_as_deep_as_it_may_be_is_answered(
    cabinet: Cabinet, before: str, inside: str, after: str, per_level: int
) -> None:
    put = Put("/data/cam/a.jpg", "cam", State.DONE, NOON, {"n4": 0.9, "snow": 0.9}, 0.9)
    cabinet.tag_with(cabinet.stamp("a.jpg"), put.scores)
    deepest = (DEEPEST - 1) // per_level
    for levels in (deepest, deepest - 1):
        text = before * levels + inside + after * levels
        query = parse(text, NOON)
        answer = holds(query, put, 0.3)
        assert cabinet.found(text) == ["a.jpg"] * answer
        assert found.count(cabinet.database, query, text, 0.3) == answer
        assert len(found.arrived(cabinet.database, query, text, 0.3, after=0)[0]) == answer


# Plans

SHAPES = {
    "a label": "tabby",
    "two labels in a source": "tabby or sports car in cam",
    "one of two labels of a name": "crane",
    "a label and a category of a name": "snow",
    "a category": "vehicle",
    "a category but not another": "vehicle and not snow",
    "labels since": "tabby and snow since 2h",
    "a label until": "tabby until 2h",
    "everything": "",
    "everything since": "since 2h",
    "everything between": "since 2h until 1h",
    "a source": "in cam",
    "all but a label": "not tabby",
    "uncertain": "uncertain since 2h",
}


def plan(cabinet: Cabinet, text: str, counts: bool) -> list[str]:
    statement, values = cabinet.statement(text, counts=counts)
    return [str(row[3]) for row in run(cabinet, f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_the_newest_are_read_from_an_index_and_not_sorted(cabinet: Cabinet, text: str) -> None:
    steps = plan(cabinet, text, counts=False)
    assert not [step for step in steps if re.match(r"SCAN (file|tag|category_score|reading)(?! USING)", step)]
    assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_pictures_are_counted_by_an_index(cabinet: Cabinet, text: str) -> None:
    steps = plan(cabinet, text, counts=True)
    assert not [step for step in steps if re.match(r"SCAN (file|tag|category_score|reading)(?! USING)", step)]


@pytest.mark.parametrize("text", ["since 2h", "tabby since 2h", "vehicle since 2h", "since 2h and not snow"])
def test_since_begins_in_the_index_at_its_time(cabinet: Cabinet, text: str) -> None:
    assert any("captured_at>" in step for step in plan(cabinet, text, counts=False))


def test_a_state_is_found_by_the_index_of_the_unfinished(cabinet: Cabinet) -> None:
    assert any("file_unfinished (state=?" in step for step in plan(cabinet, "state:failed", counts=False))
