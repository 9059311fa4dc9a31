"""Peer 5: a pool of PIL threads and OpenVINO's AsyncInferQueue with the throughput hint, as its guide shows.

The guide's queue takes pictures one by one; eight at a time are faster, and so those are what it gets here.
PRECISION `bf16-draft` adds libjpeg's scaled decoding, which no guide shows: what a careful user could write.
"""

from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import Type
from openvino.properties import hint

from benchmarks.peers.contract import Rows, Tag, main
from benchmarks.peers.decode_pool import decoded

PRECISIONS = {"fp32": Type.f32, "bf16": Type.bf16, "int8": Type.bf16}
"""What is not quantised in the int8 model runs in bf16."""
BATCH = 8


def load(state: Path, precision: str) -> Tag:
    precision, _, draft = precision.partition("-")
    options: dict[Any, Any] = {
        hint.performance_mode: hint.PerformanceMode.THROUGHPUT,
        hint.inference_precision: PRECISIONS[precision],
    }
    model = state.with_suffix(".int8.xml" if precision == "int8" else ".onnx")
    queue = openvino.AsyncInferQueue(openvino.Core().compile_model(model, "CPU", options))

    def tag(pictures: list[Path], rows: Rows) -> None:
        done: deque[tuple[list[Path], Any]] = deque()
        queue.set_callback(
            lambda request, paths: done.append((paths, request.get_output_tensor().data.copy()))
        )
        images = decoded(pictures, draft == "draft")
        for start in range(0, len(pictures), BATCH):
            queue.start_async({0: np.stack(list(islice(images, BATCH)))}, pictures[start : start + BATCH])
            while done:
                rows.add(*done.popleft())
        queue.wait_all()
        while done:
            rows.add(*done.popleft())

    return tag


if __name__ == "__main__":
    main(load)
