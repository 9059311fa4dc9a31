"""How far reduced precision and fast decoding change what is said: `python -m benchmarks.agreement MODEL…`.

*Agreement* is the same best label, or two labels within 0.03 of each other in the reference's scores, which are taken as they are
before a temperature draws them apart. The reference is fp32 with exact decoding. What this CPU does not compute in is left out.
"""

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.sets import jpeg
from benchmarks.sides import TAGGER, Place
from tagger.config.folders import cache_home, data_home
from tagger.config.tagging import ModelSettings
from tagger.records import Content, Picture, Stamp
from tagger.vision.agreement import agreement, untempered
from tagger.vision.budget import PixelBudget
from tagger.vision.cpu import native_formats
from tagger.vision.decode import Decoder, Mode, read
from tagger.vision.engines import Engine
from tagger.vision.engines.choice import Choice
from tagger.vision.graph import int8_folder
from tagger.vision.load import load_engine
from tagger.vision.weights import Weights, resolve

MODELS = ("efficientnet_lite0", "builtin")
SIZES = {"2.8 megapixels": (1936, 1452), "12 megapixels": (4000, 3000)}
Scores = NDArray[np.float32]


class Agreement(NamedTuple):
    """Of a variant with the reference: shares of the pictures, 0–1."""

    model: str
    set: str
    variant: str
    pictures: int
    agreement: float
    same: float


def measure(sets: Mapping[str, Sequence[Path]], models: Sequence[str] = MODELS) -> list[Agreement]:
    return [one for name in models for one in _of_model(name, sets)]


def _of_model(name: str, sets: Mapping[str, Sequence[Path]]) -> Iterator[Agreement]:
    weights = resolve(ModelSettings(name=name), data_home())
    engines = dict(_engines(weights))
    for title, files in sets.items():
        exact, fast = (_frames(weights, files, mode) for mode in ("exact", "fast"))
        scores = partial(_scores, temperature=weights.temperature)
        reference = scores(engines["fp32"], exact)
        for variant, engine in engines.items():
            for decoded, frames in (("", exact), ("fast", fast)):
                if label := ", ".join(filter(None, (variant if variant != "fp32" else "", decoded))):
                    found = agreement(reference, scores(engine, frames))
                    yield Agreement(name, title, label, found.pictures, found.agreeing, found.same_top1)


def _engines(weights: Weights) -> Iterator[tuple[str, Engine]]:
    """By precision."""
    home, cache = data_home(), cache_home()
    yield "fp32", load_engine(Choice("openvino", "fp32", ""), weights, home, cache)
    formats = native_formats()
    if "bf16" in formats:
        yield "bf16", load_engine(Choice("openvino", "bf16", ""), weights, home, cache)
    if "int8" in formats and int8_folder(weights, home).exists():
        yield "int8", load_engine(Choice("openvino", "int8", ""), weights, home, cache)


def _frames(weights: Weights, files: Sequence[Path], mode: Mode) -> NDArray[np.uint8]:
    decoder = Decoder(weights.preprocessing, 100_000_000, PixelBudget(), mode)
    return np.concatenate([decoded(decoder, file).frames for file in files])


def decoded(decoder: Decoder, path: Path) -> Picture:
    """A file that is known to be a picture."""
    content = read(Stamp.of(str(path), "", path.stat()), 1 << 28)
    picture = decoder.decode(content) if isinstance(content, Content) else None
    if not isinstance(picture, Picture):
        raise ValueError(f"{path} is no picture")
    return picture


def _scores(engine: Engine, frames: NDArray[np.uint8], temperature: float | None) -> Scores:
    parts = [engine.infer(frames[at : at + 4]).probabilities for at in range(0, len(frames), 4)]
    return untempered(np.concatenate(parts), temperature)


def accuracy(model: str, precision: str, folder: Path) -> float | None:
    """The share of the labelled photos in a folder whose best label is right, of those whose label the model has.

    None where the folder has no `labels.tsv`.
    """
    if not (folder / "labels.tsv").exists():
        return None
    weights = resolve(ModelSettings(name=model), data_home())
    engine = load_engine(Choice("openvino", precision, ""), weights, data_home(), cache_home())
    keys = [label.key for label in weights.labels]
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["wnid"] in keys]
    scores = _scores(engine, _frames(weights, [folder / row["file"] for row in rows], "fast"), None)
    best = scores.argmax(axis=1)
    return float(np.mean([keys[at] == row["wnid"] for at, row in zip(best, rows, strict=True)]))


def quantize(place: Place, model: Mapping[str, str], pictures: Path) -> bool:
    """Makes the int8 model, with the command that users have for it; False where that keeps none."""
    environment = place.environment({f"TAGGER_{key}": value for key, value in model.items()})
    command = [TAGGER, "models", "quantize", "--images", str(pictures)]
    done = subprocess.run(command, env=environment, stdout=sys.stderr)
    return done.returncode == 0


def main(models: Sequence[str]) -> None:
    originals = sorted(Path(os.environ["TAGGER_PHOTOS"]).glob("*.jpg"))
    with tempfile.TemporaryDirectory() as place:
        sets: dict[str, Sequence[Path]] = {"originals": originals}
        for title, size in SIZES.items():
            folder = Path(place, title)
            folder.mkdir()
            write = partial(jpeg, size=size)
            for number, photo in enumerate(originals):
                write(photo, folder / photo.stem, number)
            sets[title] = sorted(folder.iterdir())
        for one in measure(sets, models):
            print(
                f"{one.model}, {one.set}, {one.variant}: {one.pictures} pictures, agreeing {one.agreement:.1%}, same {one.same:.1%}"
            )


if __name__ == "__main__":
    main(sys.argv[1:] or MODELS)
