"""The int8 model: made from pictures, kept only while it agrees with fp32, and refused where it would be wrong."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tagger.config.settings import Settings
from tagger.config.tagging import ModelSettings
from tagger.errors import ModelError
from tagger.vision import quantize as int8
from tagger.vision.agreement import Agreement, agreement
from tagger.vision.cpu import native_formats
from tagger.vision.engines.choice import Choice
from tagger.vision.graph import int8_graph_of
from tagger.vision.load import load_classifier, load_engine
from tagger.vision.quantize import Verdict, quantize
from tagger.vision.weights import Weights, resolve
from tests.e2e.command import TAGGER, environment, tagger

pytestmark = pytest.mark.long

needs_int8 = pytest.mark.skipif(
    "int8" not in native_formats() or find_spec("nncf") is None,
    reason="this CPU has neither VNNI nor AMX, or NNCF is not installed",
)

STRACE = shutil.which("strace")
SCENES = ("astronaut", "coffee", "cat", "rocket", "retina", "colorwheel")


def built_in() -> Weights:
    return resolve(ModelSettings(name="builtin"), Path("/nonexistent"))


def scenes(number: int, seed: int = 0) -> NDArray[np.uint8]:
    """Crops of bundled pictures, of the built-in model's size."""
    random, side = np.random.default_rng(seed), built_in().preprocessing.crop
    found = []
    for turn in range(number):
        whole = Image.fromarray(getattr(data, SCENES[turn % len(SCENES)])())
        size = int(random.integers(side, min(whole.size)))
        left, top = (int(random.integers(0, length - size + 1)) for length in whole.size)
        found.append(np.asarray(whole.crop((left, top, left + size, top + size)).resize((side, side))))
    return np.stack(found)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verdict]:
    """A home with the built-in model's int8 version, and what was said of it."""
    home = tmp_path_factory.mktemp("home")
    return home, quantize(built_in(), scenes(40), home, home / "cache", min_agreement=0.9)


@needs_int8
def test_it_agrees_with_fp32_on_pictures_that_it_was_not_calibrated_on(
    quantized: tuple[Path, Verdict],
) -> None:
    home, verdict = quantized
    assert (verdict.calibrated, verdict.agreement.pictures, verdict.on_others) == (20, 20, True)
    assert verdict.agreement.agreeing >= 0.9
    assert {"fp32", "int8"} <= verdict.speeds.keys()
    unseen = scenes(24, seed=1)
    full = load_engine(Choice("openvino", "fp32", ""), built_in(), home, home).infer(unseen)
    small = load_engine(Choice("openvino", "int8", ""), built_in(), home, home).infer(unseen)
    assert agreement(full.probabilities, small.probabilities).agreeing >= 0.9
    assert small.features.shape == full.features.shape
    assert np.corrcoef(full.features.ravel(), small.features.ravel())[0, 1] > 0.98
    assert not np.array_equal(full.features, small.features)


@needs_int8
def test_it_has_a_quarter_of_the_size(quantized: tuple[Path, Verdict]) -> None:
    folder = quantized[1].folder
    assert folder
    parameters = built_in().path.stat().st_size // 2  # which are in 16 bits there
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1.1 * parameters


@needs_int8
def test_the_daemon_takes_it_where_int8_is_asked_for(quantized: tuple[Path, Verdict]) -> None:
    settings = Settings.model_validate({"model": {"name": "builtin"}, "engine": {"precision": "int8"}})
    assert "int8" in load_classifier(settings, quantized[0], quantized[0]).description


@needs_int8
def test_one_that_agrees_too_little_is_not_kept_and_the_older_one_stays(
    quantized: tuple[Path, Verdict],
) -> None:
    """Calibrated on black pictures alone, it takes everything else for more than it can count to."""
    home, first = quantized
    assert first.folder
    before = {file.name: file.read_bytes() for file in first.folder.iterdir()}
    pictures = scenes(20)
    pictures[::2] = 0
    verdict = quantize(built_in(), pictures, home, home / "cache", min_agreement=0.97)
    assert verdict.agreement.agreeing < 0.97
    assert verdict.folder is None
    assert {file.name: file.read_bytes() for file in first.folder.iterdir()} == before
    assert list(first.folder.parent.iterdir()) == [first.folder]


@needs_int8
@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_damaged_one_is_refused(quantized: tuple[Path, Verdict], name: str) -> None:
    home, verdict = quantized
    assert verdict.folder
    file = verdict.folder / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(ModelError, match=r"damaged\n.*tagger models quantize"):
            load_engine(Choice("openvino", "int8", ""), built_in(), home, home)
    finally:
        file.write_bytes(whole)


def test_where_none_was_made_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tagger models quantize"):
        int8_graph_of(built_in(), tmp_path)


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A home where `tagger models quantize` ran on eleven pictures, a copy of one, and a file that is none."""
    home = tmp_path_factory.mktemp("home")
    (home / "pictures").mkdir()
    for number, pixels in enumerate([*scenes(11), scenes(1)[0]]):
        Image.fromarray(pixels).save(home / "pictures" / f"{number}.png")
    (home / "pictures" / "bad.png").write_text("no picture")
    traced = ["strace", "-f", "-e", "trace=socket,connect,sendto", "-o", str(home / "trace")]
    done = subprocess.run(
        [
            *(traced if STRACE else []),
            TAGGER,
            "models",
            "quantize",
            "--images",
            "pictures",
            "--min-agreement",
            "0",
        ],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return home, done


@needs_int8
def test_the_command_says_what_it_measured_and_where_it_is(
    commanded: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, done = commanded
    calibrated, agreed, speeds, kept = done.stdout.splitlines()
    assert calibrated == "calibrated on 11 pictures"
    assert re.fullmatch(r"agreement with fp32 [\d.]+%, same top label [\d.]+%, on the same ones, .*", agreed)
    assert re.fullmatch(r"pictures per second: fp32 \d+, (bf16 \d+, )?int8 \d+", speeds)
    assert Path(kept.removeprefix("kept in "), "model.xml").exists()
    assert "set engine.precision to int8" in done.stderr
    used = {"TAGGER_ENGINE__BACKEND": "openvino", "TAGGER_ENGINE__PRECISION": "int8"}
    assert tagger(home, "tag", "pictures/0.png", **used).stdout.startswith("pictures/0.png\t")


@needs_int8
@pytest.mark.skipif(not STRACE, reason="strace is not installed")
def test_the_command_reaches_out_to_nobody_and_writes_nowhere_else(
    commanded: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = commanded
    trace = (home / "trace").read_text()
    assert "exited with 0" in trace
    assert "AF_INET" not in trace
    assert {path.name for path in home.iterdir()} == {"pictures", "trace", ".local", ".cache"}
    assert [path.name for part in (".local/share", ".cache") for path in (home / part).iterdir()] == [
        "tagger",
        "tagger",
    ]


def test_the_command_needs_a_folder(tmp_path: Path) -> None:
    done = tagger(tmp_path, "models", "quantize")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--images FOLDER" in done.stderr


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"9 pictures are too few.*\n.*--images"):
        quantize(built_in(), scenes(9), tmp_path, tmp_path, min_agreement=0)
    assert not list(tmp_path.iterdir())


def test_a_cpu_that_would_saturate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "native_formats", lambda: frozenset({"fp32"}))
    with pytest.raises(ModelError, match="saturate"):
        int8.refuse_where_impossible()


@needs_int8
def test_without_nncf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ModelError, match="extra 'quantize'"):
        int8.refuse_where_impossible()


def scores(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_two_labels_within_three_hundredths_are_a_toss_up() -> None:
    reference = scores([0.50, 0.48, 0.02], [0.49, 0.48, 0.03], [0.52, 0.46, 0.02], [0.1, 0.2, 0.7])
    other = scores([0.48, 0.50, 0.02], [0.40, 0.50, 0.10], [0.46, 0.52, 0.02], [0.3, 0.1, 0.6])
    assert agreement(reference, other) == Agreement(agreeing=3 / 4, same_top1=1 / 4, pictures=4)


def test_how_near_two_labels_are_is_asked_of_the_reference() -> None:
    assert agreement(scores([0.9, 0.1]), scores([0.49, 0.51])).agreeing == 0
