"""Whatever a config holds, it is taken or refused in words: nothing else comes out, and nothing long, or secret."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagger.config.documents import LARGEST
from tagger.config.load import load
from tagger.config.settings import Settings
from tagger.errors import ConfigError
from tagger.vision import categories

MOST = 2000
"""Bytes of an error."""
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=20)
    | st.text(max_size=30)
    | st.sampled_from(
        ["auto", "2024-13-45", ".nan", "a\0b", "\u202egnp.exe", "~nobody", "1" * 5000, "sqlite:///"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS, inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from([*Settings.model_fields, "path", "name", "token", "threads", "host"]) | st.text(
    max_size=8
)
CONFIGS = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=4), max_size=6)


def refusal(file: Path, environ: dict[str, str] | None = None) -> str:
    """What is said against it; empty where it is taken. Anything but a ConfigError fails the test."""
    try:
        load(file, environ=environ or {})
    except ConfigError as error:
        return str(error)
    return ""


def is_fit_to_be_shown(said: str) -> bool:
    return len(said.encode()) <= MOST and all(line.isprintable() for line in said.split("\n"))


@MANY
@given(text=st.text(max_size=200) | st.text(alphabet="{}[]:,-?&*!|>'\"#%@`<= \n\tax0.", max_size=60))
@example(text="a: 2024-13-45")
@example(text="? !!map x")
@example(text='"\\U00110000"')
@example(text="!!timestamp x")
@example(text="!!bool x")
@example(text="!!int ''")
def test_any_text_is_taken_or_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tagger.yaml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    assert is_fit_to_be_shown(refusal(file))


@settings(MANY, max_examples=20)
@given(text=st.text(max_size=200))
@example(text="dog: {synonyms: [2024-13-45]}")
@example(text='dog: {name: "\\e[2J"}')
@example(text="dog: " + "x" * 5000)
@example(text="1: {}")
def test_any_categories_are_taken_or_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    try:
        categories.load(file)
    except ConfigError as error:
        assert is_fit_to_be_shown(str(error))


@MANY
@given(config=CONFIGS)
def test_any_values_are_taken_or_refused_in_words(tmp_path: Path, config: dict[Any, Any]) -> None:
    file = tmp_path / "tagger.yaml"
    try:
        file.write_bytes(yaml.safe_dump(config, allow_unicode=False).encode())
    except (yaml.YAMLError, ValueError):  # what cannot be written need not be read
        return
    assert is_fit_to_be_shown(refusal(file))


@MANY
@given(value=st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=50))
def test_any_variable_is_taken_or_refused_in_words(tmp_path: Path, value: str) -> None:
    file = tmp_path / "tagger.yaml"
    file.write_text("")
    assert is_fit_to_be_shown(refusal(file, {"TAGGER_RESCAN": value, "TAGGER_SOURCES": value}))


ALIASES = "\n".join(["a0: &a0 [x, x, x]", *(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 12))])
MERGED = "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [{f'*a{n - 1},' * 9}]}}" for n in range(1, 12))])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rescan: 2024-13-45", "line 1: there is no such date"),
        ("rescan: " + "9" * 5000, "line 1: a number of 5,000 digits"),
        ("rescan: 0x" + "f" * 5000, "line 1: a number of 5,002 digits"),
        ("rescan: " + ":".join("9" * 1000), "line 1: a number of"),
        ("\nsources: " + "[" * 900, "line 2: it is nested more than"),
        ("- " * 50_000, "line 1: it is nested more than"),
        ("? " * 50_000, "line 1: it is nested more than"),
        ("a: {" * 50_000, "line 1: it is nested more than"),
        (ALIASES, "it comes to more than 20,000 values here"),
        (MERGED, "it comes to more than 20,000 values here"),
        ("sources: &s [*s]", "line 1: an alias (*) stands within what it stands for"),
        ("thresholds: &s {a: *s}", "line 1: an alias (*) stands within what it stands for"),
        ("a: &a [x]\n? *a\n: 1", "a list or a mapping cannot be a key"),
        ("rescan: .nan", "rescan: must be a number that can be counted to"),
        ("web: {rate: .inf}", "web.rate: must be a number that can be counted to"),
        ("# fine\nlog_level: \x1b[2J", "line 2: special characters are not allowed"),
        ('log_level: "\\e[2J"', "\\x1b[2J"),
        ('log_level: "\\u202egnp"', "\\u202egnp"),
        ('web: {host: "a\\0b"}', "web.host: holds a NUL character"),
        ("sources: 3\nweb: " + "x" * 9000, "web: must hold keys of its own"),
        ("\n".join(f"key{n}: {{}}" for n in range(500)), "… and 495 more mistakes"),
        ("x" * (LARGEST + 1), "it is larger than 262,144 bytes"),
    ],
)
def test_what_no_config_holds_is_refused_by_its_line_or_key_and_shortly(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "tagger.yaml"
    file.write_text(text)
    since = time.process_time()
    refused = refusal(file)
    assert said in refused
    assert is_fit_to_be_shown(refused)
    assert time.process_time() - since < 60, "it is bounded, whatever the machine"


def test_aliases_that_people_write_are_read(tmp_path: Path) -> None:
    file = tmp_path / "tagger.yaml"
    file.write_text("sources:\n- &cam {path: /a, settle: 3, exclude: [x]}\n- {<<: *cam, path: /b}\n")
    assert [(source.settle, source.exclude) for source in load(file, environ={}).sources] == [(3, ("x",))] * 2


@pytest.mark.parametrize("text", ["sources: [x]", "log_level: debug"])
def test_a_byte_order_mark_is_no_mistake(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tagger.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert refusal(file) == ""
    file.write_bytes(text.encode("utf-16"))
    assert "byte 1 is not UTF-8; save it as UTF-8" in refusal(file)


# What may lie in place of a file


@pytest.fixture(params=["pipe", "folder", "device"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "other"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return path


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, other: Path) -> None:
    file = tmp_path / "tagger.yaml"
    assert f"{other}: cannot be read: it is not a regular file" in refusal(other)
    with pytest.raises(ConfigError, match="the categories cannot be read: it is not a regular file"):
        categories.load(other)
    file.write_text(f"web: {{token_file: {other}}}")
    with pytest.raises(ConfigError, match=r"web.token_file: cannot be read: .* it is not a regular file"):
        _ = load(file, environ={}).web.secret


def test_a_token_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * 1_000_000)
    (tmp_path / "tagger.yaml").write_text("web: {token_file: token}")
    with pytest.raises(ConfigError, match="it is larger than 4,096 bytes"):
        _ = load(tmp_path / "tagger.yaml", environ={}).web.secret


# Secrets

SECRET = "hunter2" * 3


@pytest.mark.parametrize(
    "text",
    [
        "web: {token: [SECRET]}",
        "web: {token: {SECRET: 1}}",
        "web: SECRET-SECRET",
        "web: [{token: SECRET}]",
        "web: {token: *SECRET}",
        "web: {token: !SECRET x}",
        "web: {token: !!SECRET x}",
        "web: {tokn: SECRET}",
        "web: {token: SECRET, host: 0.0.0.0, port: x}",
        "sources: {web: {token: SECRET}}",
        "database: [postgresql://me:SECRET@host/db]",
        "database: {url: SECRET}",
        "rescan: postgresql://me:SECRET@host/db",
        "log_level: postgresql://me:SECRET@host/db",
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tagger.yaml"
    file.write_text(text.replace("SECRET", SECRET))
    said = refusal(file)
    assert said
    assert SECRET not in said


def test_no_error_repeats_a_token_of_a_variable(tmp_path: Path) -> None:
    (tmp_path / "tagger.yaml").write_text("")
    for value in (
        f"*{SECRET}",
        f"!{SECRET}",
        f"[{SECRET}]",
        f"{{{SECRET}: 1, {SECRET}",
        f"&{SECRET} [1]",
        "1" * 18,
    ):
        said = refusal(tmp_path / "tagger.yaml", {"TAGGER_WEB__TOKEN": value})
        assert said
        assert not re.search(f"{SECRET}|{'1' * 18}", said)
