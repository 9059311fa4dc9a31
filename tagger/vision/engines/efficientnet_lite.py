"""EfficientNet-Lite for torch (Tan and Le 2019, arXiv:1905.11946; Lite leaves out squeeze-excitation and takes ReLU6).

Its tensors have the names of the published weights, and its convolutions are padded as TensorFlow pads, in which it was trained:
where the padding is odd, one pixel more at the right and the bottom.
"""

import math
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

_STAGES = (
    # kernel, stride, expansion, channels, blocks; the first and the last stage have as many blocks in every size
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM, _HEAD = 32, 1280
_SIZES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite2": (1.1, 1.2)}
"""How many times as wide, and as deep."""


def is_one(name: str) -> bool:
    """Return whether this module has the architecture."""
    return name in _SIZES


class EfficientNetLite(nn.Module):
    """N×3×H×W float32, normalised → N×classes logits."""

    def __init__(self, name: str, classes: int) -> None:
        super().__init__()
        blocks = [_Block(*block) for block in _blocks(*_SIZES[name])]
        self._conv_stem, self._bn0 = _Same(3, _STEM, 3, 2), _norm(_STEM)
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = _Same(blocks[-1].channels, _HEAD, 1), _norm(_HEAD)
        self._fc = nn.Linear(_HEAD, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self._blocks(functional.relu6(self._bn0(self._conv_stem(images))))
        x = functional.relu6(self._bn1(self._conv_head(x)))
        logits: Tensor = self._fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


class _Block(nn.Module):
    """Widens, convolves each channel, narrows; with a way around where that fits."""

    def __init__(self, size: int, stride: int, expansion: int, before: int, channels: int) -> None:
        super().__init__()
        wide, self.channels, self._goes_around = (
            before * expansion,
            channels,
            stride == 1 and before == channels,
        )
        self._expands = expansion > 1
        if self._expands:
            self._expand_conv, self._bn0 = _Same(before, wide, 1), _norm(wide)
        self._depthwise_conv, self._bn1 = _Same(wide, wide, size, stride, wide), _norm(wide)
        self._project_conv, self._bn2 = _Same(wide, channels, 1), _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        narrowed: Tensor = x + y if self._goes_around else y
        return narrowed


class _Same(nn.Conv2d):
    """A convolution whose output is the input's size divided by its stride, rounded up."""

    def __init__(self, before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, size, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (size, _), (stride, _) = self.kernel_size, self.stride
        edges = [max((math.ceil(side / stride) - 1) * stride + size - side, 0) for side in x.shape[:1:-1]]
        padded = functional.pad(x, [part for edge in edges for part in (edge // 2, edge - edge // 2)])
        return super().forward(padded)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _blocks(width: float, depth: float) -> Iterator[tuple[int, int, int, int, int]]:
    """Return each block's kernel, stride, expansion, and its channels before and after."""
    before = _STEM
    for stage, (size, stride, expansion, channels, count) in enumerate(_STAGES):
        after, fixed = _rounded(channels * width), stage in (0, len(_STAGES) - 1)
        for number in range(count if fixed else math.ceil(count * depth)):
            yield size, 1 if number else stride, expansion, before, after
            before = after


def _rounded(channels: float) -> int:
    """Round to a multiple of eight that is not less than nine tenths of it."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8
