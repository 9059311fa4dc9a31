"""From the settings to a classifier that is ready: the one place that builds an engine."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from tagger.config.settings import Settings
from tagger.config.sources import Crop
from tagger.config.tagging import EngineSettings
from tagger.errors import ConfigError, ModelError
from tagger.records import Label, ModelIdentity
from tagger.search import suggestions
from tagger.vision import categories, cores
from tagger.vision.categories import Categories
from tagger.vision.classify import Classifier
from tagger.vision.cpu import native_formats
from tagger.vision.engines import Engine, fake
from tagger.vision.engines.choice import Choice, choose
from tagger.vision.graph import fitted, graph_of, int8_graph_of
from tagger.vision.models import AUTO, BUILTIN_MODEL
from tagger.vision.weights import Weights, resolve, usable
from tagger.wording.nearest import did_you_mean

log = logging.getLogger(__name__)

_NVIDIA = Path("/proc/driver/nvidia/version")


def load_classifier(settings: Settings, home: Path, cache: Path) -> Classifier:
    """Load the model that `settings` name. Raises ModelError.

    `home` is where fetched weights and quantised models are; `cache` is for what can be made again.
    """
    if settings.engine.backend == "fake":
        engine, own = fake.FakeEngine(), _categories(settings, fake.LABELS)
        return Classifier(
            engine,
            fake.IDENTITY,
            fake.LABELS,
            fake.PREPROCESSING,
            own,
            settings.model.top_k,
            engine.description,
            settings.features,
        )
    if settings.model.name == AUTO:
        return _loaded(settings, first(settings, home, cache), home, cache)
    return _loaded(settings, resolve(settings.model, home), home, cache)


def identity(settings: Settings, home: Path, crop: Crop) -> ModelIdentity:
    """Return what the model that `settings` name is, where it crops pictures so; no engine is loaded. Raises ModelError."""
    if settings.engine.backend == "fake":
        return replace(fake.IDENTITY, preprocessing=str(replace(fake.PREPROCESSING, frame=crop)))
    weights = resolve(settings.model, home)
    return replace(weights, preprocessing=replace(weights.preprocessing, frame=crop)).identity


def labels(settings: Settings, home: Path) -> Sequence[Label]:
    """Return the labels of the model that `settings` name; no engine is loaded. Raises ModelError."""
    return fake.LABELS if settings.engine.backend == "fake" else resolve(settings.model, home).labels


def first(settings: Settings, home: Path, cache: Path) -> Weights:
    """Return what `auto` comes to: the first model in line whose weights are here and whole, and whose graph can be written.

    Whatever stands against one before it is logged. Raises ModelError.
    """
    needs_graph = chosen(settings.engine).backend != "torch"
    for weights in usable(home, passed=_pass_over):
        try:
            if needs_graph:
                graph_of(weights, cache)
        except ModelError as error:
            if weights.name == BUILTIN_MODEL:
                raise
            _pass_over(error)
        else:
            return weights
    raise AssertionError  # the built-in model is always in line


def _pass_over(error: ModelError) -> None:
    log.warning("%s: %s (%s); the next model is taken", error.where, error.what, error.hint)


def _loaded(settings: Settings, weights: Weights, home: Path, cache: Path) -> Classifier:
    own = _categories(settings, weights.labels)
    choice = chosen(settings.engine)
    loaded = load_engine(choice, weights, home, cache, cores.allowed(settings.limits.cores))
    log.info("engine: %s, because %s", loaded.description, choice.why)
    description = f"{weights.description} ({loaded.description})"
    return Classifier(
        loaded,
        weights.identity,
        weights.labels,
        weights.preprocessing,
        own,
        settings.model.top_k,
        description,
        settings.features,
    )


def adapted(classifier: Classifier, settings: Settings) -> Classifier:
    """Return the same model in the same engine, with the settings' own categories, `top_k` and features. Raises ConfigError."""
    return Classifier(
        classifier.engine,
        classifier.identity,
        classifier.labels,
        classifier.preprocessing,
        _categories(settings, classifier.labels),
        settings.model.top_k,
        classifier.description,
        settings.features,
    )


def check(settings: Settings, home: Path) -> None:
    """Raises ModelError or ConfigError where the model's files or the categories cannot be used.

    Weights of the user's own are read whole: only so is it known that they fit the model and their labels.
    """
    if settings.engine.backend == "fake":
        _categories(settings, fake.LABELS)
        return
    weights = resolve(settings.model, home)
    _categories(settings, weights.labels)
    if settings.model.weights != AUTO:
        fitted(weights)


def refuse_heads_called_as(labels: Sequence[Label], heads: Iterable[str], weights: str) -> None:
    """Raise ConfigError where a head has the name of the model's weights file: the labels of both have keys `name/label`."""
    taken = {one.key.partition("/")[0] for one in labels if "/" in one.key}
    for name in sorted(taken.intersection(heads)):
        what = f"the labels of {weights} have keys {name}/…, as those of a head of this name do"
        hint = f"call the head something else; or, where that is older, rename the weights file and {name}.json beside it"
        raise ConfigError(f"head {name}", what, hint)


def _categories(settings: Settings, labels: Sequence[Label]) -> Categories:
    """Return the settings' categories.

    Raises ConfigError, also where a threshold is for what neither a label nor a category is called, and where a head is called as the
    model's weights file is.
    """
    refuse_heads_called_as(labels, settings.every_head(), settings.model.weights)
    own = categories.load(settings.categories, labels)
    named = [one.names for one in labels] + [one.names for one in own.categories]
    known = {name.casefold() for names in named for name in names}
    for name in settings.thresholds:
        if name.casefold() not in known:
            near = map(repr, suggestions.names_like(name.casefold(), known)[:1])
            hint = did_you_mean(near, suggestions.UNTAUGHT)
            raise ConfigError(f"thresholds.{name}", "no label or category has this name", hint)
    return own


def load_engine(
    choice: Choice, weights: Weights, home: Path, cache: Path, threads: int | None = None
) -> Engine:
    """Load the engine of a choice. `threads` infer at most, or one for each core. Raises ModelError.

    Each library is imported only where it is chosen: torch takes seconds and 600 MB.
    """
    threads = threads or cores.available()
    if choice.backend == "torch":
        from tagger.vision.engines.torch import TorchEngine

        return TorchEngine(weights, choice.precision, threads=threads)
    if choice.backend == "onnx":
        from tagger.vision.engines.onnx import OnnxEngine

        return OnnxEngine(graph_of(weights, cache), threads)
    from tagger.vision.engines.openvino import OpenVinoEngine

    graph = int8_graph_of(weights, home) if choice.precision == "int8" else graph_of(weights, cache)
    return OpenVinoEngine(graph, choice.precision, threads)


def chosen(engine: EngineSettings) -> Choice:
    """Return what computes on this machine, and why. Raises ModelError for what cannot be."""
    return choose(engine, native_formats(), _has_gpu())


def _has_gpu() -> bool:
    """Return whether CUDA is here. Torch is asked, and imported, only where there is a driver; an install may be without it."""
    if not (_NVIDIA.exists() and find_spec("torch")):
        return False
    from tagger.vision.engines.torch import has_gpu

    return has_gpu()
