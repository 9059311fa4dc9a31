"""The default on a CPU. It reads the model's graph (ONNX, or OpenVINO's own for int8); torch stays out.

One inference at a time, over all cores. OpenVINO's telemetry package is kept from being imported, which is how
OpenVINO itself is told that there is none: nothing here ever calls out. A cache of compiled models was rejected:
compiling takes 0.15 s, reading 47 MB and making sure of them nearly as long.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

from tagger.errors import ModelError  # noqa: E402
from tagger.vision import cores  # noqa: E402
from tagger.vision.engines import CPU, Inference  # noqa: E402

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}


class OpenVinoEngine:
    """Raises ModelError where the graph cannot be read."""

    batching = CPU

    def __init__(self, graph: Path, precision: str) -> None:
        """`graph` is quantised already where `precision` is int8."""
        threads = cores.available()
        self.description = f"OpenVINO on {threads} cores, {precision}"
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        try:
            compiled = openvino.Core().compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise ModelError(str(graph), f"OpenVINO cannot read it: {_first_line(error)}") from error
        self._request = compiled.create_infer_request()

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        found = self._request.infer({"pictures": batch}, share_inputs=True)
        return Inference(found["probabilities"], found["features"])


def _first_line(error: RuntimeError) -> str:
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception from")]
    return lines[0] if lines else "no reason given"
