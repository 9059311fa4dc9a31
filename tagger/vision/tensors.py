"""A weights file → tensors, and nothing else: no torch, and nothing that was pickled is ever run.

Three formats hold tensors: safetensors, read by its own library; torch's archives (zip), and the plain stream of pickles that
torch wrote before 2020. The two of torch's list their tensors in a pickle, which `torch_pickle` reads.
"""

import errno
import io
import math
import mmap
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from tagger.errors import ModelError
from tagger.vision.torch_pickle import BF16, NotTensorsError, TensorLayout, read_pickle

Tensors = Mapping[str, NDArray[Any]]
"""By the name that the architecture gives each."""

_AGAIN = "copy or fetch the file again"
_PLAIN = "copy it again; or save it with torch.save(model.state_dict(), FILE), or as safetensors"
_SAFE: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BF16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_MAGIC = 0x1950A86A20F9469CFC6C


def read(path: Path) -> Tensors:
    """Return all tensors of a `.safetensors`, `.pth` or `.pt` file, floats as float32 or float16.

    Where the format allows, they are views of the mapped file. Raises ModelError where the file is damaged, or holds anything but
    named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(_safe(path))
        with open(path, "rb", opener=_unwaiting) as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return _from_archive(file, memoryview(mapped)) if mapped[:2] == b"PK" else _from_stream(mapped)
    except NotTensorsError as refused:
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
    """Open a file without waiting for whoever would write into a pipe. Raises OSError where it is no regular file."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


def _safe(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with open(path, "rb", opener=_unwaiting) as file:
        data = file.read()
    for name, tensor in deserialize(data):  # type: ignore[no-untyped-call]
        yield name, _plain(np.frombuffer(tensor["data"], _SAFE[tensor["dtype"]]).reshape(tensor["shape"]))


def _from_archive(file: IO[bytes], data: memoryview) -> Tensors:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    if "byteorder" in entries and bytes(_stored(data, entries["byteorder"])) != b"little":
        raise NotTensorsError("its numbers are big-endian")
    layouts = _layouts(read_pickle(io.BytesIO(_stored(data, entries["data.pkl"]))), len(data))
    return {
        name: _plain(layout.of(_stored(data, entries[f"data/{layout.storage.key}"])))
        for name, layout in layouts.items()
    }


def _stored(data: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """Return an entry's bytes where they lie in the file. Its own header, before them, has a name and extras of any length."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise NotTensorsError("its archive is compressed, as torch never writes one")
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
    """Read magic number, version and machine, the tensors' list, the storages' names, then each one's length and numbers."""
    data = memoryview(file)
    if read_pickle(file) != _MAGIC:
        raise ValueError("no magic number")
    read_pickle(file), read_pickle(file)
    layouts = _layouts(read_pickle(file), len(data))
    sizes = {layout.storage.key: layout.storage for layout in layouts.values()}
    places: dict[str, memoryview] = {}
    for key in read_pickle(file):
        begin = file.tell() + 8
        storage = sizes.get(key)
        if storage is None or int.from_bytes(file.read(8), "little") != storage.numbers:
            raise ValueError("a storage is of another size than its tensors say")
        places[key] = data[begin : begin + storage.numbers * storage.dtype.itemsize]
        file.seek(begin + len(places[key]))
    return {name: _plain(layout.of(places[layout.storage.key])) for name, layout in layouts.items()}


def _layouts(listed: Any, size: int) -> dict[str, TensorLayout]:
    """Return the tensors that a pickle lists, by name; `size` is the file's in bytes.

    Each may share its numbers with another, and all cannot share them with all.
    """
    if not isinstance(listed, dict) or not all(isinstance(value, TensorLayout) for value in listed.values()):
        raise NotTensorsError("not a state dict (layer names and their tensors)")
    claimed = sum(math.prod(one.shape) * one.storage.dtype.itemsize for one in listed.values())
    if claimed > 2 * size:
        raise NotTensorsError(f"its tensors come to {claimed:,} bytes, of a file of {size:,}")
    return listed


def _plain(tensor: NDArray[Any]) -> NDArray[Any]:
    """Return a tensor as it is, but floats as float32 or float16."""
    if tensor.dtype == BF16:
        return (tensor.view("<u2").astype("<u4") << 16).view("<f4")
    return tensor.astype(np.float32) if tensor.dtype == np.float64 else tensor
