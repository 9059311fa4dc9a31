"""docs/reference/cli.md: the commands with their options, as typer knows them."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from tagger.cli import app
from tools.reference import words

ABOUT = """
Results go to stdout, the log and progress to stderr. `--help` of each command explains it; `tagger --version` prints the version.

Nearly every command takes `--config FILE` and `--database PATH-OR-URL`. Without `--config`, the config is `$TAGGER_CONFIG`, else
`~/.config/tagger/config.yaml`, else `/etc/tagger/config.yaml`, if there is one. Without a config, folders are named on the command
line, and the database is `tags.db` in `$STATE_DIRECTORY` or `~/.local/share/tagger`.
"""
CODES = (
    ("0", "done"),
    ("1", "a file failed, or Tagger did"),
    ("2", "wrong use or config"),
    ("3", "the model cannot be used"),
    ("4", "the database cannot be used"),
    ("5", "a picture took longer than `decode.deadline`: the next start tries it apart"),
    ("130", "interrupted"),
)
EVERYWHERE = ("config", "database")
_WORDS = {int: "whole number", float: "number", Path: "path", str: "text", bool: ""}


@dataclass(frozen=True)
class Parameter:
    name: str
    info: ArgumentInfo | OptionInfo
    kind: Any
    is_many: bool
    default: Any


def page() -> str:
    parts = ["# The command line\n", words.MADE + ABOUT, words.table(("exit code", "meaning"), CODES)]
    commands = dict(_commands(app, "tagger"))
    common = [one for one in _parameters(commands["tagger run"]) if one.name in EVERYWHERE]
    parts += ["## Nearly everywhere\n", _table(common)]
    for name, command in commands.items():
        parts.append(_command(name, command))
    return "\n".join(parts)


def _commands(group: typer.Typer, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for one in group.registered_commands:
        assert one.callback  # noqa: S101 (typer's type allows for none)
        yield f"{prefix} {one.name or one.callback.__name__.replace('_', '-')}", one.callback
    for other in group.registered_groups:
        assert other.typer_instance  # noqa: S101
        yield from _commands(other.typer_instance, f"{prefix} {other.name}")


def _command(name: str, command: Callable[..., Any]) -> str:
    about = inspect.getdoc(command)
    if not about:
        raise ValueError(f"{name}: its function says nothing of it; write a docstring there")
    parameters = list(_parameters(command))
    own = [one for one in parameters if one.name not in EVERYWHERE]
    also = " and ".join(f"`--{one.name}`" for one in parameters if one.name in EVERYWHERE)
    parts = [f"## {name}\n", f"    {_usage(name, own)}\n", words.prose(about) + "\n"]
    parts += [_table(own)] if own else []
    return "\n".join([*parts, f"Also {also}.\n"] if also else parts)


def _usage(name: str, parameters: list[Parameter]) -> str:
    arguments = [_placeholder(one) for one in parameters if isinstance(one.info, ArgumentInfo)]
    return " ".join([name, *arguments, "[OPTIONS]"])


def _placeholder(one: Parameter) -> str:
    text = (one.info.metavar or one.name.removesuffix("s").upper()) + ("…" if one.is_many else "")
    return text if one.default is inspect.Parameter.empty else f"[{text}]"


def _table(parameters: list[Parameter]) -> str:
    return words.table(("name", "value", "default", "meaning"), map(_row, parameters))


def _row(one: Parameter) -> tuple[str, ...]:
    if not one.info.help:
        raise ValueError(f"{one.name}: no help; write it where the option is declared")
    about = one.info.help + (f" Or the variable `{one.info.envvar}`." if one.info.envvar else "")
    return _names(one), _value(one), _default(one), words.prose(about)


def _names(one: Parameter) -> str:
    if isinstance(one.info, ArgumentInfo):
        return f"`{_placeholder(one).strip('[]')}`"
    given = [text for text in (one.info.default, *(one.info.param_decls or ())) if isinstance(text, str)]
    return ", ".join(f"`{name}`" for name in given or [f"--{one.name.replace('_', '-')}"])


def _value(one: Parameter) -> str:
    if isinstance(one.kind, type) and issubclass(one.kind, Enum):
        return ", ".join(words.code(member.value) for member in one.kind)
    limits = {"minimum": one.info.min, "maximum": one.info.max}
    again = ", may be given again" if one.is_many and isinstance(one.info, OptionInfo) else ""
    return _WORDS[one.kind] + words.bounds(limits) + again


def _default(one: Parameter) -> str:
    if one.default is inspect.Parameter.empty:
        return "must be given" if isinstance(one.info, OptionInfo) else ""
    if one.default is None or one.default is False:
        return ""
    return words.code(one.default.value if isinstance(one.default, Enum) else one.default)


def _parameters(command: Callable[..., Any]) -> Iterator[Parameter]:
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        annotation, info = get_args(hints[name])
        [kind] = {one for one in get_args(annotation) or (annotation,) if one is not type(None)} or {
            annotation
        }
        is_many = get_origin(kind) is list or get_origin(annotation) is list
        if get_origin(kind) is list:
            [kind] = get_args(kind)
        yield Parameter(name, info, kind, is_many, parameter.default)
