"""Which engine computes, in which precision, and why: a pure decision on what was asked for and what is here."""

from dataclasses import dataclass

from tagger.config.tagging import EngineSettings
from tagger.errors import ModelError

_COMPUTES = {
    "openvino": ("fp32", "bf16", "fp16", "int8"),
    "torch": ("fp32", "bf16", "fp16"),
    "onnx": ("fp32",),
}
_LACKS = {
    "bf16": "bf16 is not native to this CPU, so it would be no faster than fp32",
    "fp16": "fp16 is not native to this CPU, so it would be no faster than fp32",
    "int8": "this CPU has neither VNNI nor AMX: its 8-bit sums would saturate, and the tags be wrong",
}


@dataclass(frozen=True, slots=True)
class Choice:
    backend: str
    precision: str
    why: str


def choose(asked: EngineSettings, formats: frozenset[str], gpu: bool) -> Choice:
    """Return engine and precision. `formats` are native to the CPU; `gpu` is whether CUDA is here. Raises ModelError for what cannot be."""
    backend, why = _backend(asked, gpu)
    on_gpu = backend == "torch" and gpu
    if asked.precision != "auto":
        _refuse_impossible(backend, asked.precision, formats, on_gpu)
        return Choice(backend, asked.precision, why)
    if on_gpu:
        return Choice(backend, "fp16", f"{why}; fp16 is native to it")
    if backend == "openvino" and "bf16" in formats:
        return Choice(backend, "bf16", f"{why}; bf16 is native to this CPU")
    return Choice(backend, "fp32", why)


def _backend(asked: EngineSettings, gpu: bool) -> tuple[str, str]:
    if asked.backend != "auto":
        return asked.backend, "as configured"
    if asked.precision == "int8":
        return "openvino", "int8 was asked for"
    return ("torch", "there is a CUDA GPU") if gpu else ("openvino", "there is no CUDA GPU")


def _refuse_impossible(backend: str, precision: str, formats: frozenset[str], on_gpu: bool) -> None:
    if precision not in _COMPUTES[backend]:
        able = ", ".join(_COMPUTES[backend])
        raise ModelError("engine.precision", f"{backend} does not compute in {precision}", f"it takes {able}")
    if precision not in formats and not on_gpu:
        raise ModelError("engine.precision", _LACKS[precision], "take auto")
