"""Weights files → tensors: what torch writes is read without it, and nothing that was pickled is run."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tagger.errors import ModelError
from tagger.vision import tensors

State = dict[str, torch.Tensor]


def state() -> State:
    torch.manual_seed(3)
    return {
        "wide": torch.randn(3, 4, 5, 5),
        "half": torch.randn(7).half(),
        "brain": torch.randn(2, 3).bfloat16(),
        "double": torch.randn(4).double(),
        "turned": torch.randn(3, 4).t(),
        "part": torch.randn(10)[3:7],
        "last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "counter": torch.tensor(5),
        "flags": torch.tensor([True, False]),
    }


def archive(state: Any, path: Path) -> None:
    torch.save(state, path)


def stream(state: Any, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def safe(state: State, path: Path) -> None:
    save_file({name: one.contiguous().clone() for name, one in state.items()}, path)


BOTH = pytest.mark.parametrize("write", [archive, stream])


@pytest.mark.parametrize(("write", "suffix"), [(archive, ".pth"), (stream, ".pt"), (safe, ".safetensors")])
def test_every_tensor_is_read_as_torch_wrote_it(
    write: Callable[[State, Path], None], suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"weights{suffix}"
    write(state(), path)
    found = tensors.read(path)
    assert found.keys() == state().keys()
    for name, expected in state().items():
        wide = expected.float() if expected.dtype in (torch.bfloat16, torch.float64) else expected
        assert np.array_equal(found[name], wide.numpy()), name


@BOTH
def test_parameters_and_layers_versions_are_taken(write: Callable[[Any, Path], None], tmp_path: Path) -> None:
    layer = torch.nn.BatchNorm2d(4)
    write(layer.state_dict(), tmp_path / "weights.pth")
    assert {"weight", "running_mean"} < tensors.read(tmp_path / "weights.pth").keys()
    write(dict(layer.named_parameters()), tmp_path / "weights.pth")
    assert tensors.read(tmp_path / "weights.pth").keys() == {"weight", "bias"}


class Spring:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, ("touch sprung",)


@BOTH
@pytest.mark.parametrize(
    "wrong", [Spring(), {"a": Spring()}, torch.nn.Linear(2, 2), [torch.ones(2)], {"a": 1}]
)
def test_what_is_not_tensors_alone_is_refused_and_never_run(
    write: Callable[[Any, Path], None], wrong: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(wrong, tmp_path / "weights.pth")
    with pytest.raises(ModelError) as refused:
        tensors.read(tmp_path / "weights.pth")
    assert "\n" not in refused.value.what
    assert "torch.save(model.state_dict(), FILE)" in refused.value.hint
    assert not (tmp_path / "sprung").exists()


@BOTH
@pytest.mark.parametrize("part", [0, 1, 40, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_is_refused(
    write: Callable[[Any, Path], None], part: float, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    write(state(), path)
    data = path.read_bytes()
    path.write_bytes(data[: part if isinstance(part, int) else int(part * len(data))])
    with pytest.raises(ModelError, match="truncated"):
        tensors.read(path)


def test_a_bit_that_flipped_in_an_archive_is_found(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    archive({"a": torch.ones(1000)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<f", 1) * 8)] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        tensors.read(path)


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ((10**9,), (1,), 0),
        ((4,), (10**9,), 0),
        ((4,), (1,), 10**9),
        ((10**6,) * 3, (0,) * 3, 0),
        ((2,), (-1,), 3),
    ],
)
def test_a_tensor_that_claims_more_than_the_file_has_is_refused(
    shape: tuple[int, ...], stride: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    _crafted(path, shape, stride, offset)
    with pytest.raises(ModelError, match="damaged"):
        tensors.read(path)


def test_the_crafted_file_is_right_but_for_its_claims(tmp_path: Path) -> None:
    _crafted(tmp_path / "weights.pth", (2, 2), (2, 1), 0)
    assert tensors.read(tmp_path / "weights.pth")["a"].tolist() == [[1, 1], [1, 1]]


def _crafted(path: Path, shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> None:
    """An archive whose one tensor, of four numbers, is said to have this layout."""

    class Storage:
        pass

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            arguments = (Storage(), offset, shape, stride, False, None)
            return torch._utils._rebuild_tensor_v2, arguments

    class Pickler(pickle.Pickler):
        def persistent_id(self, one: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(one, Storage) else None

    listing = io.BytesIO()
    Pickler(listing, 2).dump({"a": Tensor()})
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", listing.getvalue())
        file.writestr("archive/data/0", np.ones(4, "<f4").tobytes())


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    archive(state(), tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "weights.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    with pytest.raises(ModelError, match="compressed"):
        tensors.read(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"<html>",
        bytes(10_000),
        pickle.dumps({"a": 1}),
        b"\x80\x02" + b"(" * 100_000,
    ],
)
def test_what_is_no_file_of_tensors_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(data)
    with pytest.raises(ModelError):
        tensors.read(tmp_path / "weights.pth")


def safetensors(header: bytes, data: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def one(**changed: object) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changed}).encode()


@pytest.mark.parametrize(
    "data",
    [
        safetensors(one(data_offsets=[0, 8_000_000_000], shape=[2_000_000_000])),
        safetensors(one(data_offsets=[-8, 0])),
        safetensors(one(data_offsets=[8, 0])),
        safetensors(one(shape=[-2])),
        safetensors(one(shape=[1 << 62, 1 << 62])),
        safetensors(one(shape=[3])),
        safetensors(one(dtype="F4096")),
        safetensors(one(), length=1 << 63),
        safetensors(one(), length=100_000_000),
        safetensors(one()[:-1] + b', "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'),
        safetensors(one()[:-1] + b', "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', b"\0" * 16),
        safetensors(b"[" * 100_000),
        b"",
    ],
    ids=["beyond", "negative", "backwards", "shape", "vast", "misfit", "kind", "length", "header", "overlap", "twice", "deep", "empty"],
)  # fmt: skip
def test_a_header_that_claims_what_is_not_there_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "claims.safetensors"
    path.write_bytes(data)
    with pytest.raises(
        ModelError, match=r"truncated, damaged, or not a safetensors file|not a file of tensors"
    ):
        tensors.read(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_pipe_is_no_weights_and_not_waited_for(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pipe{suffix}"
    os.mkfifo(path)
    with pytest.raises(ModelError, match="it is not a regular file"):
        tensors.read(path)


def test_tensors_that_share_their_numbers_a_thousand_times_are_refused(tmp_path: Path) -> None:
    """Each would be a copy as float32: a file of megabytes would come to gigabytes."""
    path, numbers = tmp_path / "shared.pth", torch.zeros(100_000, dtype=torch.float64)
    torch.save({str(number): numbers for number in range(1000)}, path)
    with pytest.raises(ModelError, match="its tensors come to 800,000,000 bytes"):
        tensors.read(path)
