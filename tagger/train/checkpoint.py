"""Where a run has come to, in one file of tensors: nothing in it is ever executed, and it is there whole or not at all.

It lies beside the model that is to be, as NAME.checkpoint.safetensors, and is written after each epoch.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tagger.errors import ModelError, TaggerError
from tagger.host.replace import replacing

LARGEST = 4 << 30
"""Bytes: some times what the largest network of the catalogue comes to with all that AdamW keeps of it."""
_BEGIN_ANEW = "delete it to begin anew"
_GO_ON = "make room, or see that it can be written; then the same command with --resume goes on"
_RUN = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class TrainingCourse:
    """How far a run is: epochs that are done, the mean loss of the last, and the part that it had right afterwards.

    `best_epoch` is the one with the least loss, `best_loss`, on the pictures that say when to stop; 0 before there is any.
    """

    epochs: int = 0
    loss: float = 0
    right: float = 0
    best_epoch: int = 0
    best_loss: float = math.inf


_COURSE = TypeAdapter(TrainingCourse)


def beside(out: Path) -> Path:
    """Return where the checkpoint of a model lies that is to be written to `out`."""
    return out.with_name(f"{out.stem}.checkpoint.safetensors")


def write(path: Path, run: Mapping[str, str], tensors: Mapping[str, Tensor], course: TrainingCourse) -> None:
    """Write a run's checkpoint in the place of the last. Raises TaggerError, and the last one is still there."""
    told = {"run": json.dumps(dict(run)), "course": json.dumps(asdict(course))}
    put(path, safetensors.torch.save(dict(tensors), told))


def put(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises TaggerError where it cannot be written."""
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise TaggerError(str(path), f"cannot be written: {error.strerror or error}", _GO_ON) from None


def read(path: Path, run: Mapping[str, str]) -> tuple[Mapping[str, Tensor], TrainingCourse]:
    """Return what `write` wrote for the same run. Raises ModelError where it is of another, damaged, or not there."""
    try:
        if not path.is_file():
            raise ModelError(str(path), "there is no checkpoint to go on from", "leave out --resume")
        if path.stat().st_size > LARGEST:
            raise ModelError(str(path), f"no checkpoint: larger than {LARGEST:,} bytes", _BEGIN_ANEW)
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            _refuse_another(path, run, _RUN.validate_json(told.get("run", "")))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, _COURSE.validate_json(told["course"])
    except (SafetensorError, ValidationError, KeyError):
        raise ModelError(str(path), "damaged, or not a checkpoint of tagger train", _BEGIN_ANEW) from None
    except OSError as error:
        raise ModelError(str(path), f"cannot be read: {error.strerror or error}", _BEGIN_ANEW) from None


def _refuse_another(path: Path, run: Mapping[str, str], found: Mapping[str, str]) -> None:
    other = [name for name in run if found.get(name) != run[name]]
    if other:
        what = f"a checkpoint of another run: other {', '.join(other)}"
        raise ModelError(str(path), what, f"give what was given then, name another --out, or {_BEGIN_ANEW}")
