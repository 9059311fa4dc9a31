"""Where a service's files lie: on a whole machine, or in one user's home."""

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tagger.config.folders import MACHINES

UNIT = "tagger.service"

_PACKAGED = Path(__file__).parent / "units"
_CHECKOUT = Path(__file__).parents[2]
UNITS = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT / "systemd"
"""The units, drop-ins and config that come with Tagger: inside an installed wheel, else in the checkout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`manager` is the command that speaks to systemd, `units` where its files go, `pictures` what is watched if nothing is said."""

    manager: tuple[str, ...]
    units: Path
    config: Path
    data: Path
    cache: Path
    pictures: Path

    @property
    def unit(self) -> Path:
        return self.units / UNIT

    @property
    def dropins(self) -> Path:
        return self.units / f"{UNIT}.d"

    @property
    def is_system(self) -> bool:
        return self == SYSTEM

    @property
    def template(self) -> str:
        return UNIT if self.is_system else f"user/{UNIT}"


SYSTEM = Layout(
    ("systemctl",),
    Path("/etc/systemd/system"),
    MACHINES,
    Path("/var/lib/tagger"),
    Path("/var/cache/tagger"),
    Path("/srv/pictures"),
)

SYSUSERS = Path("/etc/sysusers.d/tagger.conf")
ACCOUNT = "tagger"


def users() -> Layout:
    """Return the layout of the calling user's own service."""
    return Layout(
        ("systemctl", "--user"),
        Path.home() / ".config/systemd/user",
        platformdirs.user_config_path("tagger") / "config.yaml",
        platformdirs.user_data_path("tagger"),
        platformdirs.user_cache_path("tagger"),
        platformdirs.user_pictures_path(),
    )
