"""The default on a CPU. It reads the model's graph (ONNX, or OpenVINO's own for int8); torch stays out.

Each core infers a batch of its own. One batch over all cores was rejected: its threads wait for one another at
every layer, and decoding takes turns with them on the same cores. So were callbacks, which must wait for Python's
lock on the core that should compute. OpenVINO's telemetry package is kept from being imported, which is how OpenVINO itself is told
that there is none: nothing here ever calls out. A cache of compiled models was rejected:
compiling takes 0.15 s, reading 47 MB and making sure of them nearly as long.
"""

import sys
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

from tagger.errors import ModelError  # noqa: E402
from tagger.vision import cores  # noqa: E402
from tagger.vision.engines import Batching, Inference  # noqa: E402
from tagger.vision.memory import let_go_of  # noqa: E402

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_WHOLE = 4
"""Pictures that a core infers in a sixth less time than one by one; more gain no more, and cost memory."""
_OUTPUTS = ("probabilities", "features")


class OpenVinoEngine:
    """Raises ModelError where the graph cannot be read."""

    def __init__(self, graph: Path, precision: str, threads: int | None = None) -> None:
        """Load the graph. `graph` is quantised already where `precision` is int8. `threads` infer at most, or one for each core."""
        streams = threads or cores.available()
        self.description = f"OpenVINO on {streams} cores, {precision}"
        self.batching = Batching(_WHOLE, 0, at_once=streams)
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
        }
        try:
            compiled = openvino.Core().compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise ModelError(str(graph), f"OpenVINO cannot read it: {_first_line(error)}") from error
        self._free: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(streams):
            self._free.put(compiled.create_infer_request())
        # The first tensor sets the bindings up: two threads that do so at once wait for one another for ever.
        self.infer(np.zeros((1, *compiled.input(0).partial_shape.get_max_shape()[1:]), np.uint8))
        for tensors in (".bin", ".safetensors"):  # it has them now as its kernels want them
            let_go_of(graph.with_suffix(tensors))

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        request = self._free.get()
        try:
            parts = [self._inferred(request, part) for part in _parts(batch)]
        finally:
            self._free.put(request)
        return Inference(*map(np.concatenate, zip(*parts, strict=True)))

    def _inferred(self, request: openvino.InferRequest, part: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        request.start_async({"pictures": part}, share_inputs=True)
        request.wait()
        return [request.get_tensor(name).data.copy() for name in _OUTPUTS]


def _parts(batch: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return whole batches, and what is left one by one: each size has kernels and memory of its own."""
    left = len(batch) - len(batch) % _WHOLE
    starts = [*range(0, left, _WHOLE), *range(left, len(batch))]
    return np.split(batch, starts[1:])


def _first_line(error: RuntimeError) -> str:
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception from")]
    return lines[0] if lines else "no reason given"
