"""The texts that `tagger service install` writes: the config, the unit, and the drop-ins that follow from the config.

They are the files in systemd/: those that depend on the installation are templates of Jinja's (`*.j2`), the others are
taken as they are. Rejected: string.Template, for which each `$` of the config's regular expressions would be two.

Access to folders in homes is a bind mount of each into a home that is otherwise empty, and the right to read whatever is
visible (dropins/private.conf), as it is to folders that are not for everyone to read. Rejected: ACLs, since programs
that write a picture with mode 0600 mask them, and they change the user's files; groups, which such modes leave out too; a
service that runs as the owner of the pictures, which is what the user unit is for.
"""

import json
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tagger.config.settings import Settings
from tagger.errors import ConfigError
from tagger.service.layout import UNITS, Layout

HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))
HIDDEN = (*HOMES, Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - nothing is written there
"""What the unit hides (ProtectHome=, PrivateTmp=)."""


def config(layout: Layout, folders: Sequence[Path]) -> str:
    """Return the config that explains every key, for these folders, or for the layout's pictures where there are none."""
    folder, *others = dict.fromkeys(folders) or [layout.pictures]
    return _rendered("config.yaml", database=layout.data / "tags.db", folder=folder, others=others)


def unit(layout: Layout, program: Path) -> str:
    """Return the unit, for the program that is installed. Raises ConfigError where no unit can name it."""
    return _rendered(layout.template, program=program, config=layout.config)


def dropins(layout: Layout, settings: Settings, program: Iterable[Path], version: int) -> dict[str, str]:
    """Return, by name, the drop-ins that the config, the program's own folders and systemd's version call for.

    Raises ConfigError where no unit can name a folder.
    """
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
    bound, written = _bound(_read(settings), program), _written(layout, settings)
    if bound or written:
        found["folders.conf"] = _rendered(
            "dropins/folders.conf", config=layout.config, bound=bound, written=written
        )
    return found


def _read(settings: Settings) -> Iterator[Path]:
    """Yield what the config names, and the daemon reads."""
    for source in settings.sources:
        yield from (source.path, *source.follow_links)
    yield from (path for path in (settings.categories, settings.web.token_file) if path)
    if settings.model.weights != "auto":
        yield Path(settings.model.weights)


def _bound(named: Iterable[Path], program: Iterable[Path]) -> list[Path]:
    return sorted({path for path in (*named, *program) if _is_hidden(path)})


def _written(layout: Layout, settings: Settings) -> dict[str, Path]:
    """Return where the database is, by the key that opens it, if it is elsewhere than the unit's own directory."""
    folder = Path(settings.database.removeprefix("sqlite:///")).parent
    if folder.is_relative_to(layout.data):
        return {}
    return {"BindPaths" if _is_hidden(folder) else "ReadWritePaths": folder}


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


def _rendered(name: str, **values: object) -> str:
    return _TEMPLATES.get_template(f"{name}.j2").render(values)


def _unit_word(path: Path, flag: str = "") -> str:
    """Return a path as a unit wants it. Raises ConfigError for what no unit can say."""
    if not set(str(path)).isdisjoint("\":\\'\n\r\t"):
        hint = "rename it, or name a link to it that has no quotes, colons, backslashes or line breaks"
        raise ConfigError(str(path), "cannot be named in a unit of systemd's", hint)
    return f'"{flag}{path}"'.replace("%", "%%") if " " in str(path) else f"{flag}{path}".replace("%", "%%")


def _yaml(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


_TEMPLATES = Environment(  # noqa: S701 - units and YAML are no HTML, and have quotes of their own
    loader=FileSystemLoader(UNITS),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {"unit": _unit_word, "yaml": _yaml}
