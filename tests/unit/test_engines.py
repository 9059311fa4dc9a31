"""The fake engine, the cores that engines use, and what loading a model costs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tagger.config.settings import Settings
from tagger.vision import cores
from tagger.vision.engines import fake
from tagger.vision.load import load_classifier


def flat(colour: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((1, 32, 32, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((250, 10, 10), "red"),
        ((10, 250, 10), "green"),
        ((10, 10, 250), "blue"),
        ((240, 240, 0), "yellow"),
        ((0, 240, 240), "cyan"),
        ((240, 0, 240), "magenta"),
        ((250, 250, 250), "white"),
        ((120, 130, 125), "grey"),
        ((5, 5, 5), "black"),
    ],
)
def test_the_fake_engine_names_the_mean_colour(colour: tuple[int, int, int], name: str) -> None:
    probabilities = fake.FakeEngine().infer(flat(colour)).probabilities[0]
    assert fake.LABELS[int(probabilities.argmax())].key == f"mean-colour/{name}"
    assert probabilities.max() > 0.95
    assert probabilities.sum() == pytest.approx(1)


def test_the_fake_backend_needs_neither_weights_nor_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from tagger.config.settings import Settings\nfrom tagger.config.tagging import EngineSettings\n"
        "from tagger.vision.load import load_classifier\n"
        "print(load_classifier(Settings(engine=EngineSettings(backend='fake')), Path('/nonexistent'), Path('/nonexistent')).description)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fake (mean colour)\n"


def test_the_fake_classifier_keeps_to_top_k() -> None:
    settings = Settings.model_validate({"model": {"top_k": 2}, "engine": {"backend": "fake"}})
    assert load_classifier(settings, Path("/nonexistent"), Path("/nonexistent")).top_k == 2


@pytest.mark.parametrize(
    ("quota", "cores_of_many"),
    [("max 100000", 64), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("", 64)],
)
def test_a_quota_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores_of_many: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    membership = tmp_path / "membership"
    membership.write_text("0::/system.slice/tagger.service\n")
    group = tmp_path / "system.slice" / "tagger.service"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(quota)
    assert cores.available(tmp_path, membership) == cores_of_many


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    assert cores.available(tmp_path, tmp_path / "missing") == len(os.sched_getaffinity(0))
