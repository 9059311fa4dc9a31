"""How malloc keeps what was freed: pictures come and go by the megabyte, and should leave nothing behind.

glibc gives each thread a heap of its own, and learns to keep on it whatever size is freed there; a process then
grows by its largest picture once for each thread. A limit on each of the two costs less than another allocator.
"""

import ctypes

_SETTINGS = {
    -8: 2,  # M_ARENA_MAX: heaps
    -3: 1 << 20,  # M_MMAP_THRESHOLD: bytes from which an allocation is a mapping, gone when it is freed
    -1: 1 << 20,  # M_TRIM_THRESHOLD: free bytes at a heap's end that are given back
}


def give_back_what_is_freed() -> None:
    """Once, before threads start. Does nothing where there is no glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _SETTINGS.items():
            mallopt(parameter, value)
