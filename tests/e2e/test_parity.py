"""The built-in model on real photos, against a reference that shares no code with Tagger."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchvision import transforms

from tagger.vision.models import BUILTIN
from tests.e2e.command import tagger

pytestmark = pytest.mark.long

BATCH = 16


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
        logits = model(torch.stack(images)) / facts["temperature"]
        return logits.softmax(dim=1).numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize("backend", ["openvino", "onnx", "torch"])
def test_tags_of_all_photos_agree_with_torchvision(photos: list[Path], tmp_path: Path, backend: str) -> None:
    environment = {
        "TAGGER_MODEL__NAME": "builtin",
        "TAGGER_ENGINE__BACKEND": backend,
        "TAGGER_ENGINE__PRECISION": "fp32",
        "TAGGER_DECODE": "exact",
    }
    answers = tagger(tmp_path, "tag", "--json", *photos, **environment).stdout.splitlines()
    facts = json.loads((BUILTIN / "resnet18-builtin.json").read_text())
    index = {entry["wnid"]: place for place, entry in enumerate(facts["classes"])}
    for start in range(0, len(photos), BATCH):
        paths = photos[start : start + BATCH]
        for answer, row in zip(answers[start : start + BATCH], reference(paths), strict=True):
            tags = json.loads(answer)["tags"]
            theirs = [row[index[tag["key"]]] for tag in tags]
            assert [tag["score"] for tag in tags] == pytest.approx(theirs, abs=1e-4), answer
            # The same five: each stands, by the reference's scores, among its top five, ties left open.
            assert len(tags) == 5
            assert min(theirs) >= np.sort(row)[-5] - 1e-4, answer
