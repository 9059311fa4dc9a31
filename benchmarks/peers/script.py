"""Peer 1, the per-image script: PIL, torchvision's transforms, eager torch, one commit per image."""

from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import resnet18
from torchvision.transforms import v2

from benchmarks.peers.contract import MEAN, STD, Rows, Tag, main

TRANSFORM = v2.Compose(
    [
        v2.Resize(256),
        v2.CenterCrop(224),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ]
)


def load(state: Path, _precision: str) -> Tag:
    model = resnet18()
    model.load_state_dict(load_file(state))
    model = model.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def tag(pictures: list[Path], rows: Rows) -> None:
        for picture in pictures:
            image = TRANSFORM(Image.open(picture).convert("RGB"))
            rows.add([picture], model(image.unsqueeze(0)).numpy())

    return tag


if __name__ == "__main__":
    main(load)
