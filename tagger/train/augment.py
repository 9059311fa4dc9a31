"""Squares of pixels → the network's input: as it will see pictures, or changed a little at random so that it learns what does not matter.

All pictures of a batch are cut, mirrored and resized by one call (`grid_sample`), on the device that learns. Rejected: transforms picture
by picture, which on a GPU take longer than the network does; more colour than light and contrast, since a label may be a colour.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagger.vision.models import Preprocessing

_SMALLEST = 0.35
"""The least part of a square that is kept."""
_STRETCH = 4 / 3
"""How much wider than high, or higher than wide, the part may be."""
_LIGHT = 0.2
"""The part by which light and contrast vary."""


class Views:
    """Makes views of squares for one preprocessing, on one device."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._side, self.device = preprocessing.crop, device
        self._mean = torch.tensor(preprocessing.mean, device=device).view(3, 1, 1)
        self._std = torch.tensor(preprocessing.std, device=device).view(3, 1, 1)

    def moved(self, squares: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return the squares as N×3×H×W from 0 to 1."""
        stacked = torch.from_numpy(np.stack(squares)).to(self.device)
        return stacked.permute(0, 3, 1, 2).float() / 255

    def plain(self, images: Tensor) -> Tensor:
        """Return the middle of each, which is what inference sees."""
        edge = (images.shape[-1] - self._side) // 2
        return images[..., edge : edge + self._side, edge : edge + self._side]

    def changed(self, images: Tensor, chance: torch.Generator) -> Tensor:
        """Return a part of each, mirrored or not, lighter or darker. The same `chance` gives the same views."""
        parts = _parts(len(images), chance).to(self.device)
        grid = functional.affine_grid(parts, [len(images), 3, self._side, self._side], align_corners=False)
        seen = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        light, contrast = (_around_one((len(images), 1, 1, 1), chance).to(self.device) for _ in range(2))
        middle = seen.mean((1, 2, 3), keepdim=True)
        return ((seen - middle) * contrast + middle * light).clamp(0, 1)

    def normalised(self, images: Tensor) -> Tensor:
        """Return what the network takes."""
        normalised: Tensor = (images - self._mean) / self._std
        return normalised.contiguous(memory_format=torch.channels_last)


def _parts(count: int, chance: torch.Generator) -> Tensor:
    """Return N×2×3: where in the square, from -1 to 1, each view lies. A negative width mirrors it."""
    area = _SMALLEST + (1 - _SMALLEST) * torch.rand(count, generator=chance)
    stretch = torch.exp((2 * torch.rand(count, generator=chance) - 1) * math.log(_STRETCH) / 2)
    size = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch], 1).clamp(max=1)
    centre = (2 * torch.rand((count, 2), generator=chance) - 1) * (1 - size)
    mirrored = torch.where(torch.rand(count, generator=chance) < 0.5, -1.0, 1.0)
    parts = torch.zeros(count, 2, 3)
    parts[:, 0, 0], parts[:, 1, 1] = size[:, 0] * mirrored, size[:, 1]
    parts[:, :, 2] = centre
    return parts


def _around_one(shape: tuple[int, ...], chance: torch.Generator) -> Tensor:
    return 1 + _LIGHT * (2 * torch.rand(shape, generator=chance) - 1)
