"""Similar pictures among 1,000,000, and copies among 50,000. `python -m benchmarks.similar FOLDER [PICTURES]`

With TAGGER_PHOTOS, a folder of photos, features are those that the default model sees in the photos and in what people make
of them: re-encoded, scaled, cropped, brighter and darker. How alike these are to it is told first. A million are made from
them: scenes are mixtures of three photos, and a picture of a scene is off by a part of what such a change did to some photo.
Without photos, scenes are random. Four gigabytes are written to FOLDER for a million, and deleted again.
"""

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks.sql import _register
from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.records import ModelIdentity
from tagger.similar import duplicates
from tagger.similar.forest import Forest
from tagger.similar.neighbours import nearest
from tagger.store.core.database import Database
from tagger.store.search import features
from tagger.store.tags import codes
from tagger.vision import resize
from tagger.vision.features import features_of
from tagger.vision.load import load_classifier

PROCESS = """
import atexit, pathlib, sys
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
from tagger.cli import main
main()
"""
"""`tagger`, which tells its peak of memory when it ends."""
Rows = NDArray[np.float32]
WIDTH = 1280
"""Numbers of a vector where there are no photos: those of the default model."""
SCENES = 4
"""Pictures of each scene, on average."""
PAGE = 20_000
ASKED = 50
COPIES = 50_000
AT_LEAST = 0.95, 0.9, 0.85
INFERRED = 8
"""Pictures that go through the model together."""
MODEL = ModelIdentity("resnet18", "0", "none")
TIME = "2026-01-01 12:00:00.000"


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    file = folder / "similar.db"
    photos = _photos()
    rows = _many(photos, count, np.random.default_rng(1))
    vectors = _store(file, rows, count)
    print(f"{count:,} pictures, {file.stat().st_size / 1e6:,.0f} MB; numpy {np.__version__}")
    try:
        _report_similar(file, vectors)
        for at_least in AT_LEAST:
            _report_copies(file, vectors[:COPIES], at_least)
        if count > COPIES:
            _report_copies(file, vectors, AT_LEAST[1], exact=False)
    finally:
        file.unlink()


def _report_similar(file: Path, vectors: NDArray[np.float16]) -> None:
    asked = np.random.default_rng(5).choice(len(vectors), ASKED, replace=False)
    times, hits = [], 0
    with closing(Database.open(str(file), create=False)) as database:
        for at in asked:
            start = time.perf_counter()
            seen = features.by_seq(database, int(at) + 1)
            with features.of_model(database, seen.model) as album:
                found = {one.file_id for one in nearest(album, seen, 10)}
            times.append((time.perf_counter() - start) * 1000)
            hits += len(found & _nearest(vectors, int(at)))
    print(f"similar: first {times[0]:.0f} ms, then {statistics.median(times[1:]):.0f} ms (median)", end=", ")
    print(f"recall@10 {hits / 10 / ASKED:.3f}")
    start = time.perf_counter()
    command = [sys.executable, "-c", PROCESS, "similar", "1", "--database", str(file)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    seconds = time.perf_counter() - start
    peak = int(told.partition("VmHWM:")[2].split()[0]) / 1024
    print(f"tagger similar, as a process: {seconds * 1000:.0f} ms, {peak:.0f} MB")


def _nearest(vectors: NDArray[np.float16], at: int) -> set[int]:
    """Exactly."""
    own = vectors[at].astype(np.float32)
    pages = range(0, len(vectors), PAGE)
    cosines = np.concatenate([vectors[start : start + PAGE].astype(np.float32) @ own for start in pages])
    cosines[at] = -1
    return {int(one) + 1 for one in np.argpartition(-cosines, 10)[:10]}


def _report_copies(file: Path, vectors: NDArray[np.float16], at_least: float, exact: bool = True) -> None:
    start = time.perf_counter()
    forest = Forest(len(vectors))
    with (
        closing(Database.open(str(file), create=False)) as database,
        features.of_model(database, MODEL) as album,
    ):
        duplicates.link(forest, album, np.arange(1, len(vectors) + 1), at_least)
    groups = forest.groups()
    seconds = time.perf_counter() - start
    print(f"copies of {at_least} among {len(vectors):,}: {seconds:.0f} s, {len(groups):,} groups", end="")
    print(f", {_recall(forest, vectors, at_least):.4f} of all pairs are in one" if exact else "", flush=True)


def _recall(forest: Forest, vectors: NDArray[np.float16], at_least: float) -> float:
    whole = vectors.astype(np.float32)
    roots, pairs, together = forest.roots(np.arange(len(whole))), 0, 0
    for start in range(0, len(whole), 1000):
        some, others = np.nonzero(whole[start : start + 1000] @ whole.T >= at_least)
        new = some + start < others
        pairs += int(new.sum())
        together += int((roots[some[new] + start] == roots[others[new]]).sum())
    return together / max(pairs, 1)


def _photos() -> Rows:
    """Photos × changes × numbers of a vector; the first change is none."""
    folder = os.environ.get("TAGGER_PHOTOS")
    if not folder:
        return np.abs(np.random.default_rng(0).standard_normal((120, 12, WIDTH), np.float32))
    classifier = load_classifier(Settings(), data_home(), cache_home())
    found = []
    for path in sorted(Path(folder).glob("*.jpg")):
        with Image.open(path) as picture:
            changed = dict(_changed(picture.convert("RGB")))
        pixels = [
            np.asarray(resize.fast(one, one.size, classifier.preprocessing)) for one in changed.values()
        ]
        parts = [np.concatenate(pixels[at : at + INFERRED]) for at in range(0, len(pixels), INFERRED)]
        found.append(np.concatenate([classifier.engine.infer(part).features for part in parts]))
    print(classifier.description)
    _report_changes(list(changed), np.stack(found))
    return np.stack(found)


def _report_changes(names: list[str], photos: Rows) -> None:
    """The cosine of each change to its photo, and in how many bits of 64 they differ in a session's eyes."""
    units, looks = _units_and_looks(photos)
    for at, name in enumerate(names[1:], 1):
        cosines = np.einsum("pf,pf->p", units[:, 0], units[:, at])
        _report_pairs(name, cosines, np.bitwise_count(looks[:, 0] ^ looks[:, at]))
    one, other = np.triu_indices(len(photos), 1)
    cosines = (units[:, 0] @ units[:, 0].T)[one, other]
    _report_pairs("two photos", cosines, np.bitwise_count(looks[one, 0] ^ looks[other, 0]))


def _units_and_looks(photos: Rows) -> tuple[Rows, NDArray[np.uint64]]:
    stored = [
        one for one in features_of(photos.reshape(-1, photos.shape[2]), [1] * photos[..., 0].size) if one
    ]
    vectors = np.stack([np.frombuffer(one.vector, np.float16).astype(np.float32) for one in stored])
    looks = np.array([one.look for one in stored], np.int64).view(np.uint64)
    return vectors.reshape(photos.shape), looks.reshape(photos.shape[:2])


def _report_pairs(name: str, cosines: Rows, bits: NDArray[np.uint8]) -> None:
    low, middle, high = cosines.min(), np.median(cosines), cosines.max()
    many = ", ".join(f"{(cosines >= one).mean():.0%} ≥ {one}" for one in AT_LEAST)
    print(f"{name}: median {middle:.3f}, {low:.3f} to {high:.3f}, {many}", end="; ")
    few = ", ".join(f"{(bits <= one).mean():.2%} ≤ {one}" for one in (12, 14, 16))
    print(f"bits: median {np.median(bits):.0f}, {few}")


def _changed(picture: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    width, height = picture.size
    yield "as it is", picture
    for quality in (50, 20):
        yield f"JPEG {quality}", _encoded(picture, quality)
    for part, quality in ((2, 95), (3, 60), (4, 60)):
        yield (
            f"1/{part} of its size, JPEG {quality}",
            _encoded(picture.resize((width // part, height // part)), quality),
        )
    for cut in (0.025, 0.05, 0.1):
        left, top = int(width * cut), int(height * cut)
        box = (left, top, width - left, height - top)
        yield f"without the outer {2 * cut:.0%}", picture.crop(box)
    for factor in (1.2, 0.8, 0.5):
        yield f"brightness × {factor}", ImageEnhance.Brightness(picture).enhance(factor)
    yield "mirrored", picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    yield "grey", picture.convert("L").convert("RGB")


def _encoded(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _many(photos: Rows, count: int, chance: np.random.Generator) -> Iterator[Rows]:
    """So many, in pages."""
    for start in range(0, count, PAGE):
        size = min(PAGE, count - start)
        scenes = max(size // SCENES, 1)
        shares = chance.dirichlet([1, 0.5, 0.3], scenes).astype(np.float32)
        parts = photos[chance.integers(0, len(photos), (scenes, 3)), 0]
        mixed = np.einsum("sp,spf->sf", shares, parts)
        mixed *= np.exp(chance.normal(0, 0.4, mixed.shape)).astype(np.float32)
        which = chance.integers(0, len(photos), size), chance.integers(1, photos.shape[1], size)
        change = (photos[which] - photos[which[0], 0]) * chance.random((size, 1), np.float32)
        yield np.maximum(mixed[chance.integers(0, scenes, size)] + change, 0)


def _store(file: Path, pages: Iterator[Rows], count: int) -> NDArray[np.float16]:
    """Straight into the tables, since nothing else is to be measured. Gives the vectors."""
    with closing(Database.open(str(file), create=True)) as database:
        _register(database)
        vectors = np.empty((0, 0), np.float16)
        with database.write() as connection:
            connection.exec_driver_sql("INSERT INTO source (id, name, root) VALUES (1, 'cam', '/srv/cam')")
            start = 0
            for page in pages:
                stored = [one for one in features_of(page, [1] * len(page)) if one]
                if not start:
                    vectors = np.empty((count, page.shape[1]), np.float16)
                ids = range(start + 1, start + 1 + len(stored))
                vectors[start : start + len(stored)] = [
                    np.frombuffer(one.vector, np.float16) for one in stored
                ]
                connection.exec_driver_sql(
                    "INSERT INTO file (id, source_id, path, size, mtime_ns, ctime_ns, sha256, width, height, format,"
                    " captured_at, seen_at, state, urgency, attempts)"
                    " VALUES (?, 1, ?, 1, 0, 0, ?, 640, 480, 'JPEG', ?, ?, 'done', 0, 0)",
                    [(id_, f"{id_}.jpg", f"{id_:064x}", TIME, TIME) for id_ in ids],
                )
                connection.exec_driver_sql(
                    "INSERT INTO reading (seq, file_id, model_id, tagged_at, top_score, margin, entropy, look)"
                    " VALUES (?, ?, 1, ?, 0.5, 0.1, 1.0, ?)",
                    [(id_, id_, TIME, one.look) for id_, one in zip(ids, stored, strict=True)],
                )
                connection.exec_driver_sql(
                    "INSERT INTO feature VALUES (?, ?)",
                    [(id_, one.vector) for id_, one in zip(ids, stored, strict=True)],
                )
                codes.put(connection, ((id_, one.code) for id_, one in zip(ids, stored, strict=True)))
                start += len(stored)
    return vectors[:start]


if __name__ == "__main__":
    main()
