"""What the kernel counts of this process."""

import os
from collections import Counter
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path


def resident(file: Path) -> int:
    """KiB of a mapped file that are in memory, over all of its mappings."""
    total, counts = 0, False
    for line in Path("/proc/self/smaps").read_text(errors="surrogateescape").splitlines():
        key, _, value = line.partition(" ")
        if not key.endswith(":"):
            counts = value.endswith(f" {file}")
        elif counts and key == "Rss:":
            total += int(value.split()[0])
    return total


def open_files() -> Counter[str]:
    """What this process has open, by name, and how often; multiprocessing's own pipe aside."""
    found: Counter[str] = Counter()
    for descriptor in set(os.listdir("/proc/self/fd")) - {str(resource_tracker._resource_tracker._fd)}:  # type: ignore[attr-defined]
        with suppress(FileNotFoundError):  # the one of this very listing
            found[str(Path("/proc/self/fd", descriptor).readlink()).split(":[")[0]] += 1
    return found


def children() -> set[int]:
    """This process's child processes; multiprocessing's own, which ends with its parent, aside."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if "resource_tracker" not in _command(pid)}


def _command(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
