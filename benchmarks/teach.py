"""How good a head is after so many examples: `python -m benchmarks.teach SETS [--fine-tune]`

SETS has a folder for each set of labelled pictures, with a folder for each label, and `imagenet-eval`, photos of anything. The
features are those of efficientnet_lite0, decoded and inferred as the daemon does. Each number is the mean of ten draws of
the examples, with the interval of 95 % of that mean; all other pictures of the set are told. Neighbouring frames of a video
are alike, so game-titles is told twice: with examples drawn at random, and with clips of which all pictures are told
and none is learned from. With `--fine-tune`, the whole network is trained on the same examples, once: minutes for each line.

Foreign are pictures of sets that mean something else; the background that is learned from are 300 photos of anything, so
that foreign pictures are of a sort that was never seen. Asked is how many of them get a label at the threshold at which
90 % of known pictures keep theirs, and at the one that was learned, beside how many known ones keep theirs at that. At last, the
pictures that are told are a part of the library that is learned from, from none to all of it.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.agreement import decoded
from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.config.tagging import ModelSettings
from tagger.heads.head import numbers
from tagger.heads.light import LIGHT, lit
from tagger.records import ModelIdentity
from tagger.teach import thresholds
from tagger.teach.examples import Aims, Examples
from tagger.teach.learn import learn
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES, Decoder
from tagger.vision.features import features_of
from tagger.vision.load import load_classifier

MODEL = "efficientnet_lite0"
DRAWS, BACKGROUND, TESTED = 10, 300, 15
WANTED = {
    "game-titles": (5, 20, 60),
    "rooms": (5, 20),
    "daynight": (5, 20),
    "weather": (5, 20),
    "weapons": (5, 20),
}
_ANYTHING = "imagenet-eval"
_FOREIGN = {
    "game-titles": ("rooms", "weather", "weapons", "daynight"),
    "rooms": ("game-titles", "weather", "weapons"),
    "daynight": ("game-titles", "rooms", "weapons"),
    "weather": ("game-titles", "rooms", "weapons"),
    "weapons": ("game-titles", "rooms", "weather", "daynight"),
}
PARTS = (0.0, 0.3, 0.6, 0.85, 1.0)
"""Of a library's pictures, those that have a label."""
_TWO_SIDED = 2.26
"""Of Student's distribution with nine degrees of freedom: 95 % lie within."""
EPOCHS, RATE, BATCH = 12, 3e-4, 16

Numbers = NDArray[np.float32]
Classes = NDArray[np.intp]
Method = Callable[[Examples, Numbers], Classes]


@dataclass(frozen=True)
class Labelled:
    """A set: the file of each picture, its features and light, and the class that is its folder's."""

    name: str
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    vectors: Numbers
    classes: Classes

    def examples(self, chosen: Classes, background: Numbers) -> Examples:
        truth = np.eye(len(self.labels), dtype=bool)[self.classes[chosen]]
        return Examples(self.labels, self.vectors[chosen], truth, background, light=len(LIGHT))


def main() -> None:
    home = Path(sys.argv[1]).resolve()
    settings = Settings(model=ModelSettings(name=MODEL), features=True)
    classifier = load_classifier(settings, data_home(), cache_home())
    print(
        f"{classifier.description}\n\n| set, examples a label | crop | learned | class mean | 1-NN | learning |"
    )
    print("|---|---|---|---|---|---|")
    for crop in ("squash", "center"):
        decoder = Decoder(replace(classifier.preprocessing, frame=crop), 100_000_000, PixelBudget(), "fast")
        sets = {name: _labelled(classifier, decoder, home / name) for name in (*WANTED, _ANYTHING)}
        _accuracy(sets, crop)
        if crop == "squash":
            foreign = list(_foreign(sets))
            whole = sets, decoder
    print(
        "\n| set, 20 examples a label | foreign at 90 % kept | foreign at the threshold | known kept at it |"
    )
    print("|---|---|---|---|", *foreign, sep="\n")
    print("\n| set, part of the library that has a label | right | foreign that get a label |\n|---|---|---|")
    print(*_libraries(whole[0]), sep="\n")
    if "--fine-tune" in sys.argv:
        _fine_tuned(*whole)


def _labelled(classifier: Classifier, decoder: Decoder, folder: Path) -> Labelled:
    paths = tuple(path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    names = [path.parent.name for path in paths]
    labels = tuple(sorted(set(names)))
    vectors = numbers([_lit(classifier, decoder, path) for path in paths])
    return Labelled(folder.name, labels, paths, vectors, np.array([labels.index(name) for name in names]))


def _lit(classifier: Classifier, decoder: Decoder, path: Path) -> bytes:
    picture = decoded(decoder, path)
    row = classifier.engine.infer(picture.frames).features
    found = features_of(row, [len(row)])[0]
    return lit(found, picture.facts.health) if found else b""


def _accuracy(sets: dict[str, Labelled], crop: str) -> None:
    for name, wanted in WANTED.items():
        for count in wanted:
            _row(sets, name, f"{name}, {count}", crop, partial(_drawn, count=count))
        if name == "game-titles":
            for count in wanted[:2]:
                title = f"{name}, {count}, clips apart"
                _row(sets, name, title, crop, partial(_apart, count=count))


def _row(
    sets: dict[str, Labelled],
    name: str,
    title: str,
    crop: str,
    draw: Callable[[Labelled, np.random.Generator], tuple[Classes, Classes]],
) -> None:
    right: dict[Method, list[float]] = {_learned: [], _class_mean: [], _nearest: []}
    took = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        chosen, told = draw(sets[name], rng)
        examples = sets[name].examples(chosen, _background(sets, rng))
        for method, shares in right.items():
            start = time.perf_counter()
            said = method(examples, sets[name].vectors[told])
            took += [time.perf_counter() - start] if method is _learned else []
            shares.append(float((said == sets[name].classes[told]).mean()))
    cells = " | ".join(map(_mean, right.values()))
    print(f"| {title} | {crop} | {cells} | {statistics.median(took):.1f} s |", flush=True)


def _drawn(one: Labelled, rng: np.random.Generator, count: int) -> tuple[Classes, Classes]:
    """Draw so many examples of each label; all others are told."""
    order = [rng.permutation(np.flatnonzero(one.classes == at)) for at in range(len(one.labels))]
    return np.concatenate([own[:count] for own in order]), np.concatenate([own[count:] for own in order])


def _apart(one: Labelled, rng: np.random.Generator, count: int) -> tuple[Classes, Classes]:
    """Draw examples from some clips, and tell those of others: clips at random, until there are enough pictures to tell."""
    clips = np.array([path.stem.rsplit("-", 1)[0] for path in one.paths])
    chosen, told = [], []
    for at in range(len(one.labels)):
        own = np.flatnonzero(one.classes == at)
        names = rng.permutation(np.unique(clips[own]))
        sizes = np.cumsum([(clips[own] == name).sum() for name in names])
        apart = np.isin(clips[own], names[: int(np.searchsorted(sizes, TESTED)) + 1])
        told.append(own[apart])
        chosen.append(rng.permutation(own[~apart])[:count])
    return np.concatenate(chosen), np.concatenate(told)


def _background(sets: dict[str, Labelled], rng: np.random.Generator) -> Numbers:
    return rng.permutation(sets[_ANYTHING].vectors)[:BACKGROUND]


def _logits(examples: Examples, vectors: Numbers) -> tuple[Numbers, float]:
    """Return logits of pictures by a head, none's the last, and the score from which on it gives a label."""
    fit = learn(examples, ModelIdentity(MODEL, "", ""), Aims()).fit
    return vectors[:, : len(fit.weights)] @ fit.weights + fit.bias, fit.least[0]


def _learned(examples: Examples, vectors: Numbers) -> Classes:
    return _best(_logits(examples, vectors)[0][:, :-1])


def _class_mean(examples: Examples, vectors: Numbers) -> Classes:
    means = np.stack([examples.features[has].mean(axis=0) for has in examples.truth.T])
    return _best(vectors[:, : -len(LIGHT)] @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T)


def _nearest(examples: Examples, vectors: Numbers) -> Classes:
    return examples.classes[_best(vectors[:, : -len(LIGHT)] @ examples.features.T)]


def _best(columns: Numbers) -> Classes:
    best: Classes = columns.argmax(axis=1)
    return best


def _foreign(sets: dict[str, Labelled]) -> Iterator[str]:
    for name, others in _FOREIGN.items():
        foreign = np.concatenate([sets[other].vectors for other in others])
        shares = [_labels_given(sets, name, foreign, seed) for seed in range(DRAWS)]
        yield f"| {name} | {' | '.join(_mean(column) for column in zip(*shares, strict=True))} |"


def _labels_given(sets: dict[str, Labelled], name: str, foreign: Numbers, seed: int) -> tuple[float, ...]:
    rng = np.random.default_rng(seed)
    chosen, told = _drawn(sets[name], rng, 20)
    known = sets[name].vectors[told]
    logits, least = _logits(
        sets[name].examples(chosen, _background(sets, rng)), np.concatenate([known, foreign])
    )
    best = thresholds.scores(logits, any_=False)[:, :-1].max(axis=1)
    own, others = best[: len(known)], best[len(known) :]
    return (
        float((others >= np.quantile(own, 0.1)).mean()),
        float((others >= least).mean()),
        float((own >= least).mean()),
    )


def _libraries(sets: dict[str, Labelled]) -> Iterator[str]:
    for name, draw, count in (("game-titles", _apart, 20), ("rooms", _drawn, 10), ("weather", _drawn, 10)):
        for part in PARTS:
            shares = [_of_a_library(sets, name, draw, count, part, seed) for seed in range(DRAWS)]
            row = " | ".join(_mean(column) for column in zip(*shares, strict=True))
            yield f"| {name}, {count}: {part:.0%} | {row} |"


def _of_a_library(
    sets: dict[str, Labelled],
    name: str,
    draw: Callable[[Labelled, np.random.Generator, int], tuple[Classes, Classes]],
    count: int,
    part: float,
    seed: int,
) -> tuple[float, float]:
    """Return how many pictures are told right of which a library's labelled part is, and how many of others get a label."""
    rng = np.random.default_rng(seed)
    chosen, told = draw(sets[name], rng, count)
    foreign = np.concatenate([sets[other].vectors for other in (*_FOREIGN[name], _ANYTHING)])
    foreign, most = rng.permutation(foreign), min(BACKGROUND, len(foreign) // 2)
    some = min(len(told), int(most * part / (1 - part))) if part < 1 else len(told)
    others = int(some * (1 - part) / part) if part else most
    library = np.concatenate([sets[name].vectors[rng.permutation(told)[:some]], foreign[:others]])
    known = sets[name].vectors[told]
    logits, least = _logits(sets[name].examples(chosen, library), np.concatenate([known, foreign[most:]]))
    scores = thresholds.scores(logits, any_=False)[:, :-1]
    given = scores.max(axis=1) >= least
    right = scores[: len(known)].argmax(axis=1) == sets[name].classes[told]
    return float((right & given[: len(known)]).mean()), float(given[len(known) :].mean())


def _mean(shares: Sequence[float]) -> str:
    spread = _TWO_SIDED * statistics.stdev(shares) / len(shares) ** 0.5
    return f"{100 * statistics.mean(shares):.1f} ± {100 * spread:.1f} %"


def _fine_tuned(sets: dict[str, Labelled], decoder: Decoder) -> None:
    """Train the whole network on the examples of the first draw: a new last layer, AdamW, and mirrored pictures."""
    print(
        "\n| set, examples a label | fine-tuned, one draw | learned, the same draw | fine-tuning |\n|---|---|---|---|"
    )
    for name in ("game-titles", "rooms", "daynight"):
        for count in WANTED[name]:
            rng = np.random.default_rng(0)
            chosen, told = _drawn(sets[name], rng, count)
            head = _learned(sets[name].examples(chosen, _background(sets, rng)), sets[name].vectors[told])
            start = time.perf_counter()
            said = _network(sets[name], decoder, chosen, told)
            took = time.perf_counter() - start
            truth = sets[name].classes[told]
            print(
                f"| {name}, {count} | {(said == truth).mean():.1%} | {(head == truth).mean():.1%} | {took:.0f} s |"
            )


def _network(one: Labelled, decoder: Decoder, chosen: Classes, told: Classes) -> Classes:
    from tagger.vision.engines.torch_model import load_graph
    from tagger.vision.weights import resolve

    torch.manual_seed(0)
    graph = load_graph(resolve(ModelSettings(name=MODEL), data_home()))
    for parameter in graph.parameters():
        parameter.requires_grad_(True)
    graph.head = torch.nn.Linear(one.vectors.shape[1] - len(LIGHT), len(one.labels))
    truth, frames = torch.tensor(one.classes[chosen]), _frames(one, decoder, chosen)
    optimiser = torch.optim.AdamW(graph.parameters(), RATE, weight_decay=0.01)
    batches = -(-len(truth) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * batches)
    graph.train()
    for _ in range(EPOCHS):
        for own in torch.split(torch.randperm(len(truth)), BATCH):
            mirrored = torch.rand(len(own)) < 0.5
            batch = torch.where(mirrored.view(-1, 1, 1, 1), frames[own].flip(2), frames[own])
            images = (batch.permute(0, 3, 1, 2).float() / 255 - graph.mean) / graph.std
            loss = torch.nn.functional.cross_entropy(graph.head(graph.body(images)), truth[own])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    graph.eval()
    with torch.inference_mode():
        parts = [graph(part)[0].argmax(dim=1) for part in torch.split(_frames(one, decoder, told), BATCH)]
    return np.asarray(torch.cat(parts).numpy(), np.intp)


def _frames(one: Labelled, decoder: Decoder, chosen: Classes) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([decoded(decoder, one.paths[at]).frames for at in chosen]))


if __name__ == "__main__":
    main()
