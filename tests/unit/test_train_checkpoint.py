"""Checkpoints: of this run, whole, and tensors alone."""

import pickle
import resource
import signal
from pathlib import Path

import pytest
import torch

from tagger.errors import ModelError, TaggerError
from tagger.train import checkpoint
from tagger.train.checkpoint import TrainingCourse

RUN = {"pictures": "a", "options": "b"}
TENSORS = {"network.weight": torch.arange(1000.0)}
COURSE = TrainingCourse(3, 0.5, 0.9, 2, 0.4)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    file = checkpoint.beside(tmp_path / "rooms.safetensors")
    checkpoint.write(file, RUN, TENSORS, COURSE)
    return file


def test_what_is_written_is_read(kept: Path) -> None:
    assert kept.name == "rooms.checkpoint.safetensors"
    tensors, course = checkpoint.read(kept, RUN)
    assert course == COURSE
    assert torch.equal(tensors["network.weight"], TENSORS["network.weight"])


def test_another_runs_is_refused_with_what_differs(kept: Path) -> None:
    with pytest.raises(ModelError, match="another run: other pictures\n"):
        checkpoint.read(kept, {**RUN, "pictures": "c"})


@pytest.mark.parametrize("data", [b"", b"\x08\0\0\0\0\0\0\0{}      ", pickle.dumps({"a": 1}), b"\xff" * 4096])
def test_a_damaged_or_foreign_file_is_refused(kept: Path, data: bytes) -> None:
    kept.write_bytes(data)
    with pytest.raises(ModelError, match=r"checkpoint.*\n.*delete it to begin anew"):
        checkpoint.read(kept, RUN)


def test_one_that_is_cut_short_is_refused(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-100])
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.read(kept, RUN)


def test_where_the_disk_is_full_the_last_one_stays(kept: Path) -> None:
    before = kept.read_bytes()
    limits, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(TaggerError, match=r"cannot be written: .*\n.*--resume goes on"):
            checkpoint.write(kept, RUN, TENSORS, TrainingCourse(4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert kept.read_bytes() == before
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]
