"""`tagger search` as a process: what it prints in each form, and how it follows what arrives."""

import ast
import csv
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO

import pytest
import skimage.data
from PIL import Image

from tests.conftest import Painter
from tests.e2e.command import PATIENCE, TAGGER, environment, rows, running, tagger

pytestmark = pytest.mark.long

DATABASE = ("--database", "tags.db")
ODD = os.fsdecode(b"new\nline \xff '.png")
"""A name with a line break and a byte that is no text."""


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory, paint: Painter) -> Path:
    """A home with pictures in three colours, and a file that is no picture, in `tags.db`: who searches changes none of it."""
    home = tmp_path_factory.mktemp("tagged")
    for number, (name, colour) in enumerate(
        (("sky.png", (0, 0, 255)), ("rose.png", (255, 0, 0)), (ODD, (0, 0, 255)))
    ):
        picture = paint(home / "pictures" / name, colour, number)
        os.utime(picture, (1_700_000_000 + number, 1_700_000_000 + number))
    (home / "pictures" / "bad.jpg").write_text("no picture")
    tagger(home, "scan", "pictures", *DATABASE)
    return home


def search(home: Path, *arguments: str) -> bytes:
    """What a search of `tags.db` prints, as bytes: a path may be no text."""
    return subprocess.run(
        [TAGGER, "search", *arguments, *DATABASE],
        env=environment(home),
        cwd=home,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


def path(home: Path, name: str) -> bytes:
    return os.fsencode(home / "pictures" / name)


def test_count_is_a_number_whatever_the_limit(tagged: Path) -> None:
    assert search(tagged, "blue", "--count") == b"2\n"
    assert search(tagged, "--count", "--limit", "1") == b"3\n"
    assert search(tagged, "green", "--count") == b"0\n"


def test_words_of_a_query_need_no_quotes_where_the_shell_needs_none(tagged: Path) -> None:
    assert search(tagged, "blue", "or", "red", "--count") == b"3\n"
    assert search(tagged, "not", "blue", "since", "2023-01-01", "--count") == b"1\n"


def test_paths_end_in_nul_and_are_what_the_file_system_has(tagged: Path) -> None:
    paths = search(tagged, "blue", "-0")
    assert paths == path(tagged, ODD) + b"\0" + path(tagged, "sky.png") + b"\0"
    assert all(os.path.exists(one) for one in paths.split(b"\0")[:-1])  # noqa: PTH110


def test_paths_come_one_per_line(tagged: Path) -> None:
    assert search(tagged, "path:*sky* or red", "--nl") == b"".join(
        path(tagged, name) + b"\n" for name in ("rose.png", "sky.png")
    )


def test_a_line_per_picture_stays_one_whatever_its_name(tagged: Path) -> None:
    first, second = search(tagged, "blue").decode().splitlines()
    assert first.endswith(r"new\nline \udcff '.png")
    assert [len(line.split("\t")) for line in (first, second)] == [5, 5]


def test_csv_has_a_header_and_a_row_per_picture(tagged: Path) -> None:
    text = search(tagged, "blue", "--csv").decode(errors="surrogateescape")
    header, odd, sky = csv.reader(text.splitlines(keepends=True))
    assert header == ["captured_at", "score", "label", "source", "path"]
    assert sky[0] == "2023-11-14T22:13:20.000Z"
    assert sky[2:] == ["blue", "pictures", str(tagged / "pictures/sky.png")]
    assert os.fsencode(odd[-1]) == path(tagged, ODD)
    assert search(tagged, "green", "--csv").decode().split() == [",".join(header)]


def test_json_has_all_tags_and_the_path_to_the_byte(tagged: Path) -> None:
    odd, sky = map(json.loads, search(tagged, "blue", "--json").splitlines())
    assert os.fsencode(odd["path"]) == path(tagged, ODD)
    assert sky["tags"][0]["label"] == "blue"
    assert (sky["state"], sky["label"], sky["source"]) == ("done", "blue", "pictures")
    assert sky["categories"] == {}


def test_a_file_without_tags_has_a_row_without_them(tagged: Path) -> None:
    [bad] = map(json.loads, search(tagged, "state:failed", "--json").splitlines())
    assert {bad[key] for key in ("captured_at", "score", "label", "seq")} == {None}
    assert (bad["state"], bad["tags"], bad["categories"]) == ("failed", [], {})
    assert search(tagged, "state:failed").decode() == f"\t\t\tpictures\t{tagged}/pictures/bad.jpg\n"


def test_the_limit_is_how_many_are_shown(tagged: Path) -> None:
    assert search(tagged, "--limit", "2", "--nl", "not path:*line*").splitlines() == [
        path(tagged, "rose.png"),
        path(tagged, "sky.png"),
    ]
    assert search(tagged, "--limit", "1", "-0") == path(tagged, ODD) + b"\0"


def test_the_least_score_is_that_of_the_query_or_the_option_or_the_config(tagged: Path) -> None:
    assert search(tagged, "grey", "--count") == b"0\n"
    assert search(tagged, "grey >= 0", "--count") == b"3\n"
    assert search(tagged, "grey", "--count", "--min-score", "0") == b"3\n"
    (tagged / "c.yaml").write_text("database: tags.db\nsearch: {min_score: 0.0}\n")
    assert tagger(tagged, "search", "grey", "--count", "-c", "c.yaml").stdout == "3\n"


@pytest.mark.parametrize(
    "query", ["blue", "blue and not red since 2h", 'path:"*\';--" or state:failed', "uncertain in pictures"]
)
def test_the_sql_that_is_shown_is_what_any_program_runs(tagged: Path, query: str) -> None:
    lines = search(tagged, query, "--sql", "--limit", "7").decode().splitlines()
    shown = [line.removeprefix("-- ").split(" = ", 1) for line in lines if line.startswith("-- ")]
    values = {name: ast.literal_eval(value) for name, value in shown}
    statement = "\n".join(line for line in lines if not line.startswith("-- "))
    for name in sorted(values, key=len, reverse=True):
        statement = statement.replace(f":{name}", quoted(values[name]))
    assert len(rows(tagged / "tags.db", statement)) == int(search(tagged, query, "--count"))
    assert 7 in values.values()


def quoted(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def test_the_sql_of_a_count_is_a_count(tagged: Path) -> None:
    assert search(tagged, "blue", "--sql", "--count").startswith(b"SELECT count(*)")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "rad or bleu",
            "tagger: no label or category is called 'rad'\n  rad or bleu\n  ^^^\n  did you mean red",
        ),
        ("red or bleu", "  red or bleu\n         ^^^^\n  did you mean blue"),
        ("red in picture", "  red in picture\n         ^^^^^^^\n  did you mean pictures?"),
        ("state:dne", "  state:dne\n  ^^^^^^^^^\n  did you mean done"),
        ("red and", "  red and\n      ^^^\n"),
        (os.fsdecode(b"\xff"), "'\\udcff'\n  \\udcff\n  ^^^^^^\n"),
    ],
)
@pytest.mark.parametrize("option", ["--count", "--sql", "--follow", "--json"])
def test_a_wrong_query_is_pointed_at(tagged: Path, query: str, message: str, option: str) -> None:
    wrong = tagger(tagged, "search", query, option, *DATABASE)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert message in wrong.stderr
    assert "Traceback" not in wrong.stderr


# What is not found, and what is not shown


def said(home: Path, *arguments: str) -> str:
    """What a search says beside its answer."""
    command = [str(TAGGER), "search", *arguments, *DATABASE]
    done = subprocess.run(
        command, cwd=home, env=environment(home), capture_output=True, timeout=PATIENCE, check=True
    )
    return done.stderr.decode()


def test_who_finds_nothing_is_told_the_best_score_and_how_to_lower_the_bar(tagged: Path) -> None:
    [line] = said(tagged, "grey", "--min-score", "0.9").splitlines()
    told = re.fullmatch(
        r"no picture scores grey at 0.90 or more; the best is (0\.\d+): tagger search 'grey >= \1'", line
    )
    assert told
    assert search(tagged, f"grey >= {told[1]}")
    assert "grey at 0.90 or more; the best is" in said(tagged, "grey >= 0.9 and blue since 2d")


def test_who_finds_nothing_is_told_what_else_keeps_it(tagged: Path) -> None:
    assert said(tagged, "blue since 2h") == (
        "blue alone is found; the rest of the query leaves none of its pictures: tagger search blue\n"
    )
    assert said(tagged, "since 2h") == "no picture is so; tagger search '' shows all that are tagged\n"
    assert said(tagged, "vehicle") == (
        "vehicle has no score in any picture: a category's score is stored only from 0.2 on\n"
    )


def test_of_a_label_that_was_never_among_the_best_it_is_said_how_many_are_stored(
    tmp_path: Path, paint: Painter
) -> None:
    paint(tmp_path / "pictures" / "sky.png", (0, 0, 255))
    tagger(tmp_path, "scan", "pictures", *DATABASE, TAGGER_MODEL__TOP_K="2")
    done = tagger(tmp_path, "search", "yellow", *DATABASE, TAGGER_MODEL__TOP_K="2")
    assert "only each picture's best 2 labels are stored (model.top_k)" in done.stderr


def test_who_is_shown_a_part_is_told_of_how_many(tagged: Path) -> None:
    assert said(tagged, "--limit", "2") == "2 of 3; --limit shows more\n"
    assert said(tagged, "--limit", "3") == said(tagged) == ""


@pytest.mark.parametrize("form", ["--json", "--csv", "--nl", "-0", "--count"])
def test_programs_are_told_nothing_beside_their_answer(tagged: Path, form: str) -> None:
    assert said(tagged, form, "--limit", "1") == said(tagged, form, "grey >= 0.9") == ""


@pytest.mark.parametrize(
    ("typed", "made", "query"),
    [
        ("blue >= 0.5", "=", "blue >= 0.5"),
        ("blue or red >= 50% --json", "=", "blue or red >= 50%"),
        ("blue >=0.5", "=0.5", "blue >= 0.5"),
        ("blue > 0.5", "0.5", "blue >= 0.5"),
    ],
)
def test_a_comparison_that_the_shell_took_is_told_of(tagged: Path, typed: str, made: str, query: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{TAGGER} search {typed} --database tags.db"],
        cwd=tagged,
        env=environment(tagged),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert f"made a file called {made} here" in done.stderr
    assert f"remove it (rm ./{made}), and put the query in quotes: tagger search '{query}'" in done.stderr
    assert (tagged / made).read_bytes() == b""


def test_an_answer_may_be_written_into_any_other_file(tagged: Path) -> None:
    with (tagged / "blue.txt").open("wb") as file:
        command = [str(TAGGER), "search", "blue", "--nl", *DATABASE]
        subprocess.run(
            command, cwd=tagged, env=environment(tagged), stdout=file, timeout=PATIENCE, check=True
        )
    assert (tagged / "blue.txt").read_bytes() == search(tagged, "blue", "--nl")


def test_the_built_in_model_s_pictures_are_found_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "pictures" / "coffee.png")
    tagger(tmp_path, "scan", "pictures", *DATABASE, TAGGER_ENGINE__BACKEND="torch")
    for query in (
        "浓缩咖啡 ≥ 10%",
        "意式浓缩 >= 0.1",
        "（食物 ≥ 20% AND NOT 交通工具）",
        "食品 >= 0.2",
        "food >= 0.2",
    ):
        assert search(tmp_path, query, "--nl") == path(tmp_path, "coffee.png") + b"\n"
    [found] = map(json.loads, search(tmp_path, "食物 ≥ 20%", "--json").splitlines())
    assert (found["label"], found["categories"]["food"]) == ("food", found["score"])
    assert found["tags"][0]["name_zh"] == "浓缩咖啡"
    assert search(tmp_path, "交通工具", "--count") == b"0\n"


# A file of the user's own categories


class Home:
    """A home whose config names `own.yaml`."""

    def __init__(self, folder: Path, paint: Painter) -> None:
        self.folder = folder
        for name, colour in (("sky", (0, 0, 255)), ("rose", (255, 0, 0)), ("sun", (255, 255, 0))):
            paint(folder / "pictures" / f"{name}.png", colour)
        (folder / "c.yaml").write_text("database: tags.db\nsources: [pictures]\ncategories: own.yaml\n")

    def scan_with(self, warm: str) -> None:
        (self.folder / "own.yaml").write_text(f"warm: {{{warm}}}\n")
        assert tagger(self.folder, "scan", "-c", "c.yaml").returncode == 0

    def found(self, query: str) -> set[str]:
        return {Path(os.fsdecode(one)).stem for one in search(self.folder, query, "--nl").splitlines()}

    def readings(self) -> set[int]:
        return {seq for (seq,) in rows(self.folder / "tags.db", "SELECT seq FROM reading")}


@pytest.fixture
def home(tmp_path: Path, paint: Painter) -> Home:
    return Home(tmp_path, paint)


def test_what_is_in_a_category_of_one_s_own_may_change(home: Home) -> None:
    home.scan_with("includes: [mean-colour/red, mean-colour/yellow]")
    assert home.found("warm") == {"rose", "sun"}
    before = home.readings()
    home.scan_with("includes: [mean-colour/blue, mean-colour/yellow]")
    assert home.found("warm") == {"sky", "sun"}
    assert home.found("not warm") == {"rose"}
    assert len(home.readings()) == len(before) == 3
    assert min(home.readings()) > max(before)


def test_a_category_of_another_name_costs_no_picture_a_look(home: Home) -> None:
    home.scan_with("includes: [mean-colour/red, mean-colour/yellow]")
    before = home.readings()
    home.scan_with("name_zh: 暖, synonyms: [Cosy], includes: [mean-colour/red, mean-colour/yellow]")
    assert home.readings() == before
    assert home.found("暖") == home.found("cosy") == home.found("warm") == {"rose", "sun"}


def test_a_category_and_its_parts_are_found_together(home: Home) -> None:
    home.scan_with("includes: [mean-colour/red]}\nbright: {includes: [warm, mean-colour/yellow]")
    assert home.found("bright") == {"rose", "sun"}
    assert home.found("bright and not warm") == {"sun"}


# Following


@contextmanager
def following(home: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`tagger search --follow`; killed on leaving, and after a while if it says nothing."""
    process = subprocess.Popen(
        [TAGGER, "search", "--follow", *arguments, *DATABASE],
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # As in a terminal. A shell starts what is in its background deaf to Ctrl-C, and so would the tests.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    hung = Timer(PATIENCE, process.kill)
    hung.start()
    try:
        yield process
    finally:
        hung.cancel()
        process.kill()
        process.communicate()


def stdout(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdout
    return process.stdout


def test_a_search_that_follows_shows_what_arrives_until_it_is_interrupted(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    for number, name in enumerate(("old", "older")):
        picture = paint(inbox / f"{name}.png", (0, 0, 255), number)
        os.utime(picture, (1_700_000_000 - number, 1_700_000_000 - number))
    tagger(tmp_path, "scan", inbox, *DATABASE)
    with running(tmp_path, inbox, *DATABASE) as daemon, following(tmp_path, "--nl", "blue") as search:
        shown = [stdout(search).readline() for _ in range(2)]
        assert shown == [os.fsencode(inbox / f"{name}.png") + b"\n" for name in ("older", "old")]
        paint(inbox / "rose.png", (255, 0, 0))
        daemon.wait_for("rose.png")
        paint(inbox / "new.png", (0, 0, 255), 2)
        assert stdout(search).readline() == os.fsencode(inbox / "new.png") + b"\n"
        search.send_signal(signal.SIGINT)
        rest, said = search.communicate(timeout=PATIENCE)
        assert (search.returncode, rest, said) == (130, b"", b"")


@pytest.mark.parametrize("query", ["uncertain", "uncertain or in inbox path:*.png", "state:done", ""])
def test_any_query_can_be_followed(tmp_path: Path, inbox: Path, paint: Painter, query: str) -> None:
    paint(inbox / "blue.png", (0, 0, 255))
    tagger(tmp_path, "scan", inbox, *DATABASE)
    with following(tmp_path, "--csv", query) as search:
        assert stdout(search).readline().startswith(b"captured_at,")
        unsure = paint(inbox / "unsure.png", (255, 128, 0))
        tagger(tmp_path, "scan", inbox, *DATABASE)
        while os.fsencode(unsure) not in (line := stdout(search).readline()):
            assert line
        search.send_signal(signal.SIGINT)
        assert search.wait(PATIENCE) == 130


def test_what_follows_ends_when_nobody_reads_any_more(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    paint(inbox / "old.png", (0, 0, 255))
    tagger(tmp_path, "scan", inbox, *DATABASE)
    with following(tmp_path, "--nl") as search:
        assert stdout(search).readline()
        stdout(search).close()
        paint(inbox / "new.png", (0, 0, 255), 1)
        tagger(tmp_path, "scan", inbox, *DATABASE)
        search.wait(PATIENCE)
        assert search.stderr and b"Traceback" not in search.stderr.read()
