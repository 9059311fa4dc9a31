"""Rights that a child process gives up once it has started. None can be had back, whatever a picture makes of the process.

Linux's own calls, by ctypes: each is one line, and there is nothing to be installed. Where there is no Linux, nothing is given up.
Rejected: a filter of system calls (seccomp), which knows neither the next libc's calls nor the next decoder's.
"""

import ctypes
import resource
import struct
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

READ_FILES = 2
"""CAP_DAC_READ_SEARCH: to read what belongs to others."""
_PREFIX = "TAGGER_"
_VERSION = 0x20080522
_DUMPABLE, _DROP_FROM_BOUNDS, _NO_NEW_PRIVILEGES, _AMBIENT, _CLEAR = 4, 24, 38, 47, 4
_CAPABILITIES = range(64)
_PAGES = Path("/proc/self/statm")


def give_up_capabilities(kept: Collection[int] = ()) -> None:
    """Give up all capabilities but those `kept`, for the calling thread and whatever it starts.

    Nor does a set-user-ID program bring any back. Raises OSError where the kernel refuses.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(_AMBIENT, _CLEAR, 0, 0, 0)
    for capability in set(_CAPABILITIES).difference(kept):
        libc.prctl(_DROP_FROM_BOUNDS, capability, 0, 0, 0)
    mask = sum(1 << capability for capability in kept if _has(capability))
    low, high = mask & 0xFFFFFFFF, mask >> 32
    # Effective, permitted and inheritable, the lower half of each first.
    sets = struct.pack("=6I", low, low, 0, high, high, 0)
    if libc.capset(struct.pack("=Ii", _VERSION, 0), sets) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def give_up_files_and_dumps() -> None:
    """Give up opening files and connections, and core dumps. What is open stays open."""
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)


class MemoryBound:
    """The bytes of address space that the process may take beside what it has now. Does nothing where there is no /proc."""

    def __init__(self, most: int) -> None:
        self._has, self._most = _address_space(), most

    def impose(self) -> None:
        """Set the bound, for good."""
        self._allow(self._most)

    @contextmanager
    def lowered_to(self, more: int) -> Iterator[None]:
        """Allow fewer bytes for the block, and then as many as before."""
        self._allow(min(more, self._most))
        try:
            yield
        finally:
            self._allow(self._most)

    def _allow(self, more: int) -> None:
        if self._has:
            resource.setrlimit(resource.RLIMIT_AS, (self._has + more, self._has + self._most))


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that are no settings of ours: a child is told what it needs, and no secret."""
    return {key: value for key, value in environment.items() if not key.startswith(_PREFIX)}


def _address_space() -> int:
    """Return how many bytes the process has; 0 where that cannot be told."""
    with suppress(OSError):
        return int(_PAGES.read_text().split()[0]) * resource.getpagesize()
    return 0


def _has(capability: int) -> bool:
    status = Path("/proc/self/status").read_text()
    permitted = status.partition("CapPrm:")[2].split()[0]
    return bool(int(permitted, 16) >> capability & 1)
