"""Who is measured, and how: a peer or Tagger, each in a process of its own, from files on disk to rows in SQLite.

What counts is the time from "model loaded" to "last row committed". A peer takes it itself (see `peers.contract`).
Of Tagger the real command is run, and its log is read as it comes: the line that names the model begins, the
one that says that nothing is left in flight ends. What the whole process takes besides is told as its start.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tagger.vision.labels import imagenet

TAGGER = str(Path(sys.executable).with_name("tagger"))


class Place(NamedTuple):
    """Where a run happens: its own home, the weights that all sides share, and each set's folder."""

    home: Path
    weights: Path
    sets: dict[str, Path]

    def database(self, name: str) -> Path:
        """A name for a database that is not there yet."""
        path = self.home / f"{name}.db"
        for suffix in ("", "-wal", "-shm", ".lock"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        return path

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """This process's, with settings for Tagger and a home of its own for what it makes."""
        homes = {f"XDG_{kind}_HOME": str(self.home / kind.lower()) for kind in ("DATA", "CACHE", "CONFIG")}
        ours = {"TAGGER_LOG_FORMAT": "text", "ORT_DISABLE_TELEMETRY": "1"}
        return os.environ | homes | ours | dict(variables)


class Run(NamedTuple):
    """By set: pictures per second, and each file's best label; and the seconds that are not work."""

    rates: dict[str, float]
    labels: dict[str, dict[str, str]]
    start: float


@dataclass(frozen=True)
class Peer:
    """`module` of `benchmarks.peers`; `flag` is what it is told instead of its precision."""

    title: str
    precision: str
    module: str
    flag: str = ""

    def run(self, place: Place) -> Run:
        databases = {name: place.database(name) for name in place.sets}
        pairs = [str(part) for name in place.sets for part in (place.sets[name], databases[name])]
        module, flag = f"benchmarks.peers.{self.module}", self.flag or self.precision
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", module, str(place.weights), flag, *pairs], capture_output=True, text=True
        )
        whole = time.perf_counter() - begin
        if done.returncode:
            raise RuntimeError(f"{self.title} failed:\n{done.stderr}")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        seconds = {name: line["work_s"] for name, line in zip(place.sets, lines, strict=True)}
        labels = {name: self._labels(databases[name]) for name in place.sets}
        rates = {name: len(labels[name]) / seconds[name] for name in place.sets}
        return Run(rates, labels, whole - sum(seconds.values()))

    def _labels(self, database: Path) -> dict[str, str]:
        found = _rows(database, "SELECT path, label FROM tag WHERE rank = 1")
        return {path: imagenet()[label].name for path, label in found}


@dataclass(frozen=True)
class Ours:
    """`settings` are Tagger's variables, less their prefix."""

    title: str
    precision: str
    settings: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    """One of Tagger's own, in place of the weights that all sides share."""

    def variables(self, place: Place) -> dict[str, str]:
        shared = {"MODEL__NAME": "resnet18", "MODEL__WEIGHTS": str(place.weights)}
        model = {"MODEL__NAME": self.model} if self.model else shared
        settings = {**model, "ENGINE__PRECISION": self.precision, **self.settings}
        return {f"TAGGER_{key}": value for key, value in settings.items()}

    def run(self, place: Place) -> Run:
        runs = {name: self._scan(folder, place) for name, folder in place.sets.items()}
        rates = {name: len(labels) / work for name, (labels, work, _) in runs.items()}
        labels = {name: labels for name, (labels, _, _) in runs.items()}
        return Run(rates, labels, median(start for _, _, start in runs.values()))

    def _scan(self, folder: Path, place: Place) -> tuple[dict[str, str], float, float]:
        database = place.database("ours")
        begin = time.perf_counter()
        process = subprocess.Popen(
            [TAGGER, "scan", str(folder), "--database", str(database)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=place.environment(self.variables(place)),
        )
        assert process.stderr
        log = [(time.perf_counter(), line) for line in process.stderr]
        code, whole = process.wait(), time.perf_counter() - begin
        loaded = [moment for moment, line in log if " INFO model: " in line]
        if code or not loaded:
            raise RuntimeError(f"tagger {self.title} failed:\n{''.join(line for _, line in log)}")
        work = log[-1][0] - loaded[0]
        labels = dict(_rows(database, "SELECT path, label FROM top_tag"))
        return labels, work, whole - work


def _rows(database: Path, query: str) -> list[tuple[str, Any]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


Side = Peer | Ours

SIDES: dict[str, Side] = {
    "1": Peer("1 per-image script", "fp32", "script"),
    "2": Peer("2 torch DataLoader", "fp32", "dataloader"),
    "2-bf16": Peer("2 torch DataLoader", "bf16", "dataloader"),
    "3": Peer("3 timm", "fp32", "timm_inference"),
    "4": Peer("4 ONNX Runtime", "fp32", "onnx_runtime"),
    "5": Peer("5 OpenVINO async", "fp32", "openvino_async"),
    "5-bf16": Peer("5 OpenVINO async", "bf16", "openvino_async"),
    "5-int8": Peer("5 OpenVINO async", "int8", "openvino_async"),
    "6": Peer("6 Ray Data", "fp32", "ray_data"),
    "ours-fp32": Ours("Tagger", "fp32"),
    "ours-bf16": Ours("Tagger", "bf16"),
    "ours-int8": Ours("Tagger", "int8"),
    "5-draft": Peer("5 with draft", "bf16", "openvino_async", "bf16-draft"),
    "ours-exact": Ours("Tagger, exact decoding", "bf16", {"DECODE__MODE": "exact"}),
    "ours-lite0-fp32": Ours("Tagger, EfficientNet-Lite0", "fp32", model="efficientnet_lite0"),
    "ours-lite0": Ours("Tagger, EfficientNet-Lite0", "bf16", model="efficientnet_lite0"),
    "ours-builtin": Ours("Tagger, built-in model", "bf16", model="builtin"),
}
BASE = "1"
PEERS = ("2", "2-bf16", "3", "4", "5", "5-bf16", "5-int8", "6")
"""Peers 2 to 6 as their documentation shows them."""
HEADLINE = ("ours-fp32", "ours-bf16", "ours-int8")
