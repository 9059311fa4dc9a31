"""How many cores this process may really use: what the machine has says little in a container."""

import os
from pathlib import Path

from tagger.config.section import Auto


def available(cgroup: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many cores this process's affinity mask has, cut to its cgroup v2 quota (rounded up); at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        group = next(line[3:] for line in membership.read_text().splitlines() if line.startswith("0::"))
        quota, period = (cgroup / group.lstrip("/") / "cpu.max").read_text().split()
        return max(1, min(cores, -(-int(quota) // int(period))))
    except (OSError, StopIteration, ValueError):  # no cgroup v2, or a quota of "max"
        return cores


def allowed(most: Auto | int) -> int:
    """Return how many of the available cores are to be used: no more than `most`."""
    return available() if most == "auto" else min(most, available())
