"""JSON Schema in words, and tables in Markdown."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MADE = "Made from the code by `python -m tools.reference`: change it there.\n"
_QUOTED = re.compile(r"(?<!\w)'([^'`]+)'(?!\w)")
_PAGE = re.compile(r"\bdocs/([\w-]+\.md)")
_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
_FORMATS = {"path": "path", "binary": "bytes", "date-time": "time, UTC"}


def of(schema: Mapping[str, Any]) -> str:
    """What a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(of(one) for one in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return ", ".join(code(one) for one in schema.get("enum") or [schema["const"]])
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])} numbers"
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {of(schema['items'])}"
        case "object":
            values = schema.get("additionalProperties")
            return f"names, each with {of(values)}" if isinstance(values, Mapping) else "object"
        case "null":
            return "`null`"
        case None:
            return "anything"
        case kind:
            return _FORMATS.get(schema.get("format", ""), _PLAIN[kind]) + bounds(schema)


def bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {number(least)} to {number(most)}"
    if least is not None:
        return f", {number(least)} or more"
    return f", {schema['maxLength']} characters at most" if "maxLength" in schema else ""


def number(value: float) -> str:
    return f"{value:,g}" if value < 10**6 else f"{value:,.0f}"


def code(value: Any) -> str:
    """A value as it is written in YAML and JSON; text without quotes, where it is not empty."""
    if value == "":
        return "`''`"
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def prose(text: str) -> str:
    """What is in quotes is code, where Markdown makes nothing of its stars and brackets; pages are links to them."""
    return _PAGE.sub(r"[\1](../\1)", _QUOTED.sub(r"`\1`", text))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in rows)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{lines}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
