"""The catalogue: which architectures there are, and what is published about each.

A static table, so that listing models needs no torch; a test keeps it equal to torchvision's own
weight enums, which are the source of every number here.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tagger.config import Crop
from tagger.errors import ModelError

_PACKAGED = Path(__file__).parents[1] / "builtin"
BUILTIN = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "weights"
"""The folder of weights and labels that come with Tagger: inside an installed wheel, else in the checkout."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes the model's input.

    The shorter side is resized to `resize` pixels, with antialiasing, and the middle `crop`×`crop` pixels are
    kept. `mean` and `std` are per channel (RGB) of values in 0–1; the engine normalises by them.
    """

    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    frame: Crop = "center"

    def __str__(self) -> str:
        """The canonical text: part of a model's identity, so tags are stale once it changes."""
        mean, std = (",".join(map(repr, values)) for values in (self.mean, self.std))
        frame = "" if self.frame == "center" else f" frame={self.frame}"
        return f"resize={self.resize} crop={self.crop} {self.interpolation} mean={mean} std={std}{frame}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model of torchvision's and its published ImageNet-1k weights.

    `top1` and `top5` are the published accuracies on ImageNet-1k in per cent.
    """

    name: str
    address: str
    preprocessing: Preprocessing
    parameters: int
    top1: float
    top5: float

    @property
    def file(self) -> str:
        return PurePosixPath(self.address).name

    @property
    def sha256_prefix(self) -> str:
        """The first hex digits of the file's sha256; its publisher puts them into the file's name."""
        return PurePosixPath(self.address).stem.rpartition("-")[2]


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SITE = "https://download.pytorch.org/models/"


def _imagenet(resize: int, interpolation: Literal["bilinear", "bicubic"] = "bilinear") -> Preprocessing:
    return Preprocessing(resize, 224, interpolation, _MEAN, _STD)


CATALOGUE = (
    Architecture("resnet18", _SITE + "resnet18-f37072fd.pth", _imagenet(256), 11_689_512, 69.758, 89.078),
    Architecture("resnet50", _SITE + "resnet50-11ad3fa6.pth", _imagenet(232), 25_557_032, 80.858, 95.434),
    Architecture(
        "mobilenet_v2", _SITE + "mobilenet_v2-7ebf99e0.pth", _imagenet(232), 3_504_872, 72.154, 90.822
    ),
    Architecture(
        "mobilenet_v3_large",
        _SITE + "mobilenet_v3_large-5c1a4163.pth",
        _imagenet(232),
        5_483_032,
        75.274,
        92.566,
    ),
    Architecture(
        "efficientnet_b0",
        _SITE + "efficientnet_b0_rwightman-7f5810bc.pth",
        _imagenet(256, "bicubic"),
        5_288_548,
        77.692,
        93.532,
    ),
)


def named(name: str, catalogue: Iterable[Architecture] = CATALOGUE) -> Architecture:
    """The catalogue's entry. Raises ModelError, which suggests the closest name."""
    names = {architecture.name: architecture for architecture in catalogue}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise ModelError(name, "no such model", hint)
