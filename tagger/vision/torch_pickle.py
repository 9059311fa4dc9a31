"""What torch's pickles of tensors say, read without being run.

A pickle is a program. Here a dozen of its instructions build dicts, tuples and strings, and of all that it may call only what makes
a tensor is known, which gives a description of where its numbers lie. Anything else is refused. Rejected: `pickle.Unpickler` with a
list of allowed names, which still runs every other instruction; and `torch.load`, which takes seconds and 600 MB to import.
"""

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BF16 = np.dtype("<V2")
"""Stands for bfloat16, which numpy does not have: the upper half of a float32."""
_STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BF16,
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_MOST_STEPS = 1_000_000
"""Of one pickle; the largest architecture's list takes 30,000."""


class NotTensorsError(Exception):
    """A file is whole, and holds what is not taken; the message says what."""


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of numbers, by the name that its place in the file has."""

    dtype: np.dtype[Any]
    key: str
    numbers: int


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """A tensor as a pickle tells of it: which numbers of its storage, counted in numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError("no layout of a tensor")
        end = (
            self.offset
            + 1
            + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))
        )
        if 0 in self.shape or max(end, math.prod(self.shape)) > self.storage.numbers:
            raise ValueError("it claims numbers beyond its storage")

    def of(self, numbers: memoryview) -> NDArray[Any]:
        """Return the tensor as a view of `numbers`, the bytes of its storage."""
        dtype = self.storage.dtype
        flat = np.frombuffer(numbers, dtype, self.storage.numbers)[self.offset :]
        steps = [step * dtype.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False)


def read_pickle(pickled: Any) -> Any:
    """Return what a pickle says, where it says nothing but dicts, tuples, strings, numbers and tensors (as TensorLayout).

    `pickled` is a file, which is read up to the pickle's end. Raises NotTensorsError where the pickle wants more.
    """
    machine = _Machine()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
        if step > _MOST_STEPS:
            raise NotTensorsError("its list of tensors has no end")
        machine.take(opcode.name, argument)
    return machine.stack.pop()


class _Machine:
    """The part of pickle's language that lists of tensors are written in. Values only ever come to lie on its stack."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def take(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in _LITERALS:
            self.stack.append(_LITERALS[name](argument))
        elif name in _MEMOS:
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name in _RECALLS:
            self.stack.append(self._memo[argument])
        elif name in _STEPS:
            _STEPS[name](self)
        elif name not in _NOTHING:
            raise NotTensorsError(
                f"refused: it is not tensors alone ({name}), and nothing pickled is ever run"
            )

    def marked(self) -> list[Any]:
        """Take all that came since the last mark off the stack, with the mark."""
        at = max(place for place, value in enumerate(self.stack) if value is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def several(self, count: int) -> list[Any]:
        """Take the last `count` values off the stack."""
        found = self.stack[-count:]
        del self.stack[-count:]
        return found


def _known(argument: str) -> Any:
    """Return what a name stands for, of the few that a list of tensors may call."""
    module, _, name = argument.partition(" ")
    if module in ("torch", "torch.storage") and name in _STORAGES:
        return _STORAGES[name]
    if argument in _CALLS:
        return _CALLS[argument]
    raise NotTensorsError(
        f"refused: it is not tensors alone ({module}.{name}), and nothing pickled is ever run"
    )


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> TensorLayout:
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("no tensor")
    return TensorLayout(storage, offset, shape, strides)


def _parameter(tensor: TensorLayout, *_: Any) -> TensorLayout:
    return tensor


def _empty(*_: Any) -> dict[Any, Any]:
    return {}


def _call(machine: _Machine) -> None:
    called, arguments = machine.several(2)
    if called not in _CALLS.values():
        raise NotTensorsError("refused: it is not tensors alone, and nothing pickled is ever run")
    machine.stack.append(called(*arguments))


def _storage(machine: _Machine) -> None:
    kind, dtype, key, _, numbers, *view = machine.stack.pop()
    if kind != "storage" or type(key) is not str or type(numbers) is not int or any(view):
        raise ValueError("no storage")
    if dtype not in _STORAGES.values():
        raise ValueError("no kind of numbers")
    machine.stack.append(_Storage(dtype, key, numbers))


def _attributes(machine: _Machine) -> None:
    """Drop what is said of the dict besides its items: the versions of layers, which nobody here needs."""
    machine.stack.pop()


def _item(machine: _Machine) -> None:
    key, value = machine.several(2)
    machine.stack[-1][key] = value


def _items(machine: _Machine) -> None:
    pairs = machine.marked()
    machine.stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))


def _appended(machine: _Machine) -> None:
    values = machine.marked()
    machine.stack[-1].extend(values)


_MARK = object()
_CALLS: Mapping[str, Callable[..., Any]] = {
    "collections OrderedDict": _empty,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
_LITERALS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"), lambda value: value
    ),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _MARK,
    "GLOBAL": _known,
}
_MEMOS = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}
_RECALLS = {"BINGET", "LONG_BINGET"}
_NOTHING = {"PROTO", "FRAME", "STOP"}
_STEPS: Mapping[str, Callable[[_Machine], None]] = {
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.several(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.several(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.several(3))),
    "REDUCE": _call,
    "BUILD": _attributes,
    "BINPERSID": _storage,
    "SETITEM": _item,
    "SETITEMS": _items,
    "APPENDS": _appended,
}
