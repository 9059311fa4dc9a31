"""Tagger against the pipelines that a user would write instead. `python -m benchmarks.compare [--quick]`

Every side tags the same files, in rounds: all sides once, then all of them again, the order turned by one each
time, so that what the machine does meanwhile hits all alike. The medians stand. What is asked for is printed;
`--write` puts a whole run into docs/.
"""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import agreement, promises, report
from benchmarks.agreement import accuracy
from benchmarks.report import Results
from benchmarks.sets import build, photos
from benchmarks.sides import BASE, HEADLINE, SIDES, Ours, Place, Run
from tagger.vision import cores
from tagger.vision.cpu import native_formats

SETS = "ABCDE"
PARTS = ("throughput", "agreement", "promises")
BOUNDED = (*HEADLINE, "ours-lite0", "ours-builtin")
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
LIBRARIES = ["openvino", "onnxruntime", "nncf", "torch", "torchvision", "timm", "ray", "pillow", "numpy"]


def main() -> None:
    asked = _arguments()
    home = tempfile.TemporaryDirectory() if asked.folder is None else nullcontext(str(asked.folder))
    with home as folder:
        results = _measured(asked, Path(folder).absolute())
    for table in report.tables(results).values():
        print(table, end="\n\n")
    if asked.write:
        report.write(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a quarter of the pictures")
    parser.add_argument("--minutes", type=float, default=0.5, help="how long memory is watched, each time")
    parser.add_argument("--folder", type=Path, help="where sets are built, and kept for the next run")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its chart")
    asked = parser.parse_args()
    if asked.write and (asked.sides, asked.sets, asked.parts) != (list(SIDES), list(SETS), list(PARTS)):
        parser.error("--write takes a whole run: what stands in docs/ is of one")
    return asked


def _measured(asked: argparse.Namespace, home: Path) -> Results:
    pictures, part = (home / "quick", 0.25) if asked.quick else (home / "pictures", 1)
    folders = build(pictures, part)
    place = Place(home, home / "random.safetensors", {name: folders[name] for name in asked.sets})
    if not place.weights.with_suffix(".int8.xml").exists():
        models = [sys.executable, "-m", "benchmarks.peers.models", str(place.weights), str(folders["A"])]
        subprocess.run(models, check=True, stdout=sys.stderr)
    results: Results = {"machine": _machine(asked.rounds), "cores": cores.available()}
    results["pictures"] = {name: len(list(folder.iterdir())) for name, folder in place.sets.items()}
    results |= {"rates": {}, "start": {}, "same": {}, "ceilings": {}, "agreement": [], "promises": []}
    sides = _able(asked.sides, place)
    if "throughput" in asked.parts:
        _compare(sides, place, asked.rounds, results)
    labelled = os.environ.get("TAGGER_PHOTOS", "")
    results["right"] = {
        side: accuracy(model, SIDES[side].precision, Path(labelled))
        for side in sides
        if labelled and (model := _model(side))
    }
    if "agreement" in asked.parts:
        originals = photos(pictures / "sources")[: 30 if asked.quick else None]
        sets = {"originals": originals, "12 megapixels": sorted(folders["C"].iterdir())}
        results["agreement"] = agreement.measure(sets)
    if "promises" in asked.parts:
        results["promises"] = promises.promises(
            place, [SIDES[side].precision for side in HEADLINE if side in sides], asked.minutes
        )
    return results


def _able(sides: list[str], place: Place) -> list[str]:
    """The sides that can be run: a precision needs a CPU that has it, int8 a model that passes Tagger's own test."""
    lacking = [side for side in sides if isinstance(SIDES[side], Ours) and not _has(SIDES[side].precision)]
    for side in lacking:
        print(f"{side} is left out: this CPU has no {SIDES[side].precision}", file=sys.stderr)
    sides = [side for side in sides if side not in lacking]
    shared = {"MODEL__NAME": "resnet18", "MODEL__WEIGHTS": str(place.weights)}
    if "ours-int8" in sides and not agreement.quantize(place, shared, place.sets[min(place.sets)]):
        print("Tagger int8 is left out: there is no int8 model", file=sys.stderr)
        return [side for side in sides if side != "ours-int8"]
    return sides


def _has(precision: str) -> bool:
    return precision in native_formats()


def _model(side: str) -> str:
    """The model of Tagger's own that a side runs; empty where it runs what all do."""
    kind = SIDES[side]
    return kind.model if isinstance(kind, Ours) else ""


def _compare(sides: list[str], place: Place, rounds: int, results: Results) -> None:
    """Fills in rates, start, same and ceilings."""
    last: dict[str, Run] = {}
    for number in range(rounds):
        turn = number % len(sides)
        for name in sides[turn:] + sides[:turn]:
            side = SIDES[name]
            last[name] = run = side.run(place)
            assert {each: len(labels) for each, labels in run.labels.items()} == results["pictures"], name
            shown = ", ".join(f"{each} {rate:.0f}/s" for each, rate in run.rates.items())
            print(f"round {number + 1}: {side.title}, {side.precision}: {shown}", file=sys.stderr)
            _append(results["rates"].setdefault(name, {}), run.rates)
            results["start"].setdefault(name, []).append(run.start)
            if isinstance(side, Ours) and name in BOUNDED:
                ceilings = results["ceilings"].setdefault(name, {"infer": [], "decode": {}})
                _add_ceilings(side, place, ceilings)
    results["rates"] = {name: results["rates"][name] for name in sides}
    if BASE in last:
        results["same"] = {name: _same(last[name], last[BASE]) for name in sides if not _model(name)}


def _append(lists: dict[str, list[float]], values: dict[str, float]) -> None:
    for name, value in values.items():
        lists.setdefault(name, []).append(value)


def _add_ceilings(side: Ours, place: Place, ceilings: Results) -> None:
    command = [sys.executable, "-m", "benchmarks.ceilings", *map(str, place.sets.values())]
    environment = place.environment(side.variables(place))
    found = json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
    ceilings["infer"].append(found["infer"])
    _append(ceilings["decode"], {name: found["decode"][str(folder)] for name, folder in place.sets.items()})


def _same(one: Run, other: Run) -> float:
    """The share of files that two sides give the same label: whether they did the same work."""
    pairs = [
        (label, other.labels[name][path]) for name in one.labels for path, label in one.labels[name].items()
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def _machine(rounds: int) -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = about.get("flags", "").split()
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    python = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return {
        "machine": f"{about.get('model name', platform.machine())}, {cores.available()} cores",
        "instructions": ", ".join(_known(flags)),
        "versions": ", ".join([f"tagger {version('tagger')}", python, *libraries]),
        "pictures": "photos" if "TAGGER_PHOTOS" in os.environ else "generated",
        "measured": f"{datetime.now(UTC):%Y-%m-%d}, medians of {rounds} rounds (least–most)",
    }


def _known(flags: Iterable[str]) -> list[str]:
    return [flag for flag in FLAGS if flag in flags]


if __name__ == "__main__":
    main()
