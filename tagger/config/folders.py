"""The folders that Tagger keeps its own things in, and where a config lies that nobody named."""

import os
from pathlib import Path

import platformdirs

MACHINES = Path("/etc/tagger/config.yaml")
"""The config of a service that `tagger service install` has installed."""


def data_home() -> Path:
    """Return where Tagger keeps what it makes: systemd's state directory, else the XDG data directory."""
    state = os.environ.get("STATE_DIRECTORY")
    return Path(state.split(":")[0]) if state else platformdirs.user_data_path("tagger")


def cache_home() -> Path:
    """Return where Tagger keeps what it can make again: systemd's cache directory, else the XDG cache directory."""
    cache = os.environ.get("CACHE_DIRECTORY")
    return Path(cache.split(":")[0]) if cache else platformdirs.user_cache_path("tagger")


def default_config() -> Path | None:
    """Return the user's own config file, if there is one; else the service's of this machine, if the user may read it."""
    path = platformdirs.user_config_path("tagger") / "config.yaml"
    if path.exists():
        return path
    return MACHINES if os.access(MACHINES, os.R_OK) else None
