"""Learns by which classes a picture is told to be indoors or outdoors: writes `tagger/vision/data/outdoor.tsv`.

    python -m tools.indoor_outdoor --indoor SETS/rooms/kitchen … --outdoor SETS/rooms/frontal …

Each folder holds pictures of its kind; those with the same parent are one source. What is printed first is how well each
source is told by what was learned from the others: within a source, whatever else it has in common helps. It needs
scikit-learn, which the development environment has by way of nncf.

The penalty is strong, the kinds weigh the same, and each picture counts at several temperatures, so that the weights suit
other models than the one they were learned by. Their sum is taken off each, which makes it 0.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES, Decoder
from tagger.vision.load import load_classifier
from tagger.vision.outdoor import BIAS, LEAST, TABLE

PENALTY = 1000
"""The inverse of scikit-learn's C: of 0.0001, 0.001 and 0.01 for C the one by which sources that were left out are told best."""
TEMPERATURES = (0.75, 1.0, 1.67)
"""By which the model's own scores are divided: how sure of themselves other models may be."""
EDGES = (0.4, 0.6)
"""Between these, as `conditions.indoor` and `conditions.outdoor` have them, a picture is neither."""
_BATCH = 8


@dataclass(frozen=True)
class Pictures:
    """One row of each for every picture: probabilities by class, whether it is outdoors, and its source."""

    probabilities: NDArray[np.float64]
    outdoor: NDArray[np.bool_]
    source: NDArray[np.str_]

    def of(self, chosen: NDArray[np.bool_]) -> "Pictures":
        return Pictures(self.probabilities[chosen], self.outdoor[chosen], self.source[chosen])


def features(probabilities: NDArray[np.float64], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logarithms of the probabilities at another temperature, less their mean."""
    powers = np.maximum(probabilities, 1e-12) ** (1 / temperature)
    logs = np.log(np.maximum(powers / powers.sum(axis=1, keepdims=True), LEAST))
    centred: NDArray[np.float64] = logs - logs.mean(axis=1, keepdims=True)
    return centred


def learned(pictures: Pictures) -> LogisticRegression:
    rows = np.concatenate([features(pictures.probabilities, one) for one in TEMPERATURES])
    return _regression().fit(rows, np.tile(pictures.outdoor, len(TEMPERATURES)))


def _regression() -> LogisticRegression:
    return LogisticRegression(C=1 / PENALTY, class_weight="balanced", max_iter=3000)


def judged(pictures: Pictures) -> Iterator[str]:
    """A line for each source and kind, told by the other sources; and one for all, told by nine tenths of them."""
    for source in dict.fromkeys(pictures.source):
        rest, own = (pictures.of(is_own) for is_own in (pictures.source != source, pictures.source == source))
        if len(set(rest.outdoor)) == 2:
            told = learned(rest).predict_proba(features(own.probabilities))[:, 1]
            yield from _lines(f"{source}, left out", own.outdoor, told)
    rows = features(pictures.probabilities)
    told = cross_val_predict(_regression(), rows, pictures.outdoor, cv=10, method="predict_proba")[:, 1]
    yield from _lines("all, cross-validated", pictures.outdoor, told)


def _lines(what: str, outdoor: NDArray[np.bool_], told: NDArray[np.float64]) -> Iterator[str]:
    for kind, own in (("indoor", told[~outdoor]), ("outdoor", 1 - told[outdoor])):
        if len(own):
            right, sure, wrong = (own < 0.5).mean(), (own <= EDGES[0]).mean(), (own >= EDGES[1]).mean()
            parts = f"{right:.1%} right at 0.5; {sure:.1%} found, {wrong:.1%} wrong outside of {EDGES}"
            yield f"{what}: {kind}: {len(own)} pictures, {parts}"


def seen(classifier: Classifier, folder: Path) -> Iterator[NDArray[np.float64]]:
    """What the model says of each picture in a folder, in batches."""
    decoder = Decoder(classifier.preprocessing, 10**8, PixelBudget(), "exact")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    for start in range(0, len(files), _BATCH):
        some = files[start : start + _BATCH]
        frames = [picture.frames for file in some if (picture := _decoded(decoder, file))]
        yield classifier.engine.infer(np.concatenate(frames)).probabilities.astype(np.float64)


def _decoded(decoder: Decoder, file: Path) -> Picture | None:
    data = file.read_bytes()
    picture = decoder.decode(Content(Stamp(str(file), "", len(data), 0, 0), data, ""))
    return picture if isinstance(picture, Picture) else None


def looked_at(classifier: Classifier, indoor: Sequence[Path], outdoor: Sequence[Path]) -> Pictures:
    rows, kinds, sources = [], list[bool](), list[str]()
    for folder in (*indoor, *outdoor):
        some = np.concatenate(list(seen(classifier, folder)))
        rows.append(some)
        kinds += [folder in outdoor] * len(some)
        sources += [folder.parent.name] * len(some)
    return Pictures(np.concatenate(rows), np.array(kinds), np.array(sources))


def write(model: LogisticRegression, keys: Sequence[str]) -> None:
    weights = dict(zip(keys, model.coef_[0] - model.coef_[0].mean(), strict=True))
    rows = {BIAS: model.intercept_[0], **weights}
    TABLE.write_text("".join(f"{key}\t{weight:.6f}\n" for key, weight in rows.items()), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.indoor_outdoor", description=__doc__)
    parser.add_argument("--model", default="efficientnet_lite0", help="one with ImageNet-1k's classes")
    parser.add_argument("--indoor", nargs="+", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--outdoor", nargs="+", type=Path, required=True, metavar="FOLDER")
    asked = parser.parse_args()
    settings = Settings.model_validate({"model": {"name": asked.model}, "engine": {"precision": "fp32"}})
    classifier = load_classifier(settings, data_home(), cache_home())
    pictures = looked_at(classifier, asked.indoor, asked.outdoor)
    sys.stdout.writelines(f"{line}\n" for line in judged(pictures))
    write(learned(pictures), [label.key for label in classifier.labels])


if __name__ == "__main__":
    main()
