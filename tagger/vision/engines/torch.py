"""The reference engine, and the one for GPUs: torchvision's models on CUDA where there is one, else on the CPU.

On the CPU it computes in channels_last, which oneDNN prefers. On a GPU the batch travels from pinned memory, so
that the copy and the launch of the kernels overlap, and autocast picks what is safe in reduced precision.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from tagger.vision import cores
from tagger.vision.engines import CPU, GPU, Inference
from tagger.vision.engines.torch_model import load_graph
from tagger.vision.weights import Weights

_REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}


def has_gpu() -> bool:
    return torch.cuda.is_available()


class TorchEngine:
    """`precision` is fp32, bf16 or fp16. Raises ModelError where the weights do not fit architecture and labels."""

    def __init__(
        self,
        weights: Weights,
        precision: str = "fp32",
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        torch.set_num_threads(threads or cores.available())
        self._device = torch.device(device or ("cuda" if has_gpu() else "cpu"))
        self._on_gpu = self._device.type == "cuda"
        self._reduced = _REDUCED.get(precision)
        self._graph = load_graph(weights).to(self._device).to(memory_format=torch.channels_last)
        self.batching = GPU if self._on_gpu else CPU
        self.description = f"torch on {self._device.type}, {precision}"

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        enabled = self._reduced is not None
        with torch.inference_mode(), torch.autocast(self._device.type, self._reduced, enabled=enabled):
            probabilities, features = self._graph(self._moved(torch.from_numpy(batch)))
        return Inference(probabilities.cpu().numpy(), features.cpu().numpy())

    def _moved(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.pin_memory().to(self._device, non_blocking=True) if self._on_gpu else batch
