"""Peer 2: torch's DataLoader with two workers, eager torch on batches of 32, channels_last, bf16 by autocast."""

from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet18

from benchmarks.peers.contract import Rows, Tag, main
from benchmarks.peers.script import TRANSFORM


class Pictures(Dataset[tuple[str, Tensor]]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[str, Tensor]:
        path = self.paths[index]
        return str(path), TRANSFORM(Image.open(path).convert("RGB"))


def load(state: Path, precision: str) -> Tag:
    model = resnet18()
    model.load_state_dict(load_file(state))
    model = model.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def tag(pictures: list[Path], rows: Rows) -> None:
        loader = DataLoader(Pictures(pictures), batch_size=32, num_workers=2)
        for paths, images in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits = model(images.contiguous(memory_format=torch.channels_last))
            rows.add(paths, logits.float().numpy())

    return tag


if __name__ == "__main__":
    main(load)
