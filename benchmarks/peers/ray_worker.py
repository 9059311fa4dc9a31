"""What Ray's workers run; a module of its own, so that a worker keeps its model from one task to the next."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import ResNet, resnet18

from benchmarks.peers.script import TRANSFORM


@cache
def model(state: Path) -> ResNet:
    torch.set_num_threads(1)  # a worker per core
    made = resnet18()
    made.load_state_dict(load_file(state))
    made.eval().to(memory_format=torch.channels_last)
    return made


def decode(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"image": TRANSFORM(Image.open(row["path"]).convert("RGB")).numpy()}


@torch.inference_mode()
def infer(batch: dict[str, Any], state: Path) -> dict[str, Any]:
    images = torch.from_numpy(batch["image"]).contiguous(memory_format=torch.channels_last)
    return {"path": batch["path"], "logits": model(state)(images).numpy()}
