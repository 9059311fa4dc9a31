"""What no pipeline can pass: decoding alone on one core, inference alone on all. `python -m benchmarks.ceilings FOLDER…`

In core-seconds per picture, of the very decoder and engine that `tagger scan` would use under the same variables.
Prints one JSON object: `infer`, and per folder `decode`.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np

from tagger.config.folders import cache_home, data_home
from tagger.config.load import load
from tagger.records import Content, Picture, Stamp
from tagger.vision import cores
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder, read
from tagger.vision.load import load_classifier

BATCHES = 4
"""For each of the engine's threads, in one measurement."""

SAMPLE = 24
"""Pictures of each set that are decoded; the sets' pictures are alike."""


def main() -> None:
    ours = load()
    classifier = load_classifier(ours, data_home(), cache_home())
    decode = ours.decode
    decoder = Decoder(classifier.preprocessing, decode.max_pixels, PixelBudget(), decode.mode)
    folders = [Path(argument) for argument in sys.argv[1:]]
    pictures = {folder: _contents(folder, decode.max_bytes) for folder in folders}
    seconds = {str(folder): _decode_seconds(decoder, some) for folder, some in pictures.items()}
    sample = [decoder.decode(content) for content in next(iter(pictures.values()))]
    shown = [picture for picture in sample if isinstance(picture, Picture)]
    print(json.dumps({"decode": seconds, "infer": _infer_seconds(classifier, shown)}))


def _contents(folder: Path, max_bytes: int) -> list[Content]:
    paths = sorted(folder.iterdir())
    stamps = [Stamp.of(str(path), "", path.stat()) for path in paths[:: max(1, len(paths) // SAMPLE)]]
    return [content for stamp in stamps if isinstance(content := read(stamp, max_bytes), Content)]


def _decode_seconds(decoder: Decoder, contents: list[Content]) -> float:
    """Of a decoder that is warm: what each picture took the second time."""
    for _ in range(2):
        start = time.perf_counter()
        for content in contents:
            decoder.decode(content)
    return (time.perf_counter() - start) / len(contents)


def _infer_seconds(classifier: Classifier, pictures: list[Picture]) -> float:
    """At the engine's own batches, as many at once as it takes; the first calls, which may compile, are not counted."""
    batching = classifier.engine.batching
    batch = np.stack([picture.frames[0] for picture in islice(cycle(pictures), batching.max_size)])
    times = []
    with ThreadPoolExecutor(batching.at_once) as threads:
        for _ in range(12):
            start = time.perf_counter()
            list(threads.map(classifier.engine.infer, [batch] * BATCHES * batching.at_once))
            times.append((time.perf_counter() - start) / (BATCHES * batching.at_once * len(batch)))
    return median(times[2:]) * cores.available()


if __name__ == "__main__":
    main()
