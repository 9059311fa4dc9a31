"""Installing and removing a service: steps that can be told before they are taken.

Whatever holds the user's own work, the config and the tags, is neither overwritten nor removed. The unit goes to where
an administrator's units are, not a package's: a package would bring the same files by itself.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tagger
from tagger.config import documents
from tagger.config.load import load
from tagger.config.settings import Settings
from tagger.errors import ConfigError, TaggerError
from tagger.service import render
from tagger.service.layout import ACCOUNT, SYSUSERS, UNIT, UNITS, Layout


class ServiceError(TaggerError):
    """Raised where systemd is not there, refuses, or is not ours to command."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `words` say what it does, `take` does it."""

    words: str
    take: Callable[[], object]


def require_root(layout: Layout) -> None:
    """Raises ServiceError where any step needs root, and we are not."""
    if layout.is_system and os.geteuid():
        hint = "sudo does; --user installs a service of your own"
        raise ServiceError("tagger service", "only root may change the machine's services", hint)


def install(layout: Layout, folders: Sequence[Path]) -> Iterator[Step]:
    """Yield the steps that bring the service, or bring it up to date with the config. Raises ConfigError, ServiceError."""
    if layout.config.exists() and folders:
        hint = f"add {', '.join(map(str, folders))} to its sources, then: tagger service install"
        raise ConfigError(str(layout.config), "is there already, and is not changed", hint)
    texts = {} if layout.config.exists() else {layout.config: render.config(layout, folders)}
    settings = _settings(layout, texts)
    if layout.is_system:
        yield Step(
            f"write {SYSUSERS}", lambda: _write(SYSUSERS, (UNITS / "sysusers.d/tagger.conf").read_text())
        )
        yield _command("systemd-sysusers", str(SYSUSERS))
    for path, text in texts.items():
        yield Step(f"write {path}", partial(_write_config, layout, path, text))
    yield from _units(layout, settings)
    yield _command(*layout.manager, "daemon-reload")
    yield _command(*layout.manager, "enable", UNIT)
    yield _command(*layout.manager, "restart", UNIT, hint=f"journalctl {_whose(layout)} says why")


def uninstall(layout: Layout) -> Iterator[Step]:
    """Yield the steps that take the service away; config, tags and account stay. Raises ServiceError where it is not there."""
    if not layout.unit.exists():
        raise ServiceError(str(layout.unit), "is not there", "nothing is installed")
    yield _command(*layout.manager, "disable", "--now", UNIT)
    yield Step(f"remove {layout.unit}", layout.unit.unlink)
    yield Step(f"remove {layout.dropins}/, but for files of your own", lambda: _remove_dropins(layout))
    if layout.is_system:
        yield Step(f"remove {SYSUSERS}", lambda: SYSUSERS.unlink(missing_ok=True))
    yield _command(*layout.manager, "daemon-reload")


def status(layout: Layout) -> Mapping[str, str]:
    """Return what systemd knows of the service, by systemd's own names. Raises ServiceError."""
    names = "LoadState,ActiveState,SubState,Result,StatusText,NRestarts,ActiveEnterTimestamp,MainPID"
    said = _run((*layout.manager, "show", UNIT, f"--property={names}"))
    return dict(line.partition("=")[::2] for line in said.splitlines())


def _settings(layout: Layout, texts: Mapping[Path, str]) -> Settings:
    """Return the settings of the config that is there, or that is to be written. Raises ConfigError."""
    if layout.config not in texts:
        return load(layout.config, environ={})
    data = documents.read(texts[layout.config])
    return Settings.model_validate(data, context={"base": layout.config.parent})


def _units(layout: Layout, settings: Settings) -> Iterator[Step]:
    program = Path(sys.prefix) / "bin" / "tagger"
    if not program.exists():
        raise ServiceError(str(program), "no such program", "install Tagger into a virtual environment")
    own = (Path(sys.prefix), Path(sys.base_prefix), Path(tagger.__file__).parents[1])
    yield Step(f"write {layout.unit}", lambda: _write(layout.unit, render.unit(layout, program)))
    wanted = render.dropins(layout, settings, own, _version())
    for name in sorted(_ours(layout) - set(wanted)):
        yield Step(f"remove {layout.dropins / name}", (layout.dropins / name).unlink)
    for name, text in wanted.items():
        path = layout.dropins / name
        yield Step(f"write {path}", partial(_write, path, text))


def _ours(layout: Layout) -> set[str]:
    """Return the names of the drop-ins that are there and that we write."""
    names = {path.name.removesuffix(".j2") for path in (UNITS / "dropins").iterdir()}
    return {name for name in names if (layout.dropins / name).exists()}


def _remove_dropins(layout: Layout) -> None:
    for name in _ours(layout):
        (layout.dropins / name).unlink()
    with suppress(OSError):  # not there, or not empty
        layout.dropins.rmdir()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_config(layout: Layout, path: Path, text: str) -> None:
    """Write the config for the service's group alone, since it may come to hold a token."""
    _write(path, text)
    path.chmod(0o640)
    if layout.is_system:
        shutil.chown(path, "root", ACCOUNT)


def _command(*words: str, hint: str = "") -> Step:
    return Step(f"run {' '.join(words)}", lambda: _run(words, hint))


def _run(words: Sequence[str], hint: str = "") -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - systemd's own
    except FileNotFoundError:
        raise _absent() or ServiceError(
            words[0], "no such program", "install it: it comes with systemd"
        ) from None
    if done.returncode:
        if absent := _absent():
            raise absent
        raise ServiceError(" ".join(words), done.stderr.strip() or f"ended with {done.returncode}", hint)
    return done.stdout


def runs_systemd() -> bool:
    """Whether systemd has started this system, as sd_booted(3) finds it out."""
    return Path("/run/systemd/system").is_dir()


def _absent() -> ServiceError | None:
    """Return what to say of any failure where there is no systemd at all; None where there is."""
    hint = "have what starts programs here start this one: tagger run"
    return (
        None if runs_systemd() else ServiceError("tagger service", "this system does not run systemd", hint)
    )


def _version() -> int:
    """Return systemd's version, or 0 where it does not tell."""
    with suppress(ServiceError, IndexError, ValueError):
        return int(_run(("systemctl", "--version")).split()[1])
    return 0


def _whose(layout: Layout) -> str:
    return f"-u {UNIT}" if layout.is_system else f"--user -u {UNIT}"
