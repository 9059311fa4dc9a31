"""The model as a graph file: the same tags on every engine, filled in once, and never trusted when damaged."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from tagger.config.settings import Settings
from tagger.config.tagging import ModelSettings
from tagger.errors import ModelError
from tagger.vision.engines import Engine
from tagger.vision.engines.choice import Choice
from tagger.vision.graph import graph_of, keep, key_of
from tagger.vision.load import load_engine
from tagger.vision.models import CATALOGUE
from tagger.vision.weights import Weights, resolve
from tests.integration.test_architectures import random_model
from tests.kernel import resident

pytestmark = pytest.mark.long

NAMES = [architecture.name for architecture in CATALOGUE]


def built_in() -> Weights:
    return resolve(ModelSettings(name="builtin"), Path("/nonexistent"))


def own(folder: Path, name: str, classes: int = 1000, **more: Any) -> Weights:
    path = folder / f"{name}.safetensors"
    save_file(random_model(name, classes).state_dict(), path)
    return resolve(Settings.model_validate({"model": {"name": name, "weights": str(path)}}).model, folder)


def noise(weights: Weights, pictures: int) -> NDArray[np.uint8]:
    side = weights.preprocessing.crop
    return np.random.default_rng(7).integers(0, 256, (pictures, side, side, 3), dtype=np.uint8)


def engine(backend: str, weights: Weights, cache: Path, precision: str = "fp32") -> Engine:
    return load_engine(Choice(backend, precision, ""), weights, cache, cache)


def assert_same(weights: Weights, cache: Path) -> None:
    batch = noise(weights, 3)
    expected = engine("torch", weights, cache).infer(batch)
    for backend in ("openvino", "onnx"):
        found = engine(backend, weights, cache).infer(batch)
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        assert found.features == pytest.approx(expected.features, rel=1e-3, abs=1e-4)


def test_the_built_in_model_is_the_same_on_every_engine(tmp_path: Path) -> None:
    assert_same(built_in(), tmp_path)
    assert not list(tmp_path.iterdir()), "its graph is not written anew"


def test_batches_inferred_at_once_keep_their_rows(tmp_path: Path) -> None:
    openvino = engine("openvino", built_in(), tmp_path)
    pictures = noise(built_in(), 45)
    batches = [pictures[size * (size - 1) // 2 : size * (size + 1) // 2] for size in range(1, 10)]
    alone = np.concatenate([openvino.infer(picture[np.newaxis]).probabilities for picture in pictures])
    with ThreadPoolExecutor(openvino.batching.at_once) as threads:
        together = np.concatenate([found.probabilities for found in threads.map(openvino.infer, batches)])
    assert together == pytest.approx(alone, abs=1e-5)


FIRST = """
import sys, threading
import numpy as np
from pathlib import Path
from tagger.vision.engines.openvino import OpenVinoEngine

engine, ready = OpenVinoEngine(Path(sys.argv[1]), "fp32"), threading.Barrier(8)

def infer():
    ready.wait()
    engine.infer(np.zeros((1, 112, 112, 3), np.uint8))

threads = [threading.Thread(target=infer, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_pictures_may_come_all_at_once(tmp_path: Path) -> None:
    """OpenVINO's bindings set themselves up at their first tensor, and two threads there would hang for ever."""
    graph = str(graph_of(built_in(), tmp_path))
    subprocess.run([sys.executable, "-c", FIRST, graph], check=True, timeout=100)


@pytest.mark.parametrize("name", NAMES)
def test_every_other_model_is_filled_in_and_is_the_same(tmp_path: Path, name: str) -> None:
    assert_same(own(tmp_path, name), tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Weights, Path]:
    folder = tmp_path_factory.mktemp("filled")
    weights = own(folder, "resnet18")
    return weights, graph_of(weights, folder)


def test_it_is_filled_in_once(filled: tuple[Weights, Path]) -> None:
    weights, graph = filled
    before = graph.stat()
    assert graph_of(weights, graph.parents[2]) == graph
    assert graph.stat() == before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's count is Linux's")
def test_once_it_is_loaded_its_file_takes_no_memory(filled: tuple[Weights, Path]) -> None:
    weights, graph = filled
    loaded = engine("openvino", weights, graph.parents[2])
    loaded.infer(noise(weights, 4))
    tensors = graph.with_suffix(".safetensors")
    assert tensors.stat().st_size > 40_000_000
    assert resident(tensors) < 1000


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_a_damaged_graph_is_made_anew(filled: tuple[Weights, Path], suffix: str, damage: str) -> None:
    weights, graph = filled
    file = graph.with_suffix(suffix)
    cache, whole = graph.parents[2], file.read_bytes()
    if damage == "delete":
        file.unlink()
    else:
        middle = len(whole) // 2
        file.write_bytes(
            whole[:middle] + (b"" if damage == "truncate" else b"\xff\xff" + whole[middle + 2 :])
        )
    batch = noise(weights, 1)
    found = engine("openvino", weights, cache).infer(batch).probabilities
    assert found == pytest.approx(engine("torch", weights, cache).infer(batch).probabilities, abs=1e-5)
    assert file.stat().st_size == len(whole)


def hashes_of(folder: Path) -> str:
    files = (file for file in folder.iterdir() if file.name != "hashes.json")
    return json.dumps({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})


@pytest.mark.parametrize("hashes", ["{}", "[]", '{"../../x": ""}', '{"model.onnx": null}'])
def test_a_graph_is_not_whole_by_hashes_that_leave_it_out(filled: tuple[Weights, Path], hashes: str) -> None:
    weights, cache = filled[0], filled[1].parents[2]
    graph = graph_of(weights, cache)
    was = graph.read_bytes()
    graph.write_bytes(b"forged")
    (graph.parent / "hashes.json").write_text(hashes)
    assert graph_of(weights, cache).read_bytes() == was


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("place", ["../outside.safetensors", "{folder}/outside.safetensors"])
def test_a_graph_whose_numbers_lie_elsewhere_is_refused(
    filled: tuple[Weights, Path], backend: str, place: str
) -> None:
    """By the engines, also where whoever put it there wrote its hashes, too."""
    weights, cache = filled[0], filled[1].parents[2]
    graph = graph_of(weights, cache)
    (graph.parents[1] / "outside.safetensors").write_bytes((graph.parent / "model.safetensors").read_bytes())
    forged = onnx.load(graph, load_external_data=False)
    for one in forged.graph.initializer:
        for entry in one.external_data:
            if entry.key == "location":
                entry.value = place.format(folder=graph.parents[1])
    onnx.save(forged, graph)
    (graph.parent / "hashes.json").write_text(hashes_of(graph.parent))
    with pytest.raises(ModelError, match="cannot read it"):
        engine(backend, weights, cache)
    (graph.parent / "hashes.json").unlink()  # and so the next test has it made anew


def test_other_weights_of_the_same_name_are_another_graph() -> None:
    identity = built_in().identity
    others = [replace(identity, weights_sha256="0" * 64), replace(identity, preprocessing="resize=1")]
    assert len({key_of(one) for one in (identity, *others)}) == 3


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    weights = own(tmp_path, "mobilenet_v2", 12)
    with pytest.raises(ModelError, match="it has 12 classes, but 1000 labels"):
        graph_of(weights, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "graphs").iterdir())


def test_a_folder_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    keep(folder, lambda made: (made / "old").touch())

    def fail(made: Path) -> None:
        (made / "new").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(folder, fail)
    assert (folder / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot be written"):
        graph_of(own(tmp_path, "mobilenet_v2"), tmp_path / "cache")


def test_a_graph_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    from tagger.vision.engines.onnx import OnnxEngine
    from tagger.vision.engines.openvino import OpenVinoEngine

    (tmp_path / "model.onnx").write_text("nothing of the kind")
    with pytest.raises(ModelError, match="OpenVINO cannot read it"):
        OpenVinoEngine(tmp_path / "model.onnx", "fp32")
    with pytest.raises(ModelError, match="ONNX Runtime cannot read it"):
        OnnxEngine(tmp_path / "model.onnx")


def test_no_torch_is_needed_for_any_model(tmp_path: Path) -> None:
    weights = own(tmp_path, "mobilenet_v2")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tagger.config.settings import Settings\nfrom tagger.vision.load import load_classifier\n"
        "if __name__ == '__main__':\n"
        f"    settings = Settings.model_validate({{'model': {{'name': 'mobilenet_v2', 'weights': {str(weights.path)!r}}}}})\n"
        "    home = Path(sys.argv[1])\n"
        "    print(load_classifier(settings, home, home).engine.description, 'torch' in sys.modules)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("OpenVINO")
    assert done.stdout.endswith("False\n")


def test_reduced_precision_is_close_to_fp32(tmp_path: Path) -> None:
    from tagger.vision.cpu import native_formats

    weights = built_in()
    batch = noise(weights, 8)
    full = engine("openvino", weights, tmp_path).infer(batch)
    for precision in native_formats() & {"bf16", "fp16"}:
        reduced = engine("openvino", weights, tmp_path, precision).infer(batch)
        assert reduced.probabilities.dtype == np.float32
        assert reduced.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-2)
        assert np.corrcoef(full.features.ravel(), reduced.features.ravel())[0, 1] > 0.99
        assert not np.array_equal(full.features, reduced.features)


def test_a_tensor_is_called_in_a_message_what_a_terminal_can_show(tmp_path: Path) -> None:
    state = random_model("resnet18").state_dict() | {"\x1b[31mevil\n2026-11-30 INFO forged": torch.zeros(1)}
    save_file(state, tmp_path / "loud.safetensors")
    weights = resolve(ModelSettings(name="resnet18", weights=str(tmp_path / "loud.safetensors")), tmp_path)
    with pytest.raises(ModelError, match=r"it also has \\x1b\[31mevil\\n2026"):
        graph_of(weights, tmp_path)
