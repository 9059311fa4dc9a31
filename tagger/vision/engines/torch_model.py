"""A weights file → a torch module, with normalisation before it and softmax behind.

The model is built without storage (meta) and takes the file's tensors as its own, so that nothing is held twice.
"""

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from tagger.vision.engines import efficientnet_lite
from tagger.vision.graph import fitted
from tagger.vision.models import Preprocessing
from tagger.vision.weights import Weights


def load_graph(weights: Weights) -> "Graph":
    """Return the model in fp32, on the CPU. Raises ModelError where the weights do not fit architecture and labels."""
    return Graph(_loaded(weights), weights.preprocessing, weights.temperature or 1).eval()


class Graph(nn.Module):
    """Normalisation, body and head in one: N×H×W×3 uint8 → probabilities and features, float32."""

    mean: Tensor
    std: Tensor
    temperature: Tensor

    def __init__(self, model: nn.Module, preprocessing: Preprocessing, temperature: float = 1) -> None:
        super().__init__()
        self.head = _head(model)
        self.body = _without_head(model)
        self.register_buffer("temperature", torch.tensor(float(temperature)))
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1))

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        # The permuted batch already lies in channels_last order: no copy is made for it.
        images = (batch.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        features = self.body(images)
        logits = self.head(features).float() / self.temperature
        return logits.softmax(dim=1), features.float()


def head_name(model: nn.Module) -> str:
    """Return the final classifier: in each architecture of the catalogue it is the last linear layer."""
    names: list[str] = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return names[-1]


def _head(model: nn.Module) -> nn.Module:
    return model.get_submodule(head_name(model))


def _without_head(model: nn.Module) -> nn.Module:
    parent, _, name = head_name(model).rpartition(".")
    setattr(model.get_submodule(parent), name, nn.Identity())
    return model


def module(name: str, classes: int) -> nn.Module:
    """Return the architecture, whose numbers are yet to come."""
    if efficientnet_lite.is_one(name):
        return efficientnet_lite.EfficientNetLite(name, classes)
    model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
    return model


def _loaded(weights: Weights) -> nn.Module:
    with torch.device("meta"):
        model = module(weights.architecture.name, len(weights.labels))
    counters = {key: torch.tensor(0) for key in model.state_dict() if key.endswith("num_batches_tracked")}
    state = {key: torch.from_numpy(np.array(one, np.float32)) for key, one in fitted(weights).items()}
    model.load_state_dict(counters | state, strict=True, assign=True)
    return model.requires_grad_(False)
