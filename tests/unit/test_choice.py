"""What computes, on which machine: auto takes what is best there, and what would be wrong is refused."""

from pathlib import Path

import pytest

from tagger.config.tagging import EngineSettings
from tagger.errors import ModelError
from tagger.vision.cpu import native_formats
from tagger.vision.engines.choice import choose

PLAIN, MODERN = frozenset({"fp32"}), frozenset({"fp32", "bf16", "int8"})


@pytest.mark.parametrize(
    ("asked", "formats", "gpu", "backend", "precision"),
    [
        ({}, PLAIN, False, "openvino", "fp32"),
        ({}, MODERN, False, "openvino", "bf16"),
        ({}, MODERN, True, "torch", "fp16"),
        ({"backend": "openvino"}, MODERN, True, "openvino", "bf16"),
        ({"backend": "torch"}, MODERN, False, "torch", "fp32"),
        ({"backend": "onnx"}, MODERN, False, "onnx", "fp32"),
        ({"precision": "int8"}, MODERN, True, "openvino", "int8"),
        ({"precision": "bf16"}, PLAIN, True, "torch", "bf16"),
    ],
)
def test_what_is_asked_for_meets_what_is_here(
    asked: dict[str, str], formats: frozenset[str], gpu: bool, backend: str, precision: str
) -> None:
    choice = choose(EngineSettings.model_validate(asked), formats, gpu)
    assert (choice.backend, choice.precision) == (backend, precision)


@pytest.mark.parametrize(
    ("asked", "formats", "said"),
    [
        ({"precision": "int8"}, PLAIN, "saturate"),
        ({"precision": "bf16"}, PLAIN, "not native to this CPU"),
        ({"precision": "fp16", "backend": "torch"}, MODERN, "not native to this CPU"),
        ({"precision": "int8", "backend": "torch"}, MODERN, "torch does not compute in int8"),
        ({"precision": "bf16", "backend": "onnx"}, MODERN, "onnx does not compute in bf16"),
    ],
)
def test_a_precision_that_cannot_be_had_is_refused_with_the_reason(
    asked: dict[str, str], formats: frozenset[str], said: str
) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        choose(EngineSettings.model_validate(asked), formats, gpu=False)
    assert refused.value.where == "engine.precision"
    assert "take" in refused.value.hint


@pytest.mark.parametrize(
    ("cpuinfo", "formats"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx_vnni\n", {"fp32", "int8"}),
        ("flags : avx512f avx512_bf16 avx512_vnni amx_fp16\n", {"fp32", "bf16", "int8", "fp16"}),
        ("flags : fpu sse2 avx2\n", {"fp32"}),
        ("processor : 0\nFeatures : fp asimd asimdhp asimddp bf16\n", {"fp32", "bf16", "int8", "fp16"}),
        ("", {"fp32"}),
    ],
)
def test_the_formats_are_those_that_the_cpu_names(tmp_path: Path, cpuinfo: str, formats: set[str]) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert native_formats(tmp_path / "cpuinfo") == formats


def test_where_the_system_does_not_tell_fp32_is_certain(tmp_path: Path) -> None:
    assert native_formats(tmp_path / "missing") == {"fp32"}
