"""The model as a graph file that OpenVINO and ONNX Runtime read.

The built-in model's lies beside its weights. Any other is converted once, in a child process, because torch's
export takes seconds and a gigabyte that the daemon must not keep, and is cached by the model's identity. Whether a
cached graph is whole is asked of its hashes: a damaged one could yield wrong scores without a word.
"""

import hashlib
import json
import logging
import multiprocessing
import shutil
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tagger.errors import ModelError
from tagger.records import ModelIdentity
from tagger.vision.models import BUILTIN
from tagger.vision.weights import Weights, sha256_of

log = logging.getLogger(__name__)

REVISION = 2
"""Of what the converter writes; a new one makes every cached graph anew."""

GRAPH = "model.onnx"
INT8_GRAPH = "model.xml"
_HASHES = "hashes.json"


def graph_of(weights: Weights, cache: Path) -> Path:
    """The graph of `weights`: input `pictures` N×H×W×3 uint8, outputs `probabilities` and `features`.

    Raises ModelError where the weights do not fit their architecture and labels, or cannot be converted.
    """
    if beside := _beside(weights):
        return beside
    folder = _folder(weights, cache)
    if not _is_whole(folder):
        log.info("converting %s, once; this takes some ten seconds", weights.description)
        keep(folder, lambda made: _convert(weights, made / GRAPH))
    return folder / GRAPH


def is_made(weights: Weights, cache: Path) -> bool:
    """Whether `graph_of` has nothing to convert."""
    return _beside(weights) is not None or _is_whole(_folder(weights, cache))


def int8_graph_of(weights: Weights, home: Path) -> Path:
    """The quantised graph of `weights`. Raises ModelError where there is none, or it is damaged."""
    folder = int8_folder(weights, home)
    if not folder.exists():
        raise ModelError(
            "engine.precision", "there is no int8 model of these weights", "tagger models quantize"
        )
    if not _is_whole(folder):
        raise ModelError(str(folder), "the int8 model is damaged", "tagger models quantize makes it again")
    return folder / INT8_GRAPH


def int8_folder(weights: Weights, home: Path) -> Path:
    """Where the quantised graph of `weights` is kept."""
    return home / "int8" / key_of(weights.identity)


def key_of(identity: ModelIdentity) -> str:
    """A short name for files that belong to one model."""
    text = f"{identity.name} {identity.weights_sha256} {identity.preprocessing}"
    return f"{identity.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def keep(folder: Path, write: Callable[[Path], None]) -> None:
    """Makes the folder anew by `write`, with the hashes of its files; it is there whole or not at all.

    Raises ModelError where there is no room for it or no right to write.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent, ignore_cleanup_errors=True) as place:
            made = Path(place) / folder.name
            made.mkdir()
            write(made)
            hashes = {file.name: sha256_of(file) for file in made.iterdir()}
            (made / _HASHES).write_text(json.dumps(hashes), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            made.replace(folder)
    except OSError as error:
        raise ModelError(str(folder), f"cannot be written: {error.strerror or error}") from None


def _beside(weights: Weights) -> Path | None:
    beside = weights.path.with_suffix(".onnx")
    return beside if weights.path.parent == BUILTIN and beside.exists() else None


def _folder(weights: Weights, cache: Path) -> Path:
    return cache / "graphs" / f"{key_of(weights.identity)}-{REVISION}"


def _is_whole(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / _HASHES).read_bytes())
        return all(sha256_of(folder / name) == sha256 for name, sha256 in hashes.items())
    except (OSError, ValueError, AttributeError, ModelError):
        return False


def _convert(weights: Weights, target: Path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _be_interruptible) as child:
        try:
            child.submit(_export, weights, target).result()
        except BrokenProcessPool:
            what = "its conversion was cut short; is there a gigabyte of memory free?"
            raise ModelError(str(weights.path), what, "try again, or set engine.backend to torch") from None


def _be_interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the child too, without a traceback


def _export(weights: Weights, target: Path) -> None:
    # Here, and so in the child alone: torch.
    from tagger.vision.engines.torch_export import to_onnx

    to_onnx(weights, target)
