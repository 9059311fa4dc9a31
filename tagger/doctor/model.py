"""Weights and engine: are they whole, and do they compute?"""

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
from tagger.vision.graph import is_made
from tagger.vision.weights import inventory, resolve


def weights(settings: Settings) -> Iterator[Finding]:
    if settings.engine.backend == "fake":
        yield Finding("note", "none are used: the engine is a fake one", "engine.backend: auto tags for real")
        return
    try:
        damaged = [path for path, whole in inventory(data_home()) if not whole]
        for path in damaged:
            yield Finding(
                "problem", f"{path} is missing or damaged", "fetch it again, or install Tagger again"
            )
        stands = model_choice.standing_now(settings, data_home())
        settings = model_choice.for_reading(settings, data_home())
        load.check(settings, data_home())
        found = resolve(settings.model, data_home())
    except (ModelError, ConfigError) as error:
        yield Finding("problem", f"{error.where}: {error.what}", error.hint)
        return
    if not damaged:
        yield Finding("ok", f"{found.description}, whole: {found.path}; in use because {stands.why}")
    if stands.other:
        yield Finding("note", f"auto prefers another model to {stands.name}", stands.other)


def engine(settings: Settings) -> Iterator[Finding]:
    """What would compute, and that it does: one grey picture goes through."""
    why = "as configured"
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
            classifier = load.load_classifier(settings, data_home(), cache)
            size = classifier.preprocessing.crop
            picture = np.full((1, size, size, 3), 128, np.uint8)
            begun = time.perf_counter()
            scores = classifier.engine.infer(picture).probabilities
            took = time.perf_counter() - begun
    except (ModelError, ConfigError) as error:
        yield Finding("problem", f"{error.where}: {error.what}", error.hint)
        return
    if scores.shape != (1, len(classifier.labels)) or not np.isclose(scores.sum(), 1, atol=0.01):
        hint = "engine: {backend: torch, precision: fp32} in the config is the slow and safe choice"
        yield Finding("problem", f"{classifier.engine.description} computes scores that cannot be", hint)
        return
    took_ms = f"a picture in {took * 1000:.0f} ms"
    yield Finding("ok", f"{classifier.engine.description}, because {why}; {took_ms}")
