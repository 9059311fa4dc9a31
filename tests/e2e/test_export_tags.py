"""`tagger export` as a process, and its sidecars as other programs see them."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from tests.conftest import Painter
from tests.e2e.command import TAGGER, environment, restored, rows, tagger

pytestmark = pytest.mark.long

CONFIG = """
database: tags.db
sources: [pictures]
categories: categories.yaml
"""
CATEGORIES = """
colour: {name_zh: 颜色}
cold: {name_zh: 冷色, within: [colour], includes: [blue, green]}
"""
exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed: apt install libimage-exiftool-perl"
)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, paint: Painter) -> tuple[Path, Path]:
    """A home with a scanned folder `pictures` in `tags.db`, and a copy of it."""
    folder = tmp_path_factory.mktemp("scanned")
    home, kept = folder / "home", folder / "kept"
    paint(home / "pictures" / "sky.png", (0, 0, 255))
    paint(home / "pictures" / "garden" / "rose.png", (255, 0, 0))
    (home / "tagger.yaml").write_text(CONFIG)
    (home / "categories.yaml").write_text(CATEGORIES)
    assert scan(home).returncode == 0
    shutil.copytree(home, kept)
    return home, kept


@pytest.fixture
def tagged(scanned: tuple[Path, Path]) -> Path:
    """That home, just scanned: a blue sky and a red rose, and colours for categories."""
    return restored(*scanned)


def scan(home: Path) -> subprocess.CompletedProcess[str]:
    return tagger(home, "scan", "-c", "tagger.yaml")


def export(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return tagger(home, "export", "-c", "tagger.yaml", *arguments)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def seen_by_exiftool(sidecar: Path, *names: str) -> dict[str, Any]:
    """Lists are sets: their order means nothing."""
    wanted = [f"-{name}" for name in names or ("Subject", "HierarchicalSubject")]
    told = subprocess.check_output(["exiftool", "-json", "-sep", "\n", *wanted, sidecar], text=True)
    [found] = json.loads(told)
    return {name: set(str(value).split("\n")) for name, value in found.items() if name != "SourceFile"}


def test_csv_is_printed_and_nothing_is_written(tagged: Path) -> None:
    before = files(tagged)
    table = export(tagged, "blue", "--min-score", "0.5")
    found = [
        (row["kind"], row["name"], Path(row["path"]).name) for row in csv.DictReader(table.stdout.split("\n"))
    ]
    assert found == [
        ("label", "blue", "sky.png"),
        ("category", "colour", "sky.png"),
        ("category", "cold", "sky.png"),
    ] or found == [
        ("label", "blue", "sky.png"),
        ("category", "cold", "sky.png"),
        ("category", "colour", "sky.png"),
    ]
    assert (table.returncode, table.stderr) == (0, "")
    assert files(tagged) == before


def test_ndjson_has_every_picture_where_no_query_is_given(tagged: Path) -> None:
    found = [json.loads(line) for line in export(tagged, "--format", "ndjson").stdout.splitlines()]
    assert {Path(one["path"]).name: one["tags"][0]["label"] for one in found} == {
        "sky.png": "blue",
        "rose.png": "red",
    }
    assert all(len(one["tags"]) == 5 for one in found)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_file_is_written_and_written_anew(tagged: Path, form: str) -> None:
    output = tagged / f"out.{form}"
    output.write_text("yesterday's")
    output.chmod(0o600)
    before = files(tagged)
    written = export(tagged, "cold >= 0.5", "--format", form, "--output", output)
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    assert b"sky.png" in output.read_bytes()
    assert b"rose.png" not in output.read_bytes()
    assert output.stat().st_mode & 0o777 == 0o600
    assert files(tagged) == before


def test_parquet_has_lists_of_tags_and_categories(tagged: Path) -> None:
    export(tagged, "cold >= 0.5", "--format", "parquet", "--output", "out.parquet")
    [sky] = pyarrow.parquet.read_table(tagged / "out.parquet").to_pylist()
    assert sky["tags"][0]["label"] == "blue"
    assert {one["category"]: one["name_zh"] for one in sky["categories"]} == {
        "cold": "冷色",
        "colour": "颜色",
    }


@pytest.mark.parametrize("output", [[], ["--output", "out.csv"]])
def test_a_wrong_query_points_at_the_place_and_leaves_nothing(tagged: Path, output: list[str]) -> None:
    before = files(tagged)
    wrong = export(tagged, "red or bleu", *output)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "\n  red or bleu\n         ^^^^\n" in wrong.stderr
    assert files(tagged) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "parquet"], "needs --output FILE"),
        (["--format", "xmp"], "--beside"),
        (["--format", "xmp", "--beside", "--output", "out"], "not both"),
        (["--format", "xmp", "--output", "tagger.yaml"], "is not a folder"),
        (["--format", "xmp", "--output", "."], "beside the pictures"),
        (["--beside"], "for --format xmp only"),
        (["--lang", "zh"], "for --format xmp only"),
        (["--output", "nowhere/tags.csv"], "no such folder"),
        (["--output", "pictures"], "is not a file"),
        (["--output", "/dev/null"], "is not a file"),
        (["--output", "tags.db"], "is the database"),
    ],
)
def test_wrong_use_is_said_in_words_and_does_nothing(
    tagged: Path, arguments: list[str], message: str
) -> None:
    before = files(tagged)
    wrong = export(tagged, *arguments)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert message in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert files(tagged) == before


def test_parquet_without_pyarrow_says_what_to_install(tagged: Path) -> None:
    (tagged / "without" / "pyarrow").mkdir(parents=True)
    (tagged / "without" / "pyarrow" / "__init__.py").write_text("raise ImportError")
    wrong = tagger(
        tagged, "export", "-c", "tagger.yaml", "--format", "parquet", "--output", "out.parquet",
        PYTHONPATH=str(tagged / "without"),
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "pyarrow is not installed" in wrong.stderr
    assert "extra 'parquet'" in wrong.stderr
    assert not (tagged / "out.parquet").exists()


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_closed_pipe_is_no_error_of_ours(tagged: Path, form: str) -> None:
    with subprocess.Popen(
        [TAGGER, "export", "-c", "tagger.yaml", "--format", form],
        cwd=tagged,
        env=environment(tagged),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as exporting:
        assert exporting.stdout and exporting.stderr
        exporting.stdout.close()
        assert exporting.stderr.read() == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["export", "--help"], ["export", "blue", "--format", "csv"]]
)
def test_what_other_formats_need_is_not_imported(tagged: Path, arguments: list[str]) -> None:
    command = [*arguments, *(["-c", "tagger.yaml"] if "blue" in arguments else [])]
    ended = tagger(tagged, *command, PYTHONPROFILEIMPORTTIME="1")
    assert ended.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "typer" in imported
    # Of XML, the module of ours that needs it: what measures the tests' coverage imports the library itself.
    assert imported.isdisjoint({"pyarrow", "tagger.export.xmp", "numpy", "torch", "PIL"})


@exiftool
def test_sidecars_in_a_folder_mirror_the_sources_and_leave_these_alone(tagged: Path) -> None:
    before = files(tagged)
    written = export(tagged, "--format", "xmp", "--output", "sidecars")
    assert (written.returncode, written.stdout) == (0, "2 written, 0 unchanged, 0 missing, 0 failed\n")
    assert files(tagged) - before == {
        "sidecars/pictures/sky.png.xmp",
        "sidecars/pictures/garden/rose.png.xmp",
    }
    assert seen_by_exiftool(tagged / "sidecars/pictures/sky.png.xmp") == {
        "Subject": {"blue", "cold", "colour"},
        "HierarchicalSubject": {"blue", "colour", "colour|cold"},
    }
    again = export(tagged, "--format", "xmp", "--output", "sidecars")
    assert again.stdout == "0 written, 2 unchanged, 0 missing, 0 failed\n"


@exiftool
def test_keywords_can_be_in_chinese(tagged: Path) -> None:
    export(tagged, "blue", "--format", "xmp", "--output", "sidecars", "--lang", "zh")
    assert seen_by_exiftool(tagged / "sidecars/pictures/sky.png.xmp") == {
        "Subject": {"blue", "冷色", "颜色"},
        "HierarchicalSubject": {"blue", "颜色", "颜色|冷色"},
    }


@exiftool
def test_what_exiftool_wrote_survives_exports_and_a_new_tagging(tagged: Path, paint: Painter) -> None:
    sidecar = tagged / "pictures/sky.png.xmp"
    theirs = [
        "-Subject=holiday",
        "-Subject=cold",
        "-HierarchicalSubject=people|grandma",
        "-Rating=4",
        "-Title=a & b",
    ]
    subprocess.check_call(["exiftool", "-q", *theirs, sidecar])
    for _ in range(2):
        export(tagged, "--format", "xmp", "--beside")
    assert seen_by_exiftool(sidecar)["Subject"] == {"holiday", "cold", "blue", "colour"}
    more = ["-Subject+=by the sea", "-Description=x\ny", "-overwrite_original"]
    subprocess.check_call(["exiftool", "-q", *more, sidecar])  # which writes all of ours anew, too
    paint(tagged / "pictures/sky.png", (255, 0, 0))
    scan(tagged)
    assert export(tagged, "--format", "xmp", "--beside").returncode == 0
    assert seen_by_exiftool(sidecar) == {
        "Subject": {"holiday", "cold", "by the sea", "red"},
        "HierarchicalSubject": {"people|grandma", "red"},
    }
    assert seen_by_exiftool(sidecar, "Rating", "Title", "Description") == {
        "Rating": {"4"},
        "Title": {"a & b"},
        "Description": {"x", "y"},
    }


@exiftool
@pytest.mark.parametrize("form", ["-api", "-XMPToolkit=", "-api=Compact=Shorthand"])
def test_exiftool_s_other_ways_to_write_are_read(tagged: Path, form: str) -> None:
    sidecar = tagged / "pictures/sky.png.xmp"
    options = ["-api", "Compact=Shorthand,OneDesc,NoIndent,NoNewline"] if form == "-api" else []
    options = ["-XMPToolkit="] if form == "-XMPToolkit=" else options or ["-api", "Compact=Shorthand"]
    subprocess.check_call(["exiftool", "-q", *options, "-Subject=mine", "-Rating=4", "-Label=green", sidecar])
    export(tagged, "--format", "xmp", "--beside")
    export(tagged, "--format", "xmp", "--beside", "--min-score", "1")
    assert seen_by_exiftool(sidecar, "Subject", "Rating", "Label") == {
        "Subject": {"mine"},
        "Rating": {"4"},
        "Label": {"green"},
    }


def test_a_sidecar_that_is_no_xmp_is_named_and_the_others_are_written(tagged: Path) -> None:
    (tagged / "pictures/sky.png.xmp").write_text("<x:xmpmeta")
    (tagged / "precious").write_text("precious")
    (tagged / "pictures/garden/rose.png.xmp").symlink_to(tagged / "precious")
    ended = export(tagged, "--format", "xmp", "--beside")
    assert (ended.returncode, ended.stdout) == (1, "0 written, 0 unchanged, 0 missing, 2 failed\n")
    assert "pictures/sky.png.xmp: is not XMP" in ended.stderr
    assert "rose.png.xmp: is a symbolic link" in ended.stderr
    assert (tagged / "pictures/sky.png.xmp").read_text() == "<x:xmpmeta"
    assert (tagged / "precious").read_text() == "precious"
    (tagged / "pictures/garden/rose.png.xmp").unlink()
    ended = export(tagged, "--format", "xmp", "--beside")
    assert (ended.returncode, ended.stdout) == (1, "1 written, 0 unchanged, 0 missing, 1 failed\n")


def test_beside_a_deleted_picture_nothing_is_written_and_sidecars_are_no_pictures(tagged: Path) -> None:
    (tagged / "pictures/sky.png").unlink()
    ended = export(tagged, "--format", "xmp", "--beside")
    assert (ended.returncode, ended.stdout) == (0, "1 written, 0 unchanged, 1 missing, 0 failed\n")
    assert files(tagged / "pictures") == {"garden/rose.png", "garden/rose.png.xmp"}
    scan(tagged)
    assert rows(tagged / "tags.db", "SELECT count(*) FROM file") == [(2,)]
