"""What the kernel counts of this process."""

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
