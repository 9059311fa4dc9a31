"""The default on a CPU. It reads the model's graph (ONNX, or OpenVINO's own for int8); torch stays out.

Each core infers a picture of its own. One batch over all cores was rejected: its threads wait for one another at
every layer, and decoding takes turns with them on the same cores; it also compiles each batch size anew, and
holds 20 MB more. OpenVINO's telemetry package is kept from being imported, which is how OpenVINO itself is told
that there is none: nothing here ever calls out. A cache of compiled models was rejected:
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
_OUTPUTS = ("probabilities", "features")


class OpenVinoEngine:
    """Raises ModelError where the graph cannot be read."""

    batching = CPU

    def __init__(self, graph: Path, precision: str) -> None:
        """`graph` is quantised already where `precision` is int8."""
        streams = cores.available()
        self.description = f"OpenVINO on {streams} cores, {precision}"
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
        }
        try:
            compiled = openvino.Core().compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise ModelError(str(graph), f"OpenVINO cannot read it: {_first_line(error)}") from error
        self._widths = [compiled.output(name).partial_shape[1].get_length() for name in _OUTPUTS]
        self._queue = openvino.AsyncInferQueue(compiled, streams)

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        # No numbers, so that a row that nobody filled is refused and not believed.
        found = [np.full((len(batch), width), np.nan, np.float32) for width in self._widths]

        def take(request: openvino.InferRequest, row: int) -> None:
            for rows, name in zip(found, _OUTPUTS, strict=True):
                rows[row] = request.get_tensor(name).data[0]

        self._queue.set_callback(take)
        try:
            for row in range(len(batch)):
                self._queue.start_async({"pictures": batch[row : row + 1]}, row, share_inputs=True)
        finally:  # what was begun must not end in the next batch's rows
            self._queue.wait_all()
        return Inference(*found)


def _first_line(error: RuntimeError) -> str:
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception from")]
    return lines[0] if lines else "no reason given"
