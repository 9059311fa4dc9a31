"""The model as a graph file that OpenVINO and ONNX Runtime read.

For each architecture a template lies in `weights/`: the graph, with names and shapes in place of numbers. A model's graph is its
template, filled: a copy of its tensors as safetensors, and the graph beside it, which points into that file. It is made once,
without torch, and cached by the model's identity; the built-in model's lies beside its weights already. The tensors are copied,
because ONNX Runtime refuses those outside the graph's own folder. Whether a cached graph is whole is asked of its hashes: a
damaged one could yield wrong scores without a word.
"""

import hashlib
import json
import logging
import shutil
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tagger.errors import ModelError
from tagger.records import ModelIdentity
from tagger.vision import tensors
from tagger.vision.models import BUILTIN
from tagger.vision.tensors import Tensors
from tagger.vision.weights import Weights, sha256_of
from tagger.wording.escape import cut, shown

if TYPE_CHECKING:  # it takes a tenth of a second, which a start with a cached graph need not pay
    import onnx

log = logging.getLogger(__name__)

REVISION = 3
"""Of how a template is filled; a new one makes every cached graph anew."""

GRAPH = "model.onnx"
TENSORS = "model.safetensors"
HEAD = "head"
"""The template's property that names its last layer, which has as many outputs as there are labels."""
INT8_GRAPH = "model.xml"
_HASHES = "hashes.json"


def graph_of(weights: Weights, cache: Path) -> Path:
    """Return the graph of `weights`: input `pictures` N×H×W×3 uint8, outputs `probabilities` and `features`.

    Raises ModelError where the weights do not fit their architecture and labels, or the cache cannot be written.
    """
    if beside := _beside(weights):
        return beside
    folder = _folder(weights, cache)
    if not _is_whole(folder):
        keep(folder, lambda made: _fill(weights, made))
    return folder / GRAPH


def is_made(weights: Weights, cache: Path) -> bool:
    """Return whether `graph_of` has nothing to write."""
    return _beside(weights) is not None or _is_whole(_folder(weights, cache))


def int8_graph_of(weights: Weights, home: Path) -> Path:
    """Return the quantised graph of `weights`. Raises ModelError where there is none, or it is damaged."""
    folder = int8_folder(weights, home)
    if not folder.exists():
        raise ModelError(
            "engine.precision", "there is no int8 model of these weights", "tagger models quantize"
        )
    if not _is_whole(folder):
        raise ModelError(str(folder), "the int8 model is damaged", "tagger models quantize makes it again")
    return folder / INT8_GRAPH


def int8_folder(weights: Weights, home: Path) -> Path:
    """Return where the quantised graph of `weights` is kept."""
    return home / "int8" / key_of(weights.identity)


def key_of(identity: ModelIdentity) -> str:
    """Return a short name for files that belong to one model."""
    text = f"{identity.name} {identity.weights_sha256} {identity.preprocessing}"
    return f"{identity.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def keep(folder: Path, write: Callable[[Path], None]) -> None:
    """Make the folder anew by `write`, with the hashes of its files; it is there whole or not at all.

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
        names = {file.name for file in folder.iterdir()} - {_HASHES}
        return (
            bool(names)
            and hashes.keys() == names
            and all(sha256_of(folder / one) == hashes[one] for one in names)
        )
    except (OSError, ValueError, AttributeError, ModelError):
        return False


def fitted(weights: Weights) -> Tensors:
    """Return the tensors that the architecture has, by its own names for them, in the shapes that it has them in.

    The counters of the training are left out; inference never reads them. Raises ModelError where they do not fit.
    """
    found = {name: one for name, one in tensors.read(weights.path).items() if not _is_counter(name)}
    template = _template(weights)
    expected = {one.name: tuple(one.dims) for one in template.graph.initializer if one.external_data}
    _refuse_misfit(weights, expected, found, head_of(template))
    return found


def head_of(template: "onnx.ModelProto") -> str:
    """Return the name of the last layer."""
    return str(next(one.value for one in template.metadata_props if one.key == HEAD))


def set_tensors(template: "onnx.ModelProto", weights: Weights, file: Path) -> None:
    """Fill the template: its tensors are those in `file`, a safetensors file that is to lie beside the graph."""
    from onnx import TensorProto

    layout, start = _layout(file)
    kinds = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    for one in template.graph.initializer:
        if one.name in layout:
            entry = layout[one.name]
            begin, end = entry["data_offsets"]
            place = {"location": file.name, "offset": start + begin, "length": end - begin}
            one.data_type, one.dims[:] = kinds[entry["dtype"]], entry["shape"]
            del one.external_data[:]
            for key, value in place.items():
                one.external_data.add(key=key, value=str(value))
    _widen(template)
    _set_constants(template, weights)


def _fill(weights: Weights, folder: Path) -> None:
    import onnx
    from safetensors.numpy import save_file

    found = {name: np.ascontiguousarray(tensor) for name, tensor in fitted(weights).items()}
    save_file(found, folder / TENSORS)
    template = _template(weights)
    set_tensors(template, weights, folder / TENSORS)
    onnx.save(template, folder / GRAPH)


def _template(weights: Weights) -> "onnx.ModelProto":
    import onnx

    path = BUILTIN / f"{weights.architecture.name}.onnx"
    return onnx.load(path, load_external_data=False)


def _layout(file: Path) -> tuple[Mapping[str, Any], int]:
    """Return what the header of a safetensors file tells of each tensor, and where in the file their numbers begin."""
    with file.open("rb") as data:
        (length,) = struct.unpack("<Q", data.read(8))
        return json.loads(data.read(length)), 8 + length


def _widen(template: "onnx.ModelProto") -> None:
    """Compute in float32 what is stored in half of it."""
    from onnx import TensorProto, helper

    narrow = [one.name for one in template.graph.initializer if one.data_type == TensorProto.FLOAT16]
    wide = {name: f"{name}.wide" for name in narrow}
    for node in template.graph.node:
        node.input[:] = [wide.get(name, name) for name in node.input]
    casts = [helper.make_node("Cast", [name], [to], to=TensorProto.FLOAT) for name, to in wide.items()]
    nodes = [*casts, *template.graph.node]
    del template.graph.node[:]
    template.graph.node.extend(nodes)


def _set_constants(template: "onnx.ModelProto", weights: Weights) -> None:
    """Set the numbers that are the model's own: how pixels are scaled, and logits; and its sizes."""
    from onnx import numpy_helper

    preprocessing, graph = weights.preprocessing, template.graph
    values = {
        "mean": np.array(preprocessing.mean, np.float32).reshape(3, 1, 1),
        "std": np.array(preprocessing.std, np.float32).reshape(3, 1, 1),
        "temperature": np.array(weights.temperature or 1, np.float32),
    }
    for one in graph.initializer:
        if one.name in values:
            one.CopyFrom(numpy_helper.from_array(values[one.name], one.name))
    for dimension in graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = preprocessing.crop
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = len(weights.labels)


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _refuse_misfit(
    weights: Weights, expected: Mapping[str, tuple[int, ...]], found: Tensors, head: str
) -> None:
    """Say in one sentence what is wrong first."""
    path, name = str(weights.path), weights.architecture.name
    hint = "set model.name to the architecture that these weights are of"
    for key in sorted(expected.keys() ^ found.keys()):
        which = "it lacks" if key in expected else "it also has"
        raise ModelError(path, f"not the weights of a {name}: {which} {cut(shown(key), 100)}", hint)
    for key, shape in expected.items():
        own, wanted = found[key].shape, shape
        if key.startswith(f"{head}."):  # of which there is a row for each class
            own, wanted = own[1:], wanted[1:]
        if own != wanted:
            raise ModelError(
                path, f"not the weights of a {name}: {key} is {found[key].shape}, not {shape}", hint
            )
    _refuse_miscount(weights, len(found[f"{head}.bias"]), len(found[f"{head}.weight"]))


def _refuse_miscount(weights: Weights, *counts: int) -> None:
    labels, beside = len(weights.labels), weights.path.with_suffix(".json")
    for classes in counts:
        if classes != labels:
            what = f"it has {classes} classes, but {labels} labels"
            raise ModelError(str(weights.path), what, f"list its {classes} labels in {beside}")
