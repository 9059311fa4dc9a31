"""How often a model is right, and whether its scores say so: `python -m benchmarks.calibration NAME…`.

A temperature divides the logits, so that of tags with a score of 0.8 four in five are right (Guo et al. 2017,
arXiv:1706.04599). It is what makes the likelihood of the right labels greatest, on pictures that the model was not trained on.
The error that is told (ECE) is out-of-fold: each fifth of the pictures is scored with the temperature of the others. It is
the mean distance of score and accuracy over ten groups of equally many pictures, by score, and the interval is
that of a thousand bootstrap samples. Pictures are decoded exactly and inferred in fp32.

TAGGER_SETS has `imagenet-eval`, TAGGER_PHOTOS the photos, each with a `labels.tsv` of file and WordNet id.
"""

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagger.config import Model, cache_home, data_home
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, read
from tagger.vision.engines.choice import Choice
from tagger.vision.load import load_engine
from tagger.vision.weights import Weights, resolve

FOLDS, BINS, SAMPLES = 5, 10, 1000
TEMPERATURES = np.round(np.arange(0.2, 2.001, 0.01), 2)

Scores = NDArray[np.float64]


class Set(NamedTuple):
    """Pictures whose label the model has: natural logarithms of its scores at temperature 1, and the labels' indexes."""

    logs: Scores
    truth: NDArray[np.int64]


class Reliability(NamedTuple):
    """Of one group of pictures: their mean score, and the part of them whose best label is right."""

    score: float
    accuracy: float


def collected(weights: Weights, folder: Path) -> Set:
    """What the model says of the labelled pictures in a folder."""
    engine = load_engine(
        Choice("openvino", "fp32", ""), replace(weights, temperature=None), data_home(), cache_home()
    )
    decoder = Decoder(weights.preprocessing, 100_000_000, PixelBudget())
    index = {label.key: place for place, label in enumerate(weights.labels)}
    rows, truth = [], []
    for path, key in _labelled(folder):
        if key in index:
            found = _decoded(decoder, path)
            rows.append(engine.infer(found.frames).probabilities[0])
            truth.append(index[key])
    return Set(np.log(np.maximum(np.array(rows, np.float64), 1e-30)), np.array(truth))


def _labelled(folder: Path) -> Iterator[tuple[Path, str]]:
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield folder / row["file"], row["wnid"]


def _decoded(decoder: Decoder, path: Path) -> Picture:
    content = read(Stamp.of(str(path), "", path.stat()), 1 << 28)
    assert isinstance(content, Content)
    picture = decoder.decode(content)
    assert isinstance(picture, Picture)
    return picture


def tempered(logs: Scores, temperature: float) -> Scores:
    scaled = logs / temperature
    scores = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: Scores = scores / scores.sum(axis=1, keepdims=True)
    return found


def fitted(one: Set) -> float:
    """The temperature by which the right labels are likeliest."""
    rows = np.arange(len(one.truth))
    losses = [-np.log(tempered(one.logs, each)[rows, one.truth]).mean() for each in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def out_of_fold(one: Set) -> tuple[Scores, NDArray[np.bool_]]:
    """Each picture's best score, by the temperature of the other folds, and whether that label is right."""
    folds = np.random.default_rng(0).permutation(len(one.truth)) % FOLDS
    scores = np.zeros(len(one.truth))
    for fold in range(FOLDS):
        others = Set(one.logs[folds != fold], one.truth[folds != fold])
        scores[folds == fold] = tempered(one.logs[folds == fold], fitted(others)).max(axis=1)
    return scores, one.logs.argmax(axis=1) == one.truth


def groups(scores: Scores, right: NDArray[np.bool_]) -> list[Reliability]:
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, BINS)
    return [Reliability(float(scores[part].mean()), float(right[part].mean())) for part in parts]


def calibration_error(scores: Scores, right: NDArray[np.bool_]) -> float:
    return float(np.mean([abs(one.score - one.accuracy) for one in groups(scores, right)]))


def interval(scores: Scores, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Within which nine in ten bootstrap samples have their error."""
    chance = np.random.default_rng(0)
    samples = (chance.integers(0, len(scores), len(scores)) for _ in range(SAMPLES))
    errors = [calibration_error(scores[sample], right[sample]) for sample in samples]
    low, high = np.quantile(errors, [0.05, 0.95])
    return float(low), float(high)


def bars(scores: Scores, right: NDArray[np.bool_], levels: Sequence[float]) -> Iterator[str]:
    """For each bar: how many pictures are above it, and how many of these are right."""
    for level in levels:
        above = scores >= level
        yield f"    {level:.2f}: {above.mean():6.1%} of the pictures are sure, {right[above].mean():6.1%} of these right"


def describe(name: str, one: Set) -> None:
    top = np.argsort(-one.logs, axis=1)[:, :5]
    hit = top == one.truth[:, None]
    raw = tempered(one.logs, 1).max(axis=1), hit[:, 0]
    scores, right = out_of_fold(one)
    low, high = interval(scores, right)
    print(f"{name}: {len(right)} pictures, top-1 {hit[:, 0].mean():.1%}, top-5 {hit.any(axis=1).mean():.1%}")
    print(
        f"  temperature {fitted(one):.2f}; ECE at 1: {calibration_error(*raw):.3f}, out-of-fold {calibration_error(scores, right):.3f} ({low:.3f}–{high:.3f})"
    )
    print("  " + "  ".join(f"{one.score:.2f}:{one.accuracy:.2f}" for one in groups(scores, right)))
    print("\n".join(bars(scores, right, (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))))


def main(names: Sequence[str]) -> None:
    folders = {
        "imagenet-eval": Path(os.environ["TAGGER_SETS"], "imagenet-eval"),
        "photos": Path(os.environ["TAGGER_PHOTOS"]),
    }
    for name in names:
        weights = resolve(Model(name=name), data_home())
        sets = {title: collected(weights, folder) for title, folder in folders.items()}
        for title, one in sets.items():
            describe(f"{name}, {title}", one)
        if name == "builtin":  # few of its classes are in one set alone
            describe(
                f"{name}, both", Set(*(np.concatenate(parts) for parts in zip(*sets.values(), strict=True)))
            )


if __name__ == "__main__":
    main(sys.argv[1:] or ["efficientnet_lite0", "efficientnet_lite2", "builtin"])
