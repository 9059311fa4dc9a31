"""Peer 3: what timm's inference.py does, with its own model, dataset, transforms and loader."""

from pathlib import Path

import torch
from timm import create_model
from timm.data.config import resolve_data_config
from timm.data.dataset import ImageDataset
from timm.data.loader import create_loader

from benchmarks.peers.contract import MEAN, STD, Rows, Tag, main

PREPROCESSING = {"interpolation": "bilinear", "crop_pct": 224 / 256, "mean": MEAN, "std": STD}


def load(state: Path, _precision: str) -> Tag:
    model = create_model("resnet18", checkpoint_path=str(state)).eval()
    model = model.to(memory_format=torch.channels_last)
    config = resolve_data_config(PREPROCESSING, model=model)

    @torch.inference_mode()
    def tag(pictures: list[Path], rows: Rows) -> None:
        dataset = ImageDataset(str(pictures[0].parent))
        loader = create_loader(
            dataset, batch_size=32, use_prefetcher=False, num_workers=2, device=torch.device("cpu"), **config
        )
        names = dataset.filenames(absolute=True)
        for images, _ in loader:
            paths, names = names[: len(images)], names[len(images) :]
            rows.add(paths, model(images.contiguous(memory_format=torch.channels_last)).numpy())

    return tag


if __name__ == "__main__":
    main(load)
