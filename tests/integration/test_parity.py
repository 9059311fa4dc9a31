"""The built-in model on real photos, against a reference that shares no code with Tagger."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchvision import transforms

from tagger.config import Settings
from tagger.records import Content, Picture, Stamp, Tagged
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder, read
from tagger.vision.load import load_classifier
from tagger.vision.models import BUILTIN

PHOTOS = Path(os.environ.get("TAGGER_PHOTOS", "/nonexistent"))
BATCH = 16


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    found = sorted(PHOTOS.glob("*.jpg"))
    if not found:
        pytest.skip("TAGGER_PHOTOS names no folder of photos")
    return found


def reference(paths: list[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    facts = json.loads((BUILTIN / "resnet18-builtin.json").read_text())
    preprocessing = facts["preprocessing"]
    prepare = transforms.Compose(
        [
            transforms.Resize(preprocessing["resize"]),
            transforms.CenterCrop(preprocessing["crop"]),
            transforms.ToTensor(),
            transforms.Normalize(preprocessing["mean"], preprocessing["std"]),
        ]
    )
    model = torchvision.models.resnet18(weights=None, num_classes=len(facts["classes"])).eval()
    model.load_state_dict(load_file(BUILTIN / facts["file"]))
    images = [prepare(ImageOps.exif_transpose(Image.open(path)).convert("RGB")) for path in paths]
    with torch.inference_mode():
        return model(torch.stack(images)).softmax(dim=1).numpy()  # type: ignore[no-any-return]


def tagged(classifier: Classifier, paths: list[Path]) -> list[Tagged]:
    decoder = Decoder(classifier.preprocessing, 100_000_000, PixelBudget())
    pictures = []
    for path in paths:
        seen = path.stat()
        content = read(
            Stamp(str(path), "photos", seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns), 100_000_000
        )
        assert isinstance(content, Content)
        picture = decoder.decode(content)
        assert isinstance(picture, Picture)
        pictures.append(picture)
    return [result for result in classifier.classify(pictures) if isinstance(result, Tagged)]


def test_tags_of_all_photos_agree_with_torchvision(photos: list[Path], tmp_path: Path) -> None:
    classifier = load_classifier(Settings.model_validate({"engine": {"precision": "fp32"}}), tmp_path)
    index = {label: place for place, label in enumerate(classifier.labels)}
    for start in range(0, len(photos), BATCH):
        paths = photos[start : start + BATCH]
        for result, row in zip(tagged(classifier, paths), reference(paths), strict=True):
            scores = [tag.score for tag in result.reading.tags]
            theirs = [row[index[tag.label]] for tag in result.reading.tags]
            assert scores == pytest.approx(theirs, abs=1e-4), result.stamp.path
            # The same five: each stands, by the reference's scores, among its top five, ties left open.
            assert min(theirs) >= np.sort(row)[-5] - 1e-4, result.stamp.path
