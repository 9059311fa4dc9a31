"""What all peers share: their arguments, one simple table, and the line they print per folder.

    python -m benchmarks.peers.NAME MODEL PRECISION FOLDER DATABASE [FOLDER DATABASE …]

MODEL is a safetensors file; `models` puts the same weights beside it as ONNX and as OpenVINO's int8. A peer
is asked for several folders at once so that it starts only once: warm from the first, it meets the rest.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TOP_K = 5

Tag = Callable[[list[Path], "Rows"], None]
"""Tags pictures and adds their rows; what is loaded before is not timed."""


class Rows:
    """One row per tag; a commit per call of `add`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE tag (path TEXT, rank INTEGER, label INTEGER, score REAL)")

    def add(self, paths: Sequence[object], logits: NDArray[np.float32]) -> None:
        """`logits` are N×C, a row per path."""
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        best = np.argsort(-scores, axis=1)[:, :TOP_K]
        with self._connection:
            self._connection.executemany(
                "INSERT INTO tag VALUES (?, ?, ?, ?)",
                (
                    (str(path), rank, int(label), float(row[label]))
                    for path, row, labels in zip(paths, scores, best, strict=True)
                    for rank, label in enumerate(labels, 1)
                ),
            )


def main(load: Callable[[Path, str], Tag]) -> None:
    """`load` takes MODEL and PRECISION."""
    model, precision, *places = sys.argv[1:]
    tag = load(Path(model), precision)
    for folder, database in zip(places[::2], places[1::2], strict=True):
        pictures = sorted(Path(folder).iterdir())
        with closing(sqlite3.connect(database)) as connection:
            start = time.perf_counter()
            tag(pictures, Rows(connection))
            seconds = time.perf_counter() - start
        print(json.dumps({"folder": folder, "pictures": len(pictures), "work_s": seconds}), flush=True)
