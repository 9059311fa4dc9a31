"""Exports of a real database: what is in them, where sidecars lie, and how much memory it takes."""

import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from tagger.errors import ConfigError, TaggerError
from tagger.export import parquet, rows, selection, sidecars, xmp
from tagger.export.files import whole
from tagger.export.keywords import Hierarchy, Keywords
from tagger.export.language import Language
from tagger.export.sidecars import Beside, Mirror, Sidecar
from tagger.heads.head import Fit
from tagger.records import Gone
from tagger.search.parse import parse
from tagger.store.search.pictures import FoundPicture
from tests.integration.shelf import RESNET, Shelf, rewritten
from tests.integration.test_head_tags import BATTLE, OTHER, head, labelling, learned, seen
from tests.unit.test_xmp import keywords

DOG = Keywords(("dog",), ("animal|dog",))


@pytest.fixture
def tagged(shelf: Shelf) -> Shelf:
    """A car and a cat, and the cat an hour later on the phone."""
    shelf.tag(shelf.stamp("red/car.jpg", age=timedelta(hours=2)), {"sports car": 0.8, "tabby": 0.1})
    shelf.tag(shelf.stamp("cat.jpg", age=timedelta(hours=1)), {"tabby": 0.9})
    shelf.tag(shelf.stamp("cat.jpg", "phone"), {"tabby": 0.7})
    return shelf


def found(shelf: Shelf, text: str = "", least: float = 0, limit: int | None = None) -> list[FoundPicture]:
    query = parse(text, datetime.now(UTC))
    return list(selection.pictures(shelf.database, query, text, 0.3, least, limit))


def as_csv(pictures: list[FoundPicture]) -> list[str]:
    stream = io.StringIO()
    rows.write_csv(pictures, stream)
    return stream.getvalue().splitlines()


def as_ndjson(pictures: list[FoundPicture]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    rows.write_ndjson(pictures, stream)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def as_parquet(pictures: list[FoundPicture]) -> Any:
    file = io.BytesIO()
    parquet.write(pictures, file)
    return pyarrow.parquet.read_table(file)


def test_csv_has_a_row_for_each_label_and_each_category(tagged: Shelf) -> None:
    when = "2024-05-01T10:00:00.000Z,2024-05-01T12:00:00.000Z,2024-05-01T12:00:00.000Z"
    about = f"/data/cam/red/car.jpg,cam,{when},1"
    assert as_csv(found(tagged, "sports car")) == [
        "path,source,captured_at,seen_at,tagged_at,seq,kind,name,name_zh,key,score,rank,head,by,state",
        f"{about},label,sports car,跑车,n00000002,0.8,1,,model,",
        f"{about},label,tabby,虎斑猫,n00000000,0.1,2,,model,",
        f"{about},category,vehicle,交通工具,vehicle,0.8,1,,model,",
        f"{about},category,car,汽车,car,0.8,2,,model,",
        f"{about},category,animal,动物,animal,0.1,3,,model,",
    ]


def test_ndjson_and_parquet_have_the_same_objects(tagged: Shelf) -> None:
    pictures = found(tagged)
    objects, table = as_ndjson(pictures), as_parquet(pictures)
    assert [one["path"] for one in objects] == [
        "/data/phone/cat.jpg",
        "/data/cam/cat.jpg",
        "/data/cam/red/car.jpg",
    ]
    times = {"captured_at", "seen_at", "tagged_at"}
    for one, row in zip(objects, table.to_pylist(), strict=True):
        assert {key: one[key] for key in one.keys() - times} == {key: row[key] for key in one.keys() - times}
        assert {datetime.fromisoformat(one[key]) for key in times} == {row[key] for key in times}
    assert str(table.schema.field("captured_at").type) == "timestamp[ms, tz=UTC]"


def test_what_scores_less_than_is_asked_for_is_left_out(tagged: Shelf) -> None:
    [car] = as_ndjson(found(tagged, "sports car", least=0.5))
    assert [one["label"] for one in car["tags"]] == ["sports car"]
    assert {one["category"] for one in car["categories"]} == {"vehicle", "car"}


def test_what_heads_say_is_in_each_format_and_in_keywords(shelf: Shelf) -> None:
    fit = Fit(RESNET, np.eye(3, dtype=np.float32) * 9, np.zeros(3, np.float32), (0.5, 0.5), (0.2, 0.5))
    learned(shelf, head(names_zh={"battle": "战斗"}, fits=(fit,), recalls={"battle": 0.98}))
    labelling(shelf).take_up()
    for name, features in (("battle", BATTLE), ("other", OTHER)):
        seen(shelf, f"{name}.jpg", features)
    [battle], [other] = found(shelf, "battle", least=0.9), found(shelf, "scene:none")
    own = [line.partition(",head,")[2] for line in as_csv([battle, other]) if ",head," in line]
    assert own[-2:] == [
        "battle,战斗,scene/battle,0.9998,,scene,model,flagged",
        "none,,scene/none,0.9999,,scene,model,clear",
    ]
    [one] = as_ndjson([battle])
    assert one["heads"] == [
        {
            "label": "battle",
            "name_zh": "战斗",
            "key": "scene/battle",
            "score": 0.9998,
            "head": "scene",
            "by": "model",
            "state": "flagged",
        }
    ]
    assert as_parquet([battle])["heads"].to_pylist() == [one["heads"]]
    english = Hierarchy.read(shelf.database, Language.EN)
    assert ("battle" in english.keywords(battle).flat, "scene|battle" in english.keywords(battle).paths) == (
        True,
        True,
    )
    assert "战斗" in Hierarchy.read(shelf.database, Language.ZH).keywords(battle).flat
    assert "none" not in english.keywords(other).flat


def test_a_limit_keeps_the_newest(tagged: Shelf) -> None:
    assert [one["path"] for one in as_ndjson(found(tagged, limit=1))] == ["/data/phone/cat.jpg"]


def test_a_picture_without_tags_is_an_object_and_no_row(shelf: Shelf) -> None:
    shelf.admitted(shelf.stamp("new.jpg"))
    pictures = found(shelf, "state:busy")
    [new] = as_ndjson(pictures)
    assert (new["state"], new["tags"], new["seq"], new["captured_at"]) == ("busy", [], None, None)
    assert len(as_csv(pictures)) == 1
    assert as_parquet(pictures).num_rows == 1


def test_nothing_found_is_still_a_table() -> None:
    assert as_csv([]) == [",".join(rows.COLUMNS)]
    assert as_parquet([]).column_names[:2] == ["path", "source"]


def test_a_path_that_is_no_text_survives_in_every_format(shelf: Shelf, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9,\n.jpg")
    shelf.tag(shelf.stamp(name), {"tabby": 0.9}, "content")
    pictures = found(shelf)
    [one] = as_ndjson(pictures)
    assert os.fsencode(one["path"]) == b"/data/cam/caf\xe9,\n.jpg"
    assert as_parquet(pictures)["path"].to_pylist() == ["/data/cam/caf\uf7e9,\n.jpg"]
    assert as_csv(pictures)[1].startswith('"/data/cam/caf\udce9,')
    sidecar = Mirror.read(shelf.database, tmp_path / "out").sidecar(pictures[0])
    assert sidecars.write(sidecar, DOG)
    assert os.listdir(os.fsencode(tmp_path / "out/cam")) == [b"caf\xe9,\n.jpg.xmp"]


def test_keywords_are_labels_and_categories_with_what_these_are_within(tagged: Shelf) -> None:
    [car] = found(tagged, "sports car", least=0.5)
    english = Hierarchy.read(tagged.database, Language.EN).keywords(car)
    assert set(english.flat) == {"sports car", "vehicle", "car"}
    assert set(english.paths) == {"sports car", "vehicle", "vehicle|car"}
    chinese = Hierarchy.read(tagged.database, Language.ZH).keywords(car)
    assert set(chinese.paths) == {"跑车", "交通工具", "交通工具|汽车"}


def test_a_picture_that_is_tagged_anew_loses_the_keywords_that_no_longer_hold(
    shelf: Shelf, tmp_path: Path
) -> None:
    stamp, path = shelf.stamp("one.jpg"), tmp_path / "one.jpg.xmp"
    hierarchy = Hierarchy.read(shelf.database, Language.EN)
    shelf.tag(stamp, {"sports car": 0.8})
    assert sidecars.write(Sidecar(path), hierarchy.keywords(found(shelf)[0]))
    shelf.tag(rewritten(stamp), {"tabby": 0.8}, "another")
    assert sidecars.write(Sidecar(path), hierarchy.keywords(found(shelf)[0]))
    assert keywords(path.read_bytes()) == ["tabby", "animal"]
    assert not sidecars.write(Sidecar(path), hierarchy.keywords(found(shelf)[0]))


def test_a_mirror_keeps_sources_and_folders_apart(tagged: Shelf, tmp_path: Path) -> None:
    mirror = Mirror.read(tagged.database, tmp_path)
    assert [mirror.sidecar(one) for one in found(tagged)] == [
        Sidecar(tmp_path / "phone/cat.jpg.xmp"),
        Sidecar(tmp_path / "cam/cat.jpg.xmp"),
        Sidecar(tmp_path / "cam/red/car.jpg.xmp"),
    ]


NAMES = ("..", ".", "%2E", "a%2Fb", "%", "a")


def test_no_name_of_a_source_leads_out_of_the_mirror_or_to_another_s(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "tags.db", NAMES)
    for name in NAMES:
        shelf.tag(shelf.stamp("x.jpg", name), {"tabby": 0.9}, name)
    mirror = Mirror.read(shelf.database, tmp_path / "out")
    paths = {mirror.sidecar(one).path for one in found(shelf)}
    shelf.database.close()
    assert len(paths) == len(NAMES)
    assert {Path(os.path.normpath(path)).parent.parent for path in paths} == {tmp_path / "out"}


def test_a_path_that_leads_out_of_its_source_is_refused(tagged: Shelf, tmp_path: Path) -> None:
    [car] = found(tagged, "sports car")
    mirror = Mirror(tmp_path, {"cam": "/data/cam/red"})
    assert mirror.sidecar(car) == Sidecar(tmp_path / "cam/car.jpg.xmp")
    with pytest.raises(TaggerError, match="no path within its source"):
        Mirror(tmp_path, {"cam": "/elsewhere"}).sidecar(car)
    with pytest.raises(TaggerError, match="no path within its source"):
        Mirror(tmp_path, {}).sidecar(car)


def test_a_mirror_that_would_lie_on_the_pictures_is_refused(tagged: Shelf, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/data")
    with pytest.raises(ConfigError, match="--beside"):
        Mirror.read(tagged.database, tmp_path / "link")


def test_beside_a_picture_that_is_gone_nothing_is_written(shelf: Shelf) -> None:
    stamp = shelf.stamp("cat.jpg")
    shelf.tag(stamp, {"tabby": 0.9})
    assert [Beside.read(shelf.database).sidecar(one) for one in found(shelf)] == [None]
    shelf.writer.write([Gone(stamp)])
    assert [Beside.read(shelf.database).sidecar(one) for one in found(shelf)] == [None]


def test_a_sidecar_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.xmp"
    sidecars.write(Sidecar(path), DOG)
    path.chmod(0o640)
    assert sidecars.write(Sidecar(path), Keywords(("cat",), ()))
    assert path.stat().st_mode & 0o7777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg.xmp"]


def test_an_empty_sidecar_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg.xmp"
    path.touch()
    assert sidecars.write(Sidecar(path), DOG)
    assert keywords(path.read_bytes()) == ["dog"]


def _link(path: Path) -> None:
    (path.parent / "precious").write_bytes(b"")
    path.symlink_to(path.parent / "precious")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_link, "symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "symbolic link"),
        (Path.mkdir, "directory"),
        (os.mkfifo, "no file that a sidecar could be"),
        (lambda path: path.write_text("<x:xmpmeta"), "not XMP"),
    ],
)
def test_what_is_no_sidecar_is_left_as_it_is(tmp_path: Path, make: Any, why: str) -> None:
    path = tmp_path / "a.jpg.xmp"
    make(path)
    before = path.lstat(), sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(TaggerError, match=why):
        sidecars.write(Sidecar(path), DOG)
    after = path.lstat(), sorted(path.name for path in tmp_path.iterdir())
    assert (after[0].st_ino, after[0].st_size, after[1]) == (before[0].st_ino, before[0].st_size, before[1])
    if (tmp_path / "precious").exists():
        assert (tmp_path / "precious").read_bytes() == b""


def test_a_sidecar_that_someone_else_writes_at_the_same_time_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, merge = tmp_path / "a.jpg.xmp", xmp.merged

    def slow(data: bytes, wanted: Keywords) -> bytes | None:
        path.write_text("theirs")
        return merge(data, wanted)

    monkeypatch.setattr(xmp, "merged", slow)
    with pytest.raises(TaggerError, match="another program"):
        sidecars.write(Sidecar(path), DOG)
    assert path.read_text() == "theirs"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_file_that_is_not_finished_leaves_the_one_before(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("yesterday's")
    with pytest.raises(error), whole(path) as file:
        file.write(b"half of tod")
        raise error
    assert path.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [path]


FILL = """
INSERT OR IGNORE INTO source (id, name, root) VALUES (1, 'cam', '/data/cam');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO file (id, source_id, path, size, mtime_ns, ctime_ns, captured_at, seen_at, state, urgency, attempts)
SELECT i, 1, 'a fairly long folder/' || i || '.jpg', 1, 1, 1,
       strftime('%Y-%m-%d %H:%M:%S.000', 1700000000 + i, 'unixepoch'), '2024-05-01 12:00:00.000', 'done', 0, 0 FROM n;
INSERT INTO reading (file_id, model_id, tagged_at, top_score, margin, entropy)
SELECT id, 1, seen_at, 0.9, 0.1, 1.0 FROM file;
INSERT INTO tag (file_id, model_id, rank, label_id, score, captured_at, seen_at)
SELECT file.id, 1, label.id, label.id, 0.9 / label.id, captured_at, seen_at FROM file, label;
INSERT INTO category_score (category_id, captured_at, file_id, model_id, score)
SELECT category.id, captured_at, file.id, 1, 0.9 FROM file, category
"""
MEASURE = """
import sys
from tagger.cli import app
try:
    app(sys.argv[1:])
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""
"""The peak of the process itself: what a parent asks for counts the parent's own memory before it became another."""


def database_of(file: Path, count: int) -> Path:
    Shelf(file).database.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"BEGIN; {FILL.replace(':count', str(count))}; COMMIT;")
    return file


def megabytes(database: Path, *arguments: object) -> float:
    command = [sys.executable, "-c", MEASURE, "export", "--database", database, *arguments]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TAGGER_")}
    ended = subprocess.run(
        [*map(str, command)], env=clean, stderr=subprocess.PIPE, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", ended.stderr)
    return int(peak) / 1024


@pytest.fixture(scope="module")
def small_and_large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("export")
    return database_of(folder / "small.db", 2_000), database_of(folder / "large.db", 20_000)


@pytest.mark.long
@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_ten_times_the_pictures_need_no_more_memory(
    small_and_large: tuple[Path, Path], tmp_path: Path, form: str
) -> None:
    """Held at once, 18,000 pictures with five tags and three categories are 60 MB; a group of Parquet's rows is 6."""
    output = tmp_path / f"tags.{form}"
    small, large = (megabytes(file, "--format", form, "--output", output) for file in small_and_large)
    assert large - small < 20
    if form == "parquet":
        groups = pyarrow.parquet.read_metadata(output)
        assert (groups.num_rows, groups.num_row_groups) == (20_000, 4)
    else:
        assert len(output.read_bytes().splitlines()) == (20_000 if form == "ndjson" else 160_001)
