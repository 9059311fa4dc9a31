"""The int8 model, by post-training quantisation: NNCF takes each layer's range from the user's own pictures.

Its settings were chosen on photos and the built-in model. By default NNCF leaves extreme activations out of the
ranges, which moved scores by up to 0.30; with all of them, and the errors corrected layer by layer, by 0.05.
Leaving the first or the last layer in fp32 gained nothing more.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import copytree
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.config.tagging import EngineSettings
from tagger.errors import ModelError
from tagger.vision.agreement import Agreement, agreement, untempered
from tagger.vision.cpu import native_formats
from tagger.vision.engines import Engine
from tagger.vision.engines.choice import choose
from tagger.vision.engines.openvino import OpenVinoEngine
from tagger.vision.graph import INT8_GRAPH, graph_of, int8_folder, keep
from tagger.vision.weights import Weights

# isort: split
import openvino  # after our engine, which has kept its telemetry out

MOST = 600
"""Pictures that are of use: 300 to calibrate on, and 300 to judge by."""

_FEWEST = 10
_ENOUGH_TO_HALVE = 20
_ROUNDS = 5
_TIMED = 32
"""Pictures in each round of timing."""

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How good the int8 model is, and the `folder` that keeps it: None where it was not good enough to keep.

    `on_others` says whether agreement was measured on other pictures than the `calibrated` ones; `speeds` are
    pictures/s of the engine alone, by precision.
    """

    calibrated: int
    on_others: bool
    agreement: Agreement
    speeds: Mapping[str, float]
    folder: Path | None


def refuse_where_impossible() -> None:
    """Raises ModelError where this CPU would get int8 wrong, or NNCF is not installed."""
    choose(EngineSettings(backend="openvino", precision="int8"), native_formats(), gpu=False)
    with _without_torch():
        _nncf()


def quantize(weights: Weights, pictures: Pictures, home: Path, cache: Path, min_agreement: float) -> Verdict:
    """Make the int8 model of `weights`, and keep it where it agrees with fp32 on enough pictures (0-1).

    `pictures` are N×H×W×3 of the model's size, in random order. Where it is not kept, an older one stays.
    Raises ModelError where the pictures are too few, or the int8 model cannot be written.
    """
    calibration, others = _halved(pictures)
    graph = graph_of(weights, cache)
    with tempfile.TemporaryDirectory() as place:
        made = Path(place, INT8_GRAPH)
        openvino.save_model(_quantized(graph, calibration), made, compress_to_fp16=False)
        engines = _engines(graph, made)
        expected, found = (
            untempered(_probabilities(engines[precision], others), weights.temperature)
            for precision in ("fp32", "int8")
        )
        agreed, speeds = agreement(expected, found), _speeds(engines, others[:_TIMED])
        folder = int8_folder(weights, home) if agreed.agreeing >= min_agreement else None
        if folder:
            keep(folder, partial(copytree, place, dirs_exist_ok=True))
    return Verdict(len(calibration), others is not calibration, agreed, speeds, folder)


def _halved(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Return those to calibrate on, and those to judge by: the same ones, where they are too few for both."""
    if len(pictures) < _FEWEST:
        what = f"{len(pictures)} pictures are too few to calibrate it on"
        raise ModelError(
            "the int8 model", what, f"name a folder of {_FEWEST} or more, best of {MOST}: --images FOLDER"
        )
    if len(pictures) < _ENOUGH_TO_HALVE:
        return pictures, pictures
    return pictures[::2], pictures[1::2]


def _quantized(graph: Path, pictures: Pictures) -> openvino.Model:
    model = openvino.convert_model(graph)  # which, unlike read_model, folds what NNCF would stumble over
    with _without_torch(), redirect_stdout(sys.stderr):  # where NNCF draws its progress
        nncf = _nncf()
        logging.getLogger("nncf").setLevel(logging.ERROR)  # set_log_level would reach handlers of others
        whole_range = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
        return nncf.quantize(
            model,
            nncf.Dataset([picture[np.newaxis] for picture in pictures]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            fast_bias_correction=False,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=whole_range
            ),
        )


def _nncf() -> Any:
    try:
        import nncf
        import nncf.quantization.range_estimator
    except ImportError:
        raise ModelError(
            "the int8 model", "NNCF is not installed", "install Tagger's extra 'quantize'"
        ) from None
    return nncf


@contextmanager
def _without_torch() -> Iterator[None]:
    """Hide torch from NNCF, which would import it because it is there: seconds and 600 MB that an OpenVINO model has no use for."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["torch"]


def _engines(graph: Path, int8: Path) -> dict[str, Engine]:
    wide = [precision for precision in ("fp32", "bf16") if precision in native_formats()]
    return {precision: OpenVinoEngine(graph, precision) for precision in wide} | {
        "int8": OpenVinoEngine(int8, "int8")
    }


def _probabilities(engine: Engine, pictures: Pictures) -> NDArray[np.float32]:
    with ThreadPoolExecutor(engine.batching.at_once) as threads:
        found = threads.map(engine.infer, _batches(pictures, engine.batching.max_size))
        return np.concatenate([inference.probabilities for inference in found])


def _batches(pictures: Pictures, size: int) -> Iterator[Pictures]:
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size]


def _speeds(engines: Mapping[str, Engine], pictures: Pictures) -> dict[str, float]:
    """Return pictures/s, medians of rounds in which the engines take turns."""
    seconds: dict[str, list[float]] = {precision: [] for precision in engines}
    for _ in range(_ROUNDS):
        for precision, engine in engines.items():
            start = time.perf_counter()
            _probabilities(engine, pictures)
            seconds[precision].append(time.perf_counter() - start)
    return {precision: len(pictures) / median(taken) for precision, taken in seconds.items()}
