"""From the settings to a classifier that is ready: the one place that chooses an engine."""

from pathlib import Path

from tagger.config import Settings
from tagger.vision.classify import Classifier
from tagger.vision.engines import fake
from tagger.vision.weights import resolve


def load_classifier(settings: Settings, home: Path) -> Classifier:
    """Load the model that `settings` name; `home` is where fetched weights are. Raises ModelError."""
    top_k = settings.model.top_k
    if settings.engine.backend == "fake":
        engine = fake.FakeEngine()
        return Classifier(engine, fake.IDENTITY, fake.LABELS, fake.PREPROCESSING, top_k, engine.description)
    weights = resolve(settings.model, home)
    # Imported here: torch takes seconds, which commands that infer nothing need not pay.
    from tagger.vision.engines.torch import TorchEngine

    torch_engine = TorchEngine(weights, settings.engine.precision)
    description = f"{weights.description} ({torch_engine.description})"
    return Classifier(
        torch_engine, weights.identity, weights.labels, weights.preprocessing, top_k, description
    )
