"""A weights file → torchvision's model, with normalisation before it and softmax behind.

A weights file is read as tensors and nothing else; the model is built without storage (meta) and takes the
file's tensors as its own, so that nothing is held twice.
"""

from pathlib import Path
from pickle import UnpicklingError

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tagger.errors import ModelError
from tagger.vision.models import Preprocessing
from tagger.vision.weights import Weights

_AGAIN = "copy or fetch the file again"
_PLAIN = "copy it again; or save it with torch.save(model.state_dict(), FILE), or as safetensors"


def load_graph(weights: Weights) -> "Graph":
    """The model in fp32, on the CPU. Raises ModelError where the weights do not fit architecture and labels."""
    return Graph(_loaded(weights), weights.preprocessing).eval()


class Graph(nn.Module):
    """Normalisation, body and head in one: N×H×W×3 uint8 → probabilities and features, float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.head = _head(model)
        self.body = _without_head(model)
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1))

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        # The permuted batch already lies in channels_last order: no copy is made for it.
        images = (batch.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        features = self.body(images)
        return self.head(features).float().softmax(dim=1), features.float()


def _head_name(model: nn.Module) -> str:
    """The final classifier: in each architecture of the catalogue it is the last linear layer."""
    names: list[str] = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return names[-1]


def _head(model: nn.Module) -> nn.Module:
    return model.get_submodule(_head_name(model))


def _without_head(model: nn.Module) -> nn.Module:
    parent, _, name = _head_name(model).rpartition(".")
    setattr(model.get_submodule(parent), name, nn.Identity())
    return model


def _loaded(weights: Weights) -> nn.Module:
    name, classes = weights.architecture.name, len(weights.labels)
    with torch.device("meta"):
        model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
    state = _state(weights.path)
    # Counters of the training, which inference never reads: older files lack them.
    counters = {key: torch.tensor(0) for key in model.state_dict() if key.endswith("num_batches_tracked")}
    state = counters | {key: tensor.float() for key, tensor in state.items() if key not in counters}
    _refuse_misfit(weights, model, state)
    model.load_state_dict(state, strict=True, assign=True)
    return model.requires_grad_(False)


def _state(path: Path) -> dict[str, Tensor]:
    state = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(str(path), "not a state dict (layer names and their tensors)", _PLAIN)
    return state


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError):
        raise ModelError(str(path), "truncated, damaged, or not a safetensors file", _AGAIN) from None


def _checkpoint(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        what = "refused: it is not tensors alone, and nothing pickled is ever run"
        raise ModelError(str(path), what, _PLAIN) from None
    except Exception:  # what the reader raises on damaged bytes is anything from KeyError to RuntimeError
        raise ModelError(str(path), "truncated, damaged, or not a file of torch.save's", _AGAIN) from None


def _refuse_misfit(weights: Weights, model: nn.Module, state: dict[str, Tensor]) -> None:
    """Say in one sentence what load_state_dict would say in a hundred lines."""
    expected, path, name = model.state_dict(), weights.path, weights.architecture.name
    hint = "set model.name to the architecture that these weights are of"
    for key in sorted(expected.keys() ^ state.keys()):
        which = "it lacks" if key in expected else "it also has"
        raise ModelError(str(path), f"not the weights of a {name}: {which} {key}", hint)
    classes, labels = len(state[_head_name(model) + ".bias"]), len(weights.labels)
    if classes != labels:
        beside = path.with_suffix(".json")
        what = f"it has {classes} classes, but {labels} labels"
        raise ModelError(str(path), what, f"list its {classes} labels in {beside}")
    for key, tensor in expected.items():
        if tensor.shape != state[key].shape:
            what = (
                f"not the weights of a {name}: {key} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}"
            )
            raise ModelError(str(path), what, hint)
