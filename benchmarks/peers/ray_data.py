"""Peer 6: Ray Data on this machine, its guide to offline batch inference fitted to a CPU.

The guide reads with `read_images` and holds the model in an actor, for a GPU's sake. Without one it is faster to
let plain tasks do all of it, a worker per core that keeps its model: then no picture crosses the object store.
"""

import logging
import os
from functools import partial

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when ray is imported

from pathlib import Path

import ray

from benchmarks.peers import ray_worker
from benchmarks.peers.contract import Rows, Tag, main

BATCH = 8


def load(state: Path, _precision: str) -> Tag:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ready = ray.remote(lambda: ray_worker.model(state) and None)
    ray.get([ready.remote() for _ in range(2)])  # both workers
    ray.data.range(1).map(lambda row: row).materialize()  # the first dataset of a process loads the executor

    def tag(pictures: list[Path], rows: Rows) -> None:
        paths = [{"path": str(picture)} for picture in pictures]
        images = ray.data.from_items(paths, override_num_blocks=-(-len(paths) // BATCH)).map(
            ray_worker.decode
        )
        results = images.map_batches(partial(ray_worker.infer, state=state), batch_size=BATCH)
        for batch in results.iter_batches(batch_size=None):
            rows.add(list(batch["path"]), batch["logits"])

    return tag


if __name__ == "__main__":
    main(load)
