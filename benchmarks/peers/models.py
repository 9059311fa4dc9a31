"""The same ResNet-18 for every side: random weights of a fixed seed, as safetensors, ONNX and OpenVINO's int8.

Uint8 N×224×224×3 in, logits out. Normalisation is part of the graph, as OpenVINO's guide recommends, so that
the peers that take these files do not pay numpy for it.
"""

import sys
from pathlib import Path

import nncf
import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import ResNet, resnet18

from benchmarks.peers.contract import MEAN, STD
from benchmarks.peers.decode_pool import decoded


class Graph(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        logits: Tensor = self.body((pixels - mean) / std)
        return logits


@torch.no_grad()
def centre(model: ResNet, images: NDArray[np.uint8]) -> None:
    """A random network says the same of all pictures: no one would notice if a side mixed them up, or lost them."""
    graph = Graph(model)
    batches = (torch.from_numpy(images[start : start + 32]) for start in range(0, len(images), 32))
    model.fc.bias -= torch.cat([graph(batch) for batch in batches]).mean(dim=0)


def main(state: Path, pictures: Path) -> None:
    """Writes `state` (safetensors) and, beside it, `.onnx` and `.int8.xml`, quantised on pictures."""
    torch.manual_seed(0)
    model = resnet18().eval()
    images = np.stack(list(decoded(sorted(pictures.iterdir()))))
    centre(model, images)
    save_file(model.state_dict(), state)
    example = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    batch = {"images": {0: torch.export.Dim("batch")}}
    torch.onnx.export(
        Graph(model).eval(),
        (example,),
        state.with_suffix(".onnx"),
        input_names=["images"],
        dynamic_shapes=batch,
    )
    graph = openvino.Core().read_model(state.with_suffix(".onnx"))
    openvino.save_model(
        nncf.quantize(graph, nncf.Dataset(list(images[:, None]))), state.with_suffix(".int8.xml")
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
