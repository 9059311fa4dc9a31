import copy
import pickle
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

NOW = datetime(2026, 3, 26, 12, 0, tzinfo=UTC)
TWO_HOURS = Since(NOW - timedelta(hours=2))
DOG, CAT, SNOW, CAM1 = Name("dog"), Name("cat"), Name("snow"), In("cam1")
PAGE = Path(__file__).parents[2] / "docs" / "search.md"


def wrong(text: str, now: datetime = NOW) -> QueryError:
    with pytest.raises(QueryError) as raised:
        parse(text, now)
    return raised.value


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Everything()),
        (" \t\n　", Everything()),
        ("dog", DOG),
        ("  great \n white\u3000shark ", Name("great white shark")),
        ("雪地 车", Name("雪地 车")),
        ("jack-o'-lantern", Name("jack-o'-lantern")),
        ("B&O 4.5 [x] T-shirt", Name("B&O 4.5 [x] T-shirt")),
        ("android order notebook insect", Name("android order notebook insect")),
        ('"crane (bird)"', Name("crane (bird)")),
        ("“crane (bird)”", Name("crane (bird)")),
        ("＂and＂", Name("and")),
        (r'"a \"b\" \\ \[c"', Name(r'a "b" \ \[c')),
        ("vehicle >= 0.5", Name("vehicle", 0.5)),
        ("vehicle>=.5", Name("vehicle", 0.5)),
        ("vehicle ≥ 50%", Name("vehicle", 0.5)),
        ("great white shark >= 50 %", Name("great white shark", 0.5)),
        ('"crane (bird)" ＞＝ 1.', Name("crane (bird)", 1.0)),
        ("dog >= 0", Name("dog", 0.0)),
        ("dog and cat", And((DOG, CAT))),
        ("dog AND cat Or snow", Or((And((DOG, CAT)), SNOW))),
        ("dog or cat and snow", Or((DOG, And((CAT, SNOW))))),
        ("(dog or cat) and snow", And((Or((DOG, CAT)), SNOW))),
        ("（dog or cat）and snow", And((Or((DOG, CAT)), SNOW))),
        ("(dog and cat) and (snow)", And((DOG, CAT, SNOW))),
        ("dog or (cat or snow)", Or((DOG, CAT, SNOW))),
        ("not dog and cat", And((Not(DOG), CAT))),
        ("not not dog >= 0.5", Not(Not(Name("dog", 0.5)))),
        ("not (dog or cat)", Not(Or((DOG, CAT)))),
        ("since 2h", TWO_HOURS),
        ("until 2h", Until(TWO_HOURS.moment)),
        ("in cam1", CAM1),
        ('in "cam 1"', In("cam 1")),
        ("in 前门", In("前门")),
        ("uncertain", Uncertain()),
        ("UNCERTAIN in cam1", And((Uncertain(), CAM1))),
        ("path:*.jpg", Field("path", "*.jpg")),
        ("path:/srv/a=b/**/x:[0-9].png", Field("path", "/srv/a=b/**/x:[0-9].png")),
        ('path:"/my pictures/*(1).png"', Field("path", "/my pictures/*(1).png")),
        ("State:failed", Field("state", "failed")),
        ("path:in", Field("path", "in")),
        ("scene:battle >= 0.8", Field("scene", "battle", 0.8)),
        ("scene:battle>=80%", Field("scene", "battle", 0.8)),
        ("scene：战斗＞＝.5", Field("scene", "战斗", 0.5)),
        ('scene:"main city" ≥ 1', Field("scene", "main city", 1.0)),
        ("path:a>=b", Field("path", "a>=b")),
        ('path:"a>=0.5"', Field("path", "a>=0.5")),
        ("colour：red", Field("colour", "red")),
        ("not in cam1", Not(CAM1)),
        ("since 2h and snow", And((TWO_HOURS, SNOW))),
        ("since 2h or snow", Or((TWO_HOURS, SNOW))),
        ("since 2h in cam1", And((TWO_HOURS, CAM1))),
        ("dog or cat since 2h in cam1", And((Or((DOG, CAT)), TWO_HOURS, CAM1))),
        ("dog and cat since 2h", And((DOG, CAT, TWO_HOURS))),
        ("(snow since 2h) or dog", Or((And((SNOW, TWO_HOURS)), DOG))),
        ("not dog since 2h", And((Not(DOG), TWO_HOURS))),
        ("dog or since 2h in cam1", And((Or((DOG, TWO_HOURS)), CAM1))),
        ("dog since 2h and not cat in cam1", And((DOG, TWO_HOURS, Not(CAT), CAM1))),
        ("dog path:*.jpg uncertain", And((DOG, Field("path", "*.jpg"), Uncertain()))),
        (
            "vehicle >= 0.5 and not snow since 2h in cam1",
            And((Name("vehicle", 0.5), Not(SNOW), TWO_HOURS, CAM1)),
        ),
    ],
)
def test_a_query_becomes_a_tree(text: str, tree: Query) -> None:
    assert parse(text, NOW) == tree


@pytest.mark.parametrize(
    ("when", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-03-20", datetime(2026, 3, 19, 16, tzinfo=UTC)),
        ("2026-03-20T13:00", datetime(2026, 3, 20, 5, tzinfo=UTC)),
        ("2026-03-20T13:00:01.5Z", datetime(2026, 3, 20, 13, 0, 1, 500_000, UTC)),
        ("2026-03-20T13:00+02:00", datetime(2026, 3, 20, 11, tzinfo=UTC)),
        ("today", datetime(2026, 3, 25, 16, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 3, 24, 16, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_local(shanghai: None, when: str, moment: datetime) -> None:
    for now in (NOW, NOW.astimezone(timezone(timedelta(hours=-9)))):
        parsed = parse(f"(since {when})", now)
        assert parsed == Since(moment)
        assert isinstance(parsed, Since)
        assert parsed.moment.tzinfo is UTC


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CST-8")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_places_lie_in_the_text() -> None:
    text = 'not great  white shark >= 0.5 in "cam 1" path:*.jpg'
    tree = parse(text, NOW)
    assert isinstance(tree, And)
    negation, source, field = tree.parts
    assert isinstance(negation, Not)
    pieces = [
        text[part.start : part.end]
        for part in (negation.part, source, field)
        if isinstance(part, Name | In | Field)
    ]
    assert pieces == ["great  white shark", '"cam 1"', "path:*.jpg"]


@pytest.mark.parametrize(
    ("text", "carets", "what", "hint"),
    [
        ("(dog and (cat or x)", "^", "never closed", "put )"),
        ("dog and (cat", "        ^", "never closed", '"crane (bird)"'),
        ("dog)", "   ^", "closes nothing", "put ("),
        ("dog ()", "    ^", "nothing joins '('", '"crane (bird)"'),
        ("dog and ()", "        ^^", "empty", "remove"),
        ('dog and "cat', "        ^", "quote is never closed", 'put " behind'),
        ("雪 and “猫", "       ^", "quote is never closed", "put ” behind"),
        ("dog”", "   ^", "quote closes nothing", "“"),
        ('in ""', "   ^^", "nothing stands between these quotes", "remove"),
        ("dog and", "    ^^^", "'and' is followed by no name", "quote it"),
        ("(dog OR) x", "     ^^", "'OR' is followed by no name", "quote it"),
        ("not", "^^^", "'not' is followed by no name", "quote it"),
        ("or dog", "^^", "'or' has nothing before it", "quote it"),
        ("dog since", "    ^^^^^", "'since' is followed by no time", "2h"),
        ("until (2h)", "^^^^^", "'until' is followed by no time", "2h"),
        ("since 2y", "      ^^", "'y' is no unit", "30m, 2h or 7d"),
        ("since 2 hours", "      ^", "neither a duration nor a time", "30m, 2h or 7d"),
        ("since 2026-03-26 13:00", " " * 17 + "^^^^^", "'13:00'", "2026-03-26T13:00"),
        ("since 0000-01-01", "      ^^^^^^^^^^", "neither a duration nor a time", "2h"),
        ("since 999999999999d", "      ^^^^^^^^^^^^^", "out of the years", "2h"),
        ("since 9999999d", "      ^^^^^^^^", "out of the years", "2h"),
        ("in", "^^", "'in' is followed by no source", "write its name"),
        ("in and dog", "^^", "'in' is followed by no source", "write its name"),
        ("in cam 1", "       ^", "nothing joins '1'", '"cam 1"'),
        ("dog path:", "    ^^^^^", "'path:' is followed by no value", "path:*.jpg"),
        ("path: *.jpg", "^^^^^", "'path:' is followed by no value", "right behind"),
        ("path:*.jpg dog", "           ^^^", "nothing joins 'dog'", "'and'"),
        ('great "white shark"', "      ^^^^^^^^^^^^^", "nothing joins", "'and'"),
        ("dog not cat", "    ^^^", "nothing joins 'not'", "'and'"),
        ("dog since 2h or cat", "             ^^", "two things", "(dog since 2h) or cat"),
        ("dog >= cat", "       ^^^", "'cat' is no score", "'and'"),
        ("dog >= 1.5", "       ^^^", "'1.5' is no score from 0 to 1", "50%"),
        ("雪地 车 >= 150 %", "           ^^^^^", "'150 %' is no score", "50%"),
        ("dog >= -1 and (", "       ^^", "'-1' is no score", "50%"),
        ("dog >=", "    ^^", "followed by no score", "dog >= 0.5"),
        (">= 0.5", "^^", "behind no name", "dog >= 0.5"),
        ("(dog) >= 0.5", "      ^^", "behind no name", "dog >= 0.5"),
        ("dog <= 0.5", "    ^^", "'<=' is not understood", "not NAME >= 0.5"),
        ("dog > 0.5", "    ^", "'>' is not understood", "not NAME >= 0.5"),
        ("dog == 0.5", "    ^^", "'==' is not understood", "NAME >= 0.5"),
        ("a\x00\x1b\udcffb >= 9", " " * 20 + "^", "'9'", "50%"),
        ("e\u0301 >= 9", "     ^", "'9'", "50%"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, carets: str, what: str, hint: str) -> None:
    said, query, pointer, advice = str(wrong(text)).split("\n")
    assert what in said
    assert hint in advice
    assert query.isprintable()
    assert pointer == "  " + carets


def test_a_control_character_is_shown_as_what_it_is() -> None:
    assert r"  a\x1b[2J\udcff and" in str(wrong("a\x1b[2J\udcff and"))


def test_a_long_query_is_cut_around_the_place() -> None:
    _, query, pointer, _ = str(wrong("雪" * 100 + " >= 5 or " + "b" * 500)).split("\n")
    assert query.startswith("  …雪")
    assert query.endswith("b…")
    assert len(query) < 90
    assert pointer.index("^") == query.index("5") + query.count("雪")


def test_a_mistake_survives_a_pickle() -> None:
    error = wrong("dog >= 2")
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)  # noqa: S301
    assert error.exit_code == 2


@pytest.mark.parametrize("deep", ["(" * 10_000 + "dog" + ")" * 10_000, "not " * 10_000 + "dog"])
def test_a_query_can_be_too_long(deep: str) -> None:
    assert "too long" in str(wrong(deep))


@pytest.mark.parametrize(
    "deep",
    [
        "(" * 1_900 + "dog" + ")" * 1_900,
        "not " * 990 + "dog",
        "not(" * 700 + "dog" + ")" * 700,
        "(a or " * 400 + "dog" + ")" * 400,
    ],
)
def test_a_query_can_be_too_deep(deep: str) -> None:
    assert len(deep) <= LONGEST
    assert "stand in one another" in str(wrong(deep))


def test_depth_is_counted_in_brackets_and_negations() -> None:
    assert parse("(" * DEEPEST + "dog" + ")" * DEEPEST, NOW) == DOG
    assert wrong("not " * DEEPEST + "(dog)").start == len("not ") * DEEPEST


def test_a_long_query_is_no_deep_one() -> None:
    assert parse(" or ".join(["dog"] * 500), NOW) == DOG


@pytest.mark.parametrize(
    ("text", "is_the_same_as"),
    [
        ("dog and dog", "dog"),
        ("dog or cat or dog or cat", "dog or cat"),
        ("(dog or cat) and (dog or cat)", "dog or cat"),
        ("dog or (cat or dog)", "dog or cat"),
        ("not dog and (cat or cat) and not dog", "not dog and cat"),
        ("path:*.jpg path:*.jpg in cam in cam", "path:*.jpg in cam"),
    ],
)
def test_equal_parts_are_one(text: str, is_the_same_as: str) -> None:
    assert parse(text, NOW) == parse(is_the_same_as, NOW)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (" or ".join(f"dog {number}" for number in range(201)), "more than 200 different names and clauses"),
        (" and ".join(f"not path:*{number}" for number in range(21)), "more than 20 different patterns"),
        ("path:" + "*a" * 51, "a pattern with more than 50 of *, ? and ["),
        ("camera:*" + "[" + "a" * 101 + "]", "more than 100 characters stand between [ and ]"),
        ("path:[^]" + "a" * 101 + "]", "more than 100 characters stand between [ and ]"),
    ],
)
def test_what_would_cost_too_much_is_refused_by_its_size(text: str, what: str) -> None:
    assert what in str(wrong(text))


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(f"dog {number}" for number in range(200)),
        " and ".join(f"not path:*{number}" for number in range(20)),
        "path:" + "*a" * 50,
        "path:[" + "a" * 100 + "]",
        "path:/" + "a" * 2_000,
    ],
)
def test_what_is_as_large_as_it_may_be_is_understood(text: str) -> None:
    assert parse(text, NOW)


TOKENS = [
    *("dog", "great", "雪", "and", "OR", "not", "(", ")", "（", "）", "since", "until", "in", "uncertain"),
    *("2h", "7y", "today", "2026-03-26", "13:00", ">=", "≥", ">", "<=", "0.5", "50%", "%"),
    *('"', "“", "”", "＂", "\\", '"crane (bird)"', "path:", "state:", "*.jpg", ":", " ", "\n"),
]


@given(st.text(st.characters()) | st.lists(st.sampled_from(TOKENS)).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_query_or_a_mistake(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(TOKENS)).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_any_words_of_the_language_are_a_query_or_a_mistake(text: str) -> None:
    check(text)


@given(st.text(st.characters()), st.datetimes(timezones=st.just(UTC)))
def test_any_time_is_one_or_a_mistake(text: str, now: datetime) -> None:
    for when in (text, "today", "yesterday", "1d", "0001-01-01", "9999-12-31T23:59"):
        check(f"since {when}", now)


def check(text: str, now: datetime = NOW) -> None:
    try:
        tree = parse(text, now)
    except QueryError as error:
        lines = str(error).split("\n")
        assert len(lines) == 4
        assert all(line.isprintable() for line in lines)
        assert re.fullmatch(" +[\\^]+", lines[2])
        assert 0 <= error.start <= error.end <= len(text)
    else:
        assert parse(render(tree, trailing=False), now) == tree


spellings = st.text(st.characters(), min_size=1, max_size=12).filter(str.strip)
names = st.builds(
    Name,
    spellings | st.sampled_from(["dog", "great white shark", "雪地 车", "in the box", "and"]),
    st.none() | st.integers(0, 1000).map(lambda thousandth: thousandth / 1000),
)
moments = st.datetimes(timezones=st.just(UTC))
clauses: st.SearchStrategy[Query] = st.one_of(
    moments.map(Since),
    moments.map(Until),
    spellings.map(In),
    st.builds(Field, st.sampled_from(["path", "state", "路径", "x-1"]), spellings),
    st.just(Uncertain()),
)


def compounds(parts: st.SearchStrategy[Query]) -> st.SearchStrategy[Query]:
    several = st.lists(parts, min_size=2, max_size=4, unique=True).map(tuple)
    joined = several.map(And).filter(lambda tree: not any(isinstance(part, And) for part in tree.parts))
    either = several.map(Or).filter(lambda tree: not any(isinstance(part, Or) for part in tree.parts))
    return parts.map(Not) | joined | either


trees = st.just(Everything()) | st.recursive(names | clauses, compounds, max_leaves=12)


@given(trees, st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_tree_written_out_parses_to_itself(tree: Query, trailing: bool) -> None:
    assert parse(render(tree, trailing), NOW) == tree


def render(tree: Query, trailing: bool) -> str:
    """A tree as text; with `trailing`, clauses follow without `and` where they may."""
    match tree:
        case Everything():
            return ""
        case Not(part):
            return f"not {inner(part, trailing)}"
        case Or(parts):
            return " or ".join(inner(part, trailing) for part in parts)
        case And(parts):
            joints = [
                " " if trailing and not isinstance(part, Name | Not | Or) else " and " for part in parts
            ]
            pieces = [joint + inner(part, trailing) for joint, part in zip(joints, parts, strict=True)]
            return "".join(pieces).removeprefix(joints[0])
        case Name(text, score):
            bare = re.fullmatch(r"[a-z雪地车]+( [a-z雪地车]+)*", text) and not KEYWORD.search(text)
            return (text if bare else quoted(text)) + ("" if score is None else f" >= {score}")
    return render_clause(tree)


def render_clause(clause: Query) -> str:
    match clause:
        case Since(moment):
            return f"since {moment.isoformat()}"
        case Until(moment):
            return f"until {moment.isoformat()}"
        case In(source):
            return f"in {quoted(source)}"
        case Field(name, value):
            return f"{name}:{quoted(value)}"
    return "uncertain"


KEYWORD = re.compile(r"\b(and|or|not|since|until|in|uncertain)\b")


def inner(part: Query, trailing: bool) -> str:
    text = render(part, trailing)
    return f"({text})" if isinstance(part, And | Or) else text


def quoted(text: str) -> str:
    return '"' + re.sub(r'["”＂\\]', r"\\\g<0>", text) + '"'


def test_every_example_of_the_page_is_understood() -> None:
    blocks = re.findall(r"^```(text|sh)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [(kind, line) for kind, block in blocks for line in block.splitlines()]
    assert len(lines) > 20
    for kind, line in lines:
        parse(shlex.split(line)[2] if kind == "sh" else line, NOW)


def test_the_mistake_of_the_page_is_told_as_it_is_there() -> None:
    (block,) = re.findall(
        r"^```console\ntagger: (.*?)\n```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert str(wrong(block.splitlines()[1].strip())) == block


def test_the_command_line_starts_without_it() -> None:
    script = "import sys, tagger.cli; print([name for name in sys.modules if name.startswith(('lark', 'tagger.search'))])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
