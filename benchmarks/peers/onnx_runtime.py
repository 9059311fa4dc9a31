"""Peer 4: a pool of PIL threads and ONNX Runtime on batches."""

from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.peers.contract import Rows, Tag, main
from benchmarks.peers.decode_pool import decoded


def load(state: Path, _precision: str) -> Tag:
    session = onnxruntime.InferenceSession(state.with_suffix(".onnx"), providers=["CPUExecutionProvider"])

    def tag(pictures: list[Path], rows: Rows) -> None:
        images = decoded(pictures)
        for start in range(0, len(pictures), 16):
            batch = np.stack(list(islice(images, 16)))
            rows.add(pictures[start : start + 16], session.run(None, {"images": batch})[0])

    return tag


if __name__ == "__main__":
    main(load)
