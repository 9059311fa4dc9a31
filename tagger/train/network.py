"""A network of the catalogue that learns: its body begins with weights that are here, its last layer anew, for other labels."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from tagger.vision.engines.torch_model import head_name, module
from tagger.vision.graph import fitted
from tagger.vision.weights import Weights

_COUNTER = "num_batches_tracked"


class Network(nn.Module):
    """N×3×H×W, normalised → logits of the labels, and of what a teacher knows besides, N×0 where that is nothing."""

    def __init__(self, architecture: str, classes: int, taught: int = 0) -> None:
        """Build it with chance numbers; `taught` classes of a teacher have a layer of their own, which is not kept."""
        super().__init__()
        body = module(architecture, classes)
        self.head_name = head_name(body)
        head = body.get_submodule(self.head_name)
        assert isinstance(head, nn.Linear)  # noqa: S101
        parent, _, name = self.head_name.rpartition(".")
        setattr(body.get_submodule(parent), name, nn.Identity())
        self.body, self.head = body, head
        self.taught = nn.Linear(head.in_features, taught) if taught else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        more = self.taught(features) if self.taught else features[:, :0]
        return self.head(features).float(), more.float()

    def begin_with(self, weights: Weights) -> None:
        """Take the body's numbers from weights of the same architecture. Raises ModelError where they do not fit it."""
        found = {
            name: torch.from_numpy(np.array(one, np.float32))
            for name, one in fitted(weights).items()
            if not name.startswith(f"{self.head_name}.")
        }
        counters = {name: one for name, one in self.body.state_dict().items() if name.endswith(_COUNTER)}
        self.body.load_state_dict(found | counters, strict=True)

    def numbers(self) -> Mapping[str, Tensor]:
        """Return what a model file holds: each tensor by the architecture's own name for it, on the CPU."""
        body = {name: one for name, one in self.body.state_dict().items() if not name.endswith(_COUNTER)}
        head = {f"{self.head_name}.{name}": one for name, one in self.head.state_dict().items()}
        return {name: one.detach().cpu().contiguous().clone() for name, one in (body | head).items()}

    def freeze(self, frozen: bool) -> None:
        """Have the body learn, or not: then its layers that normalise batches stay as they are, too."""
        self.train()
        self.body.train(not frozen)
        self.body.requires_grad_(not frozen)
