"""A weights file → tensors, and nothing else: no torch, and nothing that was pickled is ever run.

Three formats hold tensors: safetensors, read by its own library; torch's archives (zip), and the plain stream of pickles that
torch wrote before 2020. The two of torch's list their tensors in a pickle, which is a program. Here it is read, not run: a
dozen of its instructions build dicts, tuples and strings, and of all that it may call only what makes a tensor is known, which
gives a description of where its numbers lie. Anything else is refused. Rejected: `pickle.Unpickler` with a list of
allowed names, which still runs every other instruction; and `torch.load`, which takes seconds and 600 MB to import.
"""

import errno
import io
import math
import mmap
import os
import pickletools
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from tagger.errors import ModelError

Tensors = Mapping[str, NDArray[Any]]
"""By the name that the architecture gives each."""

_AGAIN = "copy or fetch the file again"
_PLAIN = "copy it again; or save it with torch.save(model.state_dict(), FILE), or as safetensors"
_BF16 = np.dtype("<V2")
"""Stands for bfloat16, which numpy does not have: the upper half of a float32."""
_STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": _BF16,
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_SAFE: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": _BF16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_STEPS = 1_000_000
"""Of one pickle; the largest architecture's list takes 30,000."""


def read(path: Path) -> Tensors:
    """All tensors of a `.safetensors`, `.pth` or `.pt` file, floats as float32 or float16.

    Where the format allows, they are views of the mapped file. Raises ModelError where the file is damaged, or holds anything but
    named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(_safe(path))
        with open(path, "rb", opener=_unwaiting) as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return _from_archive(file, memoryview(mapped)) if mapped[:2] == b"PK" else _from_stream(mapped)
    except _RefusedError as refused:
        raise ModelError(str(path), str(refused), _PLAIN) from None
    except SafetensorError:
        raise ModelError(str(path), "truncated, damaged, or not a safetensors file", _AGAIN) from None
    except OSError as error:
        raise ModelError(
            str(path), f"the weights cannot be read: {error.strerror or error}", _AGAIN
        ) from None
    except Exception:  # what damaged bytes lead to is anything from KeyError to struct.error
        raise ModelError(str(path), "truncated, damaged, or not a file of tensors", _AGAIN) from None


def _unwaiting(path: str, flags: int) -> int:
    """Opens without waiting for whoever would write into a pipe. Raises OSError where it is no regular file."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


class _RefusedError(Exception):
    """The file is whole, and holds what is not taken; the message says what."""


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of numbers, by the name that its place in the file has."""

    dtype: np.dtype[Any]
    key: str
    numbers: int


@dataclass(frozen=True, slots=True)
class _Layout:
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
        """The tensor, where its storage holds these bytes."""
        dtype = self.storage.dtype
        flat = np.frombuffer(numbers, dtype, self.storage.numbers)[self.offset :]
        steps = [step * dtype.itemsize for step in self.strides]
        return _plain(np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False))


def _safe(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with open(path, "rb", opener=_unwaiting) as file:
        data = file.read()
    for name, tensor in deserialize(data):  # type: ignore[no-untyped-call]
        yield name, _plain(np.frombuffer(tensor["data"], _SAFE[tensor["dtype"]]).reshape(tensor["shape"]))


def _from_archive(file: IO[bytes], data: memoryview) -> Tensors:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    if "byteorder" in entries and bytes(_stored(data, entries["byteorder"])) != b"little":
        raise _RefusedError("its numbers are big-endian")
    layouts = _layouts(_said(io.BytesIO(_stored(data, entries["data.pkl"]))), len(data))
    return {
        name: layout.of(_stored(data, entries[f"data/{layout.storage.key}"]))
        for name, layout in layouts.items()
    }


def _stored(data: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """An entry's bytes where they lie in the file. Its own header, before them, has a name and extras of any length."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise _RefusedError("its archive is compressed, as torch never writes one")
    header = data[entry.header_offset : entry.header_offset + 30]
    begin = (
        entry.header_offset
        + 30
        + int.from_bytes(header[26:28], "little")
        + int.from_bytes(header[28:30], "little")
    )
    found = data[begin : begin + entry.file_size]
    if len(found) != entry.file_size or zlib.crc32(found) != entry.CRC:
        raise ValueError("an entry is damaged")
    return found


def _from_stream(file: mmap.mmap) -> Tensors:
    """Magic number, version and machine, the tensors' list, the storages' names, then each one's length and numbers."""
    data = memoryview(file)
    if _said(file) != _MAGIC:
        raise ValueError("no magic number")
    _said(file), _said(file)
    layouts = _layouts(_said(file), len(data))
    sizes = {layout.storage.key: layout.storage for layout in layouts.values()}
    places: dict[str, memoryview] = {}
    for key in _said(file):
        begin = file.tell() + 8
        storage = sizes.get(key)
        if storage is None or int.from_bytes(file.read(8), "little") != storage.numbers:
            raise ValueError("a storage is of another size than its tensors say")
        places[key] = data[begin : begin + storage.numbers * storage.dtype.itemsize]
        file.seek(begin + len(places[key]))
    return {name: layout.of(places[layout.storage.key]) for name, layout in layouts.items()}


def _layouts(said: Any, size: int) -> dict[str, _Layout]:
    """`size` is the file's in bytes. Each tensor may share its numbers with another, and all cannot share them with all."""
    if not isinstance(said, dict) or not all(isinstance(value, _Layout) for value in said.values()):
        raise _RefusedError("not a state dict (layer names and their tensors)")
    claimed = sum(math.prod(one.shape) * one.storage.dtype.itemsize for one in said.values())
    if claimed > 2 * size:
        raise _RefusedError(f"its tensors come to {claimed:,} bytes, of a file of {size:,}")
    return said


def _plain(tensor: NDArray[Any]) -> NDArray[Any]:
    """float32 or float16 where it holds floats."""
    if tensor.dtype == _BF16:
        return (tensor.view("<u2").astype("<u4") << 16).view("<f4")
    return tensor.astype(np.float32) if tensor.dtype == np.float64 else tensor


def _said(pickled: Any) -> Any:
    """What a pickle says, where it says nothing but dicts, tuples, strings, numbers and tensors.

    `pickled` is a file, which is read up to the pickle's end. Raises _RefusedError where the pickle wants more.
    """
    machine = _Machine()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
        if step > _MOST_STEPS:
            raise _RefusedError("its list of tensors has no end")
        machine.take(opcode.name, argument)
    return machine.stack.pop()


class _Machine:
    """The part of pickle's language that lists of tensors are written in. Values only ever come to lie on its stack."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def take(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in _LITERALS:
            self.stack.append(_LITERALS[name](argument))
        elif name in _MEMOS:
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name in _RECALLS:
            self.stack.append(self._memo[argument])
        elif name in _STEPS:
            _STEPS[name](self)
        elif name not in _NOTHING:
            raise _RefusedError(f"refused: it is not tensors alone ({name}), and nothing pickled is ever run")

    def marked(self) -> list[Any]:
        """All that came since the last mark, which goes."""
        at = max(place for place, value in enumerate(self.stack) if value is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def several(self, count: int) -> list[Any]:
        """The last values, which go."""
        found = self.stack[-count:]
        del self.stack[-count:]
        return found


def _known(argument: str) -> Any:
    """What a name stands for, of the few that a list of tensors may call."""
    module, _, name = argument.partition(" ")
    if module in ("torch", "torch.storage") and name in _STORAGES:
        return _STORAGES[name]
    if argument in _CALLS:
        return _CALLS[argument]
    raise _RefusedError(
        f"refused: it is not tensors alone ({module}.{name}), and nothing pickled is ever run"
    )


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Layout:
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("no tensor")
    return _Layout(storage, offset, shape, strides)


def _parameter(tensor: _Layout, *_: Any) -> _Layout:
    return tensor


def _empty(*_: Any) -> dict[Any, Any]:
    return {}


def _call(machine: _Machine) -> None:
    called, arguments = machine.several(2)
    if called not in _CALLS.values():
        raise _RefusedError("refused: it is not tensors alone, and nothing pickled is ever run")
    machine.stack.append(called(*arguments))


def _storage(machine: _Machine) -> None:
    kind, dtype, key, _, numbers, *view = machine.stack.pop()
    if kind != "storage" or type(key) is not str or type(numbers) is not int or any(view):
        raise ValueError("no storage")
    if dtype not in _STORAGES.values():
        raise ValueError("no kind of numbers")
    machine.stack.append(_Storage(dtype, key, numbers))


def _attributes(machine: _Machine) -> None:
    """What is said of the dict besides its items: the versions of layers, which nobody here needs."""
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
