"""docs/reference/config.md: what pydantic knows of the keys, and the comments in config/tagger.yaml."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tagger.config.settings import Settings
from tools.reference import words

ABOUT = """
The config is a YAML file; every key may be left out, and then follows the default of each release. `--config` or `TAGGER_CONFIG` says
where it lies, else it is `~/.config/tagger/config.yaml`, else `/etc/tagger/config.yaml`. [config/tagger.yaml](../../config/tagger.yaml)
has all keys with their defaults, to copy from. `tagger config check` says what is wrong, `tagger config show` prints all values, and
[operating.md](../operating.md#change-the-config) says how a running daemon takes a change.

Relative paths are relative to the file, and `~` is your home. Any key can be overridden by a variable: `TAGGER_` and the key in
capitals, with two underscores for each dot, such as `TAGGER_MODEL__TOP_K=3`; its value is read as YAML.
"""
_LEFT_OUT = re.compile(r"^( *)#(?=\w+:)", re.MULTILINE)
_KEY = re.compile(r"( *(?:- )?)(\w+):")


def page(example: str) -> str:
    """`example` is config/tagger.yaml."""
    schema, comments = Settings.model_json_schema(), dict(_comments(example))
    sections = {key: one for key, value in schema["properties"].items() if (one := _section(value, schema))}
    top = {key: value for key, value in schema["properties"].items() if key not in sections}
    parts = [_keys("", top, comments)]
    for key, section in sections.items():
        parts += [f"## {key}\n", _about(key, comments), _keys(f"{key}.", section["properties"], comments)]
    if comments:
        raise ValueError(f"config/tagger.yaml has keys that Tagger does not know: {', '.join(comments)}")
    return "\n".join(["# The config\n", words.MADE + ABOUT, *filter(None, parts)])


def _section(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    reference = value.get("$ref") or value.get("items", {}).get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else None


def _about(section: str, comments: dict[str, str]) -> str:
    about = comments.pop(section)
    return words.prose(about) + "\n" if about else ""


def _keys(prefix: str, properties: Mapping[str, Any], comments: dict[str, str]) -> str:
    return "".join(_entry(prefix + key, value, comments) for key, value in properties.items())


def _entry(key: str, value: Mapping[str, Any], comments: dict[str, str]) -> str:
    """Return an item of a list: the comments are too long for a table."""
    comment = comments.pop(key, "")
    if not comment:
        raise ValueError(f"{key}: config/tagger.yaml says nothing of it; write a comment there")
    default = f"; default: {words.code(value['default'])}" if "default" in value else ""
    return f"- **`{key}`** ({words.of(value)}{default}): {words.prose(comment)}\n"


def uncommented(example: str) -> str:
    """The same config with every key in force: those that it leaves out have a `#` right before them."""
    return _LEFT_OUT.sub(r"\1", example)


def _comments(example: str) -> Iterator[tuple[str, str]]:
    """What stands above each key and beside it. A comment with an empty line under it belongs to none."""
    section, above = "", list[str]()
    for line in uncommented(example).splitlines():
        if line.lstrip().startswith("#"):
            above.append(line.strip("# "))
        elif key := _KEY.match(line):
            section = section if key[1] else key[2]
            beside = line.partition(" # ")[2].strip()
            yield f"{section}.{key[2]}" if key[1] else section, " ".join(filter(None, [*above, beside]))
            above = []
        else:
            above = []
