"""ONNX Runtime on the CPU, for those who have it already (extra `onnx`). It computes in fp32.

Its builds for Linux report their use to their maker, and write an id into the user's cache; the variable that
forbids both is read at import, so it is set before.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagger.errors import ModelError
from tagger.vision import cores
from tagger.vision.engines import CPU, Inference

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
try:
    import onnxruntime
except ImportError:
    raise ModelError(
        "engine.backend", "ONNX Runtime is not installed", "install Tagger's extra 'onnx', or take openvino"
    ) from None

_OUTPUTS = ("probabilities", "features")


class OnnxEngine:
    """Raises ModelError where the graph cannot be read."""

    batching = CPU

    def __init__(self, graph: Path, threads: int | None = None) -> None:
        threads = threads or cores.available()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would otherwise burn their core while they wait, and decoding needs it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.description = f"ONNX Runtime on {threads} cores, fp32"
        try:
            self._session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
        except Exception as error:  # its errors share no class of their own
            raise ModelError(str(graph), f"ONNX Runtime cannot read it: {error}") from error

    def infer(self, batch: NDArray[np.uint8]) -> Inference:
        probabilities, features = self._session.run(_OUTPUTS, {"pictures": batch})
        return Inference(probabilities, features)
