"""How far reduced precision and fast decoding change what is said: the built-in weights, at 112 px and at 224.

*Agreement* is the same best label, or two labels within 0.03 of each other in the reference's scores. The reference is fp32 with exact decoding. Everything is asked of `tagger tag`, as a user would.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.sides import TAGGER, Place
from tagger.vision.agreement import NEAR
from tagger.vision.models import BUILTIN

VARIANTS = {
    "bf16": {"ENGINE__PRECISION": "bf16"},
    "int8": {"ENGINE__PRECISION": "int8"},
    "fast decoding": {"DECODE__MODE": "fast"},
    "bf16, fast": {"ENGINE__PRECISION": "bf16", "DECODE__MODE": "fast"},
    "int8, fast": {"ENGINE__PRECISION": "int8", "DECODE__MODE": "fast"},
}
REFERENCE = {"ENGINE__PRECISION": "fp32", "DECODE__MODE": "exact", "MODEL__TOP_K": "100"}
Scores = dict[str, float]


class Agreement(NamedTuple):
    """Of a variant with the reference: shares of the pictures, 0–1."""

    size: int
    set: str
    variant: str
    pictures: int
    agreement: float
    same: float


def measure(place: Place, sets: Mapping[str, list[Path]]) -> list[Agreement]:
    found = []
    for size, weights in ((112, _builtin(place.home, 112)), (224, _builtin(place.home, 224))):
        model = {"MODEL__WEIGHTS": str(weights)}
        kept = quantize(place, model, next(iter(sets.values()))[0].parent)
        variants = {name: changed for name, changed in VARIANTS.items() if kept or "int8" not in name}
        for name, files in sets.items():
            reference = _ask(place, REFERENCE | model, files)
            for variant, changed in variants.items():
                scores = _ask(place, REFERENCE | model | changed, files)
                agreeing = [agrees(*pair) for pair in zip(reference, scores, strict=True)]
                same = [_best(a) == _best(b) for a, b in zip(reference, scores, strict=True)]
                shares = (sum(agreeing) / len(files), sum(same) / len(files))
                found.append(Agreement(size, name, variant, len(files), *shares))
    return found


def agrees(reference: Scores, other: Scores) -> bool:
    return reference[_best(reference)] - reference.get(_best(other), 0) <= NEAR


def quantize(place: Place, model: Mapping[str, str], pictures: Path) -> bool:
    """Makes the int8 model, with the command that users have for it; False where that keeps none."""
    environment = place.environment(_prefixed(model))
    command = [TAGGER, "models", "quantize", "--images", str(pictures)]
    done = subprocess.run(command, env=environment, stdout=sys.stderr)
    return done.returncode == 0


def _best(scores: Scores) -> str:
    return max(scores, key=lambda label: scores[label])


def _ask(place: Place, settings: Mapping[str, str], files: list[Path]) -> list[Scores]:
    environment = place.environment(_prefixed(settings))
    command = [TAGGER, "tag", "--json", *map(str, files)]
    said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    answers = [json.loads(line) for line in said.splitlines()]
    return [{tag["label"]: tag["score"] for tag in answer["tags"]} for answer in answers]


def _prefixed(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"TAGGER_{key}": value for key, value in settings.items()}


def _builtin(home: Path, size: int) -> Path:
    """The built-in weights as a file of one's own, preprocessed for `size` pixels."""
    copy = home / f"builtin-{size}.safetensors"
    if not copy.exists():
        original = BUILTIN / "resnet18-builtin.safetensors"
        document = json.loads(original.with_suffix(".json").read_text(encoding="utf-8"))
        document["preprocessing"] |= {"resize": size * 8 // 7, "crop": size}
        copy.with_suffix(".json").write_text(json.dumps(document), encoding="utf-8")
        copy.write_bytes(original.read_bytes())
    return copy
