"""The texts that `tagger service install` writes: the config, the unit, and the drop-ins that follow from the config.

Access to folders in homes is a bind mount of each into a home that is otherwise empty, and the right to read whatever is
visible (dropins/private.conf), as it is to folders that are not for everyone to read. Rejected: ACLs, since programs
that write a picture with mode 0600 mask them, and they change the user's files; groups, which such modes leave out too; a
service that runs as the owner of the pictures, which is what the user unit is for.
"""

import json
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tagger.config.settings import Settings
from tagger.errors import ConfigError
from tagger.service.layout import ANNOTATED, SYSTEM, UNITS, Layout

HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))
HIDDEN = (*HOMES, Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - nothing is written there
"""What the unit hides (ProtectHome=, PrivateTmp=)."""

_WRITTEN = "# Written by `tagger service install` from {config}; the next one writes it anew.\n[Service]\n"


def config(layout: Layout, folders: Sequence[Path]) -> str:
    """The annotated config, for these folders. Raises ConfigError."""
    first, *others = map(_yaml, dict.fromkeys(folders) or [layout.pictures])
    text = ANNOTATED.read_text(encoding="utf-8")
    text = _replace(text, "database: ../tags.db", f"database: {_yaml(layout.data / 'tags.db')}")
    text = _replace(text, "path: ../inbox        ", f"path: {first} ")
    settle = next(line for line in text.splitlines(keepends=True) if line.startswith("    #settle:"))
    return _replace(text, settle, settle + "".join(f"  - path: {other}\n" for other in others))


def unit(layout: Layout, program: Path) -> str:
    """The unit that ships, for the program that is installed."""
    text = layout.shipped.read_text(encoding="utf-8")
    for key, command in (("ExecStart", "run"), ("ExecReload", "reload")):
        shipped = next(line for line in text.splitlines() if line.startswith(f"{key}="))
        text = _replace(
            text, shipped, f"{key}={_quoted(program)} {command} --config {_quoted(layout.config)}"
        )
    return text


def dropins(layout: Layout, settings: Settings, program: Iterable[Path], version: int) -> dict[str, str]:
    """By name, those that the config, the program's own folders and systemd's version call for."""
    if not layout.is_system:
        return {"backoff.conf": _shipped("backoff.conf")} if version >= 254 else {}
    wanted = {
        "backoff.conf": version >= 254,
        "gpu.conf": settings.engine.backend in ("auto", "torch")
        and Path("/proc/driver/nvidia/version").exists(),
        "private.conf": any(map(_is_private, _read(settings))),
        "web.conf": settings.web.enabled,
        "web-open.conf": settings.web.enabled and not settings.web.is_local,
    }
    found = {name: _shipped(name) for name, is_wanted in wanted.items() if is_wanted}
    lines = [*_binds(_read(settings), program), *_writable(layout, settings)]
    return found | ({"folders.conf": _WRITTEN.format(config=layout.config) + "".join(lines)} if lines else {})


def _read(settings: Settings) -> Iterator[Path]:
    """What the config names, and the daemon reads."""
    yield from (source.path for source in settings.sources)
    yield from (path for path in (settings.categories, settings.web.token_file) if path)
    if settings.model.weights != "auto":
        yield Path(settings.model.weights)


def _binds(named: Iterable[Path], program: Iterable[Path]) -> Iterator[str]:
    paths = sorted({path for path in (*named, *program) if _is_hidden(path)})
    # One that is not there yet is left out until the next start.
    yield from (f"BindReadOnlyPaths={_quoted(path, '-')}\n" for path in paths)


def _writable(layout: Layout, settings: Settings) -> Iterator[str]:
    """Where the database is, if it is elsewhere than the unit's own directory."""
    folder = Path(settings.database.removeprefix("sqlite:///")).parent
    if not folder.is_relative_to(layout.data):
        key = "BindPaths" if _is_hidden(folder) else "ReadWritePaths"
        yield f"{key}={_quoted(folder, '-')}\n"


def _is_hidden(path: Path) -> bool:
    return any(path.is_relative_to(hidden) for hidden in HIDDEN)


def _is_private(path: Path) -> bool:
    """Whether others than its owner and group may be kept from it: programs write what is in a home for its user alone."""
    return any(map(path.is_relative_to, HOMES)) or any(map(_keeps_out, (path, *path.parents)))


def _keeps_out(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & wanted != wanted


def _shipped(name: str) -> str:
    return (UNITS / "dropins" / name).read_text(encoding="utf-8")


def _quoted(path: Path, flag: str = "") -> str:
    """As a unit wants it. Raises ConfigError for what no unit can say."""
    if not set(str(path)).isdisjoint("\":\\'\n\r\t"):
        hint = "rename it, or name a link to it that has no quotes, colons, backslashes or line breaks"
        raise ConfigError(str(path), "cannot be named in a unit of systemd's", hint)
    return f'"{flag}{path}"'.replace("%", "%%") if " " in str(path) else f"{flag}{path}".replace("%", "%%")


def _yaml(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _replace(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ConfigError(
            str(SYSTEM.config), f"cannot be made: {old!r} is not in it once", "install Tagger anew"
        )
    return text.replace(old, new)
