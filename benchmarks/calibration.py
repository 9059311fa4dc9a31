"""How often a model is right, and whether its scores say so: `python -m benchmarks.calibration NAME…`.

A temperature divides the logits, so that of tags with a score of 0.8 four in five are right (Guo et al. 2017,
arXiv:1706.04599). It is what makes the likelihood of the right labels greatest, on pictures that the model was not trained on.
The error that is told (ECE) is out-of-fold: each fifth of the pictures is scored with the temperature of the others. It is
the mean distance of score and accuracy over ten groups of equally many pictures, by score, and the interval is
that of a thousand bootstrap samples. Pictures are decoded exactly and inferred in fp32.

TAGGER_SETS has `imagenet-eval`, TAGGER_PHOTOS the photos, each with a `labels.tsv` of file and WordNet id. With `--write`
the groups of each model become the diagram of its card.
"""

import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement import decoded
from benchmarks.diagram import Panel, Reliability, svg
from tagger.config.folders import cache_home, data_home
from tagger.config.tagging import ModelSettings
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder
from tagger.vision.engines.choice import Choice
from tagger.vision.load import load_engine
from tagger.vision.weights import Weights, resolve

FOLDS, BINS, SAMPLES = 5, 10, 1000
DIAGRAM = Path(__file__).parents[1] / "docs" / "reliability-diagram.svg"
LEVELS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9)
TEMPERATURES = np.round(np.arange(0.2, 2.001, 0.01), 2)

Scores = NDArray[np.float64]


class Set(NamedTuple):
    """Pictures whose label the model has: natural logarithms of its scores at temperature 1, and the labels' indexes."""

    logs: Scores
    truth: NDArray[np.int64]


def collected(weights: Weights, folder: Path) -> Set:
    """What the model says of the labelled pictures in a folder. Its own temperature, which is in the graph, is undone."""
    engine = load_engine(Choice("openvino", "fp32", ""), weights, data_home(), cache_home())
    decoder = Decoder(weights.preprocessing, 100_000_000, PixelBudget())
    index = {label.key: place for place, label in enumerate(weights.labels)}
    rows, truth = [], []
    for path, key in _labelled(folder):
        if key in index:
            rows.append(engine.infer(decoded(decoder, path).frames).probabilities[0])
            truth.append(index[key])
    logs = np.log(np.maximum(np.array(rows, np.float64), np.finfo(np.float32).tiny))
    return Set(logs * (weights.temperature or 1), np.array(truth))


def _labelled(folder: Path) -> Iterator[tuple[Path, str]]:
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield folder / row["file"], row["wnid"]


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


def bars(scores: Scores, truth: NDArray[np.int64], levels: Sequence[float]) -> Iterator[str]:
    """For each bar: of all labels that score as much, how many are right; and of the right ones, how many do."""
    for level in levels:
        above = scores >= level
        found = above[np.arange(len(truth)), truth]
        yield f"    {level:.2f}: {found.sum() / above.sum():6.1%} of the labels are right, {found.mean():6.1%} of the right ones found"


def describe(name: str, one: Set, temperature: float) -> None:
    """Prints all that is measured; bars are those of the scores at the model's own `temperature`."""
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
    print("\n".join(bars(tempered(one.logs, temperature), one.truth, LEVELS)))


def panel(name: str, one: Set) -> Panel:
    right = one.logs.argmax(axis=1) == one.truth
    raw = groups(tempered(one.logs, 1).max(axis=1), right)
    return Panel(f"{name}, {len(right)} pictures", raw, groups(*out_of_fold(one)))


def both(sets: Mapping[str, Set]) -> Set:
    return Set(*(np.concatenate(parts) for parts in zip(*sets.values(), strict=True)))


def measured(name: str) -> Panel:
    """Prints how good a model is, and returns what its card shows."""
    weights = resolve(ModelSettings(name=name), data_home())
    sets = {
        "imagenet-eval": collected(weights, Path(os.environ["TAGGER_SETS"], "imagenet-eval")),
        "photos": collected(weights, Path(os.environ["TAGGER_PHOTOS"])),
    }
    if name == "builtin":  # few of its classes are in one set alone
        sets["both"] = both(sets)
    for title, one in sets.items():
        describe(f"{name}, {title}", one, weights.temperature or 1)
    return panel(name, sets.get("both", sets["imagenet-eval"]))


def main(arguments: Sequence[str]) -> None:
    names = [one for one in arguments if one != "--write"]
    panels = [measured(name) for name in names or ("efficientnet_lite0", "efficientnet_lite2", "builtin")]
    if "--write" in arguments:
        DIAGRAM.write_text(svg(panels), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
