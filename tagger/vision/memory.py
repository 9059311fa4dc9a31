"""How malloc keeps what was freed: pictures come and go by the megabyte, and should leave nothing behind.

glibc gives each thread a heap of its own, and learns to keep on it whatever size is freed there; a process then
grows by its largest picture once for each thread. A limit on each of the two costs less than another allocator.
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path

_SETTINGS = {
    -8: 2,  # M_ARENA_MAX: heaps
    -3: 1 << 19,  # M_MMAP_THRESHOLD: bytes from which an allocation is a mapping, gone when it is freed
    -1: 1 << 20,  # M_TRIM_THRESHOLD: free bytes at a heap's end that are given back
}

_MAPS = Path("/proc/self/maps")
_NOT_NEEDED = 4
"""MADV_DONTNEED. Of a file that is mapped for reading it loses nothing."""


def give_back_what_is_freed() -> None:
    """Have malloc give back what is freed: to be called once, before threads start. Does nothing where there is no glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _SETTINGS.items():
            mallopt(parameter, value)


def let_go_of(file: Path) -> None:
    """Give back the pages of a mapped file: whoever still needs one reads it anew. Does nothing where there is no /proc."""
    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    if madvise is not None:
        for start, end in _mappings(file):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _NOT_NEEDED)


def _mappings(file: Path) -> Iterator[tuple[int, int]]:
    """Yield from where to where this process has the file in its memory, for reading."""
    ending = f" {file.resolve()}"
    lines = _MAPS.read_text(errors="surrogateescape").splitlines() if _MAPS.exists() else []
    for line in lines:
        addresses, allowed, *_ = line.split()
        if allowed.startswith("r--") and line.endswith(ending):
            start, _, end = addresses.partition("-")
            yield int(start, 16), int(end, 16)
