"""The checks of the model tell whether its weights are whole, and whether its engine computes."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.doctor.finding import Finding
from tagger.errors import ConfigError, ModelError
from tagger.runtime import model_choice
from tagger.vision import load
from tagger.vision.classify import Classifier
from tagger.vision.graph import is_made
from tagger.vision.weights import inventory, resolve


def weights(settings: Settings) -> Iterator[Finding]:
    """Yield whether each weights file here is whole, which model is in use and why, and what would bring a better one."""
    if settings.engine.backend == "fake":
        yield Finding("note", "none are used: the engine is a fake one", "engine.backend: auto tags for real")
        return
    try:
        damaged = [path for path, whole in inventory(data_home()) if not whole]
        for path in damaged:
            hint = "fetch it again, or install Tagger again"
            yield Finding("problem", f"{path} is missing or damaged", hint)
        yield from _in_use(settings, whole=not damaged)
    except (ModelError, ConfigError) as error:
        yield Finding("problem", f"{error.where}: {error.what}", error.hint)


def _in_use(settings: Settings, whole: bool) -> Iterator[Finding]:
    """Yield which model is in use. Raises ModelError or ConfigError where it cannot be."""
    stands = model_choice.standing_now(settings, data_home())
    settings = model_choice.for_reading(settings, data_home())
    load.check(settings, data_home())
    found = resolve(settings.model, data_home())
    if whole:
        yield Finding("ok", f"{found.description}, whole: {found.path}; in use because {stands.why}")
    if stands.other:
        yield Finding("note", f"auto prefers another model to {stands.name}", stands.other)


def engine(settings: Settings) -> Iterator[Finding]:
    """Yield what would compute and how fast, or why it does not: one grey picture goes through."""
    why = "engine.backend is fake"
    try:
        with ExitStack() as stack:
            cache = cache_home()
            settings = model_choice.for_reading(settings, data_home())
            if settings.engine.backend != "fake":
                why = load.chosen(settings.engine).why
                found = resolve(settings.model, data_home())
                settings = model_choice.with_name(settings, found.name)
                if not is_made(found, cache):  # it is not ours to keep
                    cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagger-doctor-")))
            yield _computed(load.load_classifier(settings, data_home(), cache), why)
    except (ModelError, ConfigError) as error:
        yield Finding("problem", f"{error.where}: {error.what}", error.hint)


def _computed(classifier: Classifier, why: str) -> Finding:
    size, computing = classifier.preprocessing.crop, classifier.engine.description
    picture = np.full((1, size, size, 3), 128, np.uint8)
    begun = time.perf_counter()
    scores = classifier.engine.infer(picture).probabilities
    took = time.perf_counter() - begun
    if scores.shape != (1, len(classifier.labels)) or not np.isclose(scores.sum(), 1, atol=0.01):
        hint = "engine: {backend: torch, precision: fp32} in the config is the slow and safe choice"
        return Finding("problem", f"{computing} computes scores that cannot be", hint)
    return Finding("ok", f"{computing}, because {why}; a picture in {took * 1000:.0f} ms")
