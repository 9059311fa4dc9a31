"""What a path tells of a picture: which camera took it, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Located:
    """Read from a path. `captured_at` is naive where the path tells no offset; `attributes` are all other groups."""

    camera: str | None = None
    app_id: str | None = None
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """How the paths and the clocks of one source are read. `str(place)` changes when its pictures must be dated anew."""

    pattern: str = ""
    timezone: str = ""

    def __str__(self) -> str:
        return f"{self.timezone}\n{self.pattern}"

    def read(self, path: str) -> Located:
        """What a path, relative to the source's folder, tells."""
        return Located()

    def captured(self, located: Located, taken_at: datetime | None, mtime_ns: int) -> tuple[datetime, str]:
        """When a picture was taken, in UTC, and what tells it: `path`, `exif` or `mtime`."""
        if taken_at:
            return taken_at.astimezone(UTC), "exif"
        return _EPOCH + timedelta(microseconds=mtime_ns // 1000), "mtime"
