"""A config is read as its writer meant it, or refused in words."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tagger.config.environment import environment
from tagger.config.folders import data_home
from tagger.config.load import load
from tagger.config.settings import Settings
from tagger.config.sources import Source
from tagger.errors import ConfigError
from tools.reference.config import uncommented

ANNOTATED = Path(__file__).parents[2] / "config" / "tagger.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tagger.yaml"


def read(file: Path, text: str, *folders: Path, environ: Mapping[str, str] | None = None) -> Settings:
    file.write_text(text)
    return load(file, folders, environ=environ or {})


def complaint(file: Path, text: str, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        read(file, text, environ=environ)
    assert refused.value.exit_code == 2
    return str(refused.value)


def starts(settings: Settings) -> dict[str, str]:
    return {str(source.start): source.name for source in settings.sources}


# What is understood


@pytest.mark.parametrize(
    ("text", "crop"),
    [
        ("tiles", "tiles"),
        ("[0, 0.25, 1, 0.75]", (0.0, 0.25, 1.0, 0.75)),
        ("[0.7, 0, 0.3, 1]", (0.7, 0.0, 0.3, 1.0)),
        ("[0.063, 0, 0.938, 1]", (0.063, 0.0, 0.938, 1.0)),
    ],
)
def test_a_crop_is_a_word_or_a_box(file: Path, text: str, crop: object) -> None:
    assert read(file, f"sources: [{{path: x, crop: {text}}}]").sources[0].crop == crop


def test_a_source_has_its_own_heads_in_place_of_those_of_all(file: Path) -> None:
    settings = read(file, "heads: [scene]\nsources: [a, {path: b, heads: [mood]}, {path: c, heads: []}]")
    assert [*map(settings.heads_of, settings.sources)] == [("scene",), ("mood",), ()]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("heads: [Scene]", "heads"),
        ("heads: [none]", "heads"),
        ("heads: [scene, scene]", "more than once"),
        ("sources: [{path: x, heads: ['a/b']}]", "heads"),
        ("sources: [x]\nheads: [scene]\nfeatures: false", "features"),
        ("none: {at_most: 0}", "none.at_most"),
    ],
)
def test_heads_that_could_label_nothing_are_refused(file: Path, text: str, key: str) -> None:
    assert key in complaint(file, text)


def test_another_process_comes_to_the_same_crops(file: Path) -> None:
    text = "sources: [{path: /a, crop: [0.00001, 0, 0.5, 1]}, /b, {path: /c, crop: squash}]"
    settings = read(file, text, Path("/a/1"), Path("/a/2"), Path("/c"))
    again = load(None, environ=environment(settings))
    assert {str(source.path): source.crop for source in again.sources} == {
        "/a": (1e-5, 0, 0.5, 1),
        "/c": "squash",
    }


def test_a_list_of_folders_is_a_whole_config(file: Path) -> None:
    settings = read(file, "sources: [shots, /srv/camera]")
    assert starts(settings) == {f"{file.parent}/shots": "shots", "/srv/camera": "camera"}


def test_an_empty_config_is_all_defaults(file: Path) -> None:
    assert read(file, "") == Settings()


def test_relative_paths_are_relative_to_the_config_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = read(
        file, "{database: ../tags.db, sources: [./a/../b/], model: {name: resnet18, weights: w.pth}}"
    )
    assert settings.database == str(tmp_path.parent / "tags.db")
    assert settings.sources[0].path == tmp_path / "b"
    assert settings.model.weights == str(tmp_path / "w.pth")


def test_a_tilde_is_home(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    settings = read(file, "{database: ~/tags.db, sources: [~/shots]}")
    assert (settings.database, str(settings.sources[0].path)) == ("/home/me/tags.db", "/home/me/shots")


def test_a_link_keeps_its_name(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/srv")
    assert read(file, "sources: [link]").sources[0].path == tmp_path / "link"


@pytest.mark.parametrize("url", ["sqlite:////srv/tags.db", "postgresql://host/tags"])
def test_a_database_url_is_left_alone(file: Path, url: str) -> None:
    assert read(file, f"database: {url}").database == url
    assert load(database=url, environ={}).database == url


def test_a_database_on_the_command_line_is_relative_to_where_one_is(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file.write_text("database: tags.db")
    assert load(file, database="mine.db", environ={}).database == str(tmp_path / "here" / "mine.db")


def test_systemd_says_where_the_database_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/tagger:/var/lib/other")
    assert data_home() == Path("/var/lib/tagger")
    assert load(environ={}).database == "/var/lib/tagger/tags.db"


def test_variables_override_the_file(file: Path) -> None:
    environ = {
        "TAGGER_MODEL__TOP_K": "3",
        "TAGGER_SOURCES": "[/srv/camera]",
        "TAGGER_DATABASE": "mine.db",
        "TAGGER_CONFIG": "not a setting",
        "OTHER_RESCAN": "1",
    }
    settings = read(file, "{model: {name: resnet50, top_k: 9}, sources: [/a, /b]}", environ=environ)
    assert (settings.model.name, settings.model.top_k) == ("resnet50", 3)
    assert starts(settings) == {"/srv/camera": "camera"}
    assert settings.database == str(file.parent / "mine.db")


def test_the_command_line_overrides_variables(file: Path) -> None:
    environ = {"TAGGER_DATABASE": "/a.db"}
    assert load(None, database="/b.db", environ=environ).database == "/b.db"


# Sources and their names


def test_sources_without_a_name_get_one_of_their_own(file: Path) -> None:
    settings = read(file, "sources: [/a/shots, /b/shots, {path: /c, name: shots-2}, /]")
    assert starts(settings) == {"/a/shots": "shots", "/b/shots": "shots-3", "/c": "shots-2", "/": "root"}


def test_folders_take_the_place_of_the_configured_sources(file: Path) -> None:
    settings = read(file, "sources: [/srv/camera]", Path("/home/me/shots"), Path("/mnt/shots"))
    assert starts(settings) == {"/home/me/shots": "shots", "/mnt/shots": "shots-2"}


def test_a_folder_does_not_borrow_the_name_of_a_configured_source(file: Path) -> None:
    assert starts(read(file, "sources: [/srv/shots]", Path("/mnt/shots"))) == {"/mnt/shots": "shots-2"}


def test_a_folder_inside_a_source_keeps_that_sources_settings(file: Path) -> None:
    text = "sources: [{path: /srv, name: outer}, {path: /srv/cam, name: inner, settle: 2, exclude: [raw]}]"
    [source] = read(file, text, Path("/srv/cam/2026/05")).sources
    assert (source.name, str(source.path), str(source.start)) == ("inner", "/srv/cam", "/srv/cam/2026/05")
    assert (source.settle, source.exclude) == (2, ("raw",))


def test_sources_inside_a_folder_keep_their_files(file: Path) -> None:
    text = "sources: [{path: /srv/x/cam, name: inner, settle: 2}, /mnt]"
    settings = read(file, text, Path("/srv"))
    assert starts(settings) == {"/srv": "srv", "/srv/x/cam": "inner"}


def test_two_folders_of_one_source_are_both_there(file: Path) -> None:
    settings = read(file, "sources: [/srv]", Path("/srv/a"), Path("/srv/b"), Path("/srv/a"))
    assert starts(settings) == {"/srv/a": "srv", "/srv/b": "srv"}


def test_a_folder_named_twice_is_there_once(file: Path) -> None:
    settings = read(file, "sources: [/srv, /srv/cam]", Path("/srv"), Path("/srv/cam"))
    assert [str(source.start) for source in settings.sources] == ["/srv", "/srv/cam"]


# What is refused


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("source: [x]", "source", "no such key; did you mean 'sources'?"),
        ("model: {topk: 3}", "model.topk", "no such key; did you mean 'top_k'?"),
        ("sources: [{path: x, recursve: no}]", "sources, first entry, recursve", "did you mean 'recursive'?"),
        ("engine: {zzz: 3}", "engine.zzz", "keys: backend, precision"),
        ("sources: [a, {name: b}]", "sources, second entry, path", "is missing"),
        ("sources: x", "sources", "must be a list, not 'x'"),
        ("sources: [1]", "sources, first entry", "not 1"),
        (
            "sources: [{path: x, include: '*.png'}]",
            "sources, first entry, include",
            "must be a list, not '*.png'",
        ),
        ("model: resnet50", "model", "must hold keys of its own, not 'resnet50'"),
        ("model: {top_k: 0}", "model.top_k", "must be greater than or equal to 1, not 0"),
        ("model: {top_k: 1.5}", "model.top_k", "must be a whole number, not 1.5"),
        ("model: {top_k: many}", "model.top_k", "must be a whole number, not 'many'"),
        ("sources: [{path: x, settle: -1}]", "sources, first entry, settle", "not -1"),
        ("sources: [{path: x, settle: .nan}]", "sources, first entry, settle", "not nan"),
        ("sources: [{path: x, settle: true}]", "sources, first entry, settle", "must be a number, not True"),
        (
            "sources: [{path: x, crop: centre}]",
            "sources, first entry, crop",
            "or a box [x, y, width, height], not 'centre'",
        ),
        (
            "sources: [{path: x, crop: [0, 0, 1]}]",
            "sources, first entry, crop",
            "must be center, squash, letterbox, tiles",
        ),
        ("sources: [{path: x, crop: [0, 0, true, 1]}]", "sources, first entry, crop", "not [0, 0, True, 1]"),
        (
            "sources: [{path: x, crop: [0.5, 0, 0.6, 1]}]",
            "sources, first entry, crop",
            "reaches out of the frame",
        ),
        (
            "sources: [{path: x, crop: [0, 0.01, 1, 0.995]}]",
            "sources, first entry, crop",
            "reaches out of the frame",
        ),
        (
            "sources: [{path: x, crop: [0, -0.1, 0.6, 1]}]",
            "sources, first entry, crop",
            "reaches out of the frame",
        ),
        (
            "sources: [{path: x, crop: [0, 0, .nan, 1]}]",
            "sources, first entry, crop",
            "a width and a height above 0",
        ),
        (
            "sources: [{path: x, crop: [0, 0, 1, 0]}]",
            "sources, first entry, crop",
            "a width and a height above 0",
        ),
        (
            "sources: [{path: x, recursive: 1}]",
            "sources, first entry, recursive",
            "must be true or false, not 1",
        ),
        ("sources: [{path: x, name: a/b}]", "sources, first entry, name", "not 'a/b'"),
        (
            "sources: [{path: x, path_pattern: '[0-9]+'}]",
            "sources, first entry, path_pattern",
            "has no named group",
        ),
        (
            "sources: [{path: x, path_pattern: '(?P<in>x)'}]",
            "sources, first entry, path_pattern",
            "cannot be called 'in'",
        ),
        (
            "sources: [{path: x, timezone: Asia/Shangai}]",
            "sources, first entry, timezone",
            "mean 'Asia/Shanghai'?",
        ),
        ("sources: [{path: x, timezone: 8}]", "sources, first entry, timezone", "must be text, not 8"),
        (
            "sources: [~no-such-user/x]",
            "sources, first entry, path",
            "~no-such-user/x: there is no such user",
        ),
        (r'sources: ["a\0b"]', "sources, first entry, path", "NUL"),
        ("sources: [{path: a, name: x}, {path: b, name: x}]", "sources", "two sources have the name 'x'"),
        ("sources: [/x, /y/../x/]", "sources", "two sources have the path '/x'"),
        ("engine: {backend: tensorflow}", "engine.backend", "'onnx', 'torch' or 'fake', not 'tensorflow'"),
        ("decode: {threads: 0}", "decode.threads", "must be 'auto', not 0"),
        ("log_level: loud", "log_level", "'debug', 'info', 'warning' or 'error', not 'loud'"),
        ("rescan: 0", "rescan", "must be greater than or equal to 1, not 0"),
        ("database: 5", "database", "must be text, not 5"),
        ("1: x", "1", "must be text to be a key"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_expected(file: Path, text: str, key: str, words: str) -> None:
    said = complaint(file, text)
    assert said.startswith(f"{file}: {key}: ")
    assert words in said


@pytest.mark.parametrize("pattern", ["", "/raw/**", "raw/", "./raw", "../other/*.png", "a//b"])
@pytest.mark.parametrize("key", ["include", "exclude"])
def test_a_pattern_that_could_never_match_is_refused(file: Path, key: str, pattern: str) -> None:
    said = complaint(file, f"sources: [{{path: x, {key}: ['*.png', '{pattern}']}}]")
    assert (
        f"sources, first entry, {key}, second entry: {pattern!r} must be relative to the source's folder"
        in said
    )


def test_every_wrong_key_is_named_at_once(file: Path) -> None:
    said = complaint(file, "{rescan: 0, model: {top_k: 0}, colour: red}")
    assert all(key in said for key in ("rescan: ", "model.top_k: ", "colour: "))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TAGGER_MODEL__TOPK": "3"}, "model.topk: no such key; did you mean 'top_k'?"),
        ({"TAGGER_MODEL__TOP_K": "three"}, "model.top_k: must be a whole number, not 'three'"),
        ({"TAGGER_SOURCES": "[a"}, "TAGGER_SOURCES: is not a YAML value"),
        ({"TAGGER_MODEL": "x", "TAGGER_MODEL__TOP_K": "3"}, "TAGGER_MODEL__TOP_K: 'model' has been given"),
    ],
)
def test_a_wrong_variable_is_refused_like_a_wrong_key(
    file: Path, environ: dict[str, str], words: str
) -> None:
    assert words in complaint(file, "", environ)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"sources: [", "is not YAML"),
        (b"a: b: c", "is not YAML"),
        (b"\xff\xfe", "cannot be read"),
        (b"- a\n- b\n", "must hold keys such as 'sources:'"),
        (b"!!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_file_that_is_no_config_is_refused(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f"{file}: {words}")):
        load(file, environ={})


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{file}: no such file")):
        load(file, environ={})


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, environ={})


# The annotated config


def leaves(
    model: type[BaseModel], data: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, its default, the value given) of every key; a section's own keys in its place."""
    for key, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        given = data.get(key, "missing from the file")
        if isinstance(default, BaseModel):
            yield from leaves(type(default), given, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", default, given


def test_the_annotated_config_names_every_key_with_its_default() -> None:
    data = yaml.safe_load(uncommented(ANNOTATED.read_text()))
    [source] = data["sources"]
    keys = [*leaves(Settings, data), *leaves(Source, {**source}, "sources.")]
    example = {
        "database": "../tags.db",
        "sources": [source],
        "sources.path": "../inbox",
    }
    expected = {key: example.get(key, list(value) if value == () else value) for key, value, _ in keys}
    assert {key: given for key, _, given in keys} == expected


def test_the_annotated_config_leaves_all_to_the_defaults_but_the_folder_and_the_database() -> None:
    data = yaml.safe_load(ANNOTATED.read_text())
    assert {key: value for key, value in data.items() if value is not None} == {
        "database": "../tags.db",
        "sources": [{"path": "../inbox"}],
    }


def test_any_key_of_the_annotated_config_can_be_set_by_taking_one_character_away(tmp_path: Path) -> None:
    lines = ANNOTATED.read_text().splitlines()
    left_out = [index for index, line in enumerate(lines) if re.match(r" *#\w+:", line)]
    for index in left_out:
        changed = [*lines[:index], lines[index].replace("#", "", 1), *lines[index + 1 :]]
        (tmp_path / "tagger.yaml").write_text("\n".join(changed))
        load(tmp_path / "tagger.yaml", environ={})
    assert len(left_out) > 50


def test_the_annotated_config_explains_every_key() -> None:
    lines = uncommented(ANNOTATED.read_text()).splitlines()
    keys = {index: line for index, line in enumerate(lines) if re.match(r"[ -]*\w+:( |$)", line)}
    sections = {"model:", "search:", "engine:", "decode:", "batch:", "limits:", "health:", "web:"}
    unexplained = [
        line
        for index, line in keys.items()
        if "#" not in line + lines[index - 1].lstrip()[:1] and line not in sections
    ]
    assert unexplained == []


def test_the_annotated_config_is_right_as_it_stands() -> None:
    settings = load(ANNOTATED, environ={})
    root = ANNOTATED.parents[1]
    assert settings.database == str(root / "tags.db")
    assert starts(settings) == {str(root / "inbox"): "inbox"}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("model: {name: resnet18}", ["model.name"]),
        ("model: {name: resnet18, weights: own.pth}", []),  # which must be named then
        ("model: {name: resnet50}\nfeatures: true\nsearch: {min_score: 0.5}", []),
        ("features: false\nsearch: {min_score: 0.3}", ["search.min_score", "features"]),
        ("model:\nsearch:", []),
        ("", []),
    ],
)
def test_old_defaults_that_are_written_out_are_known(file: Path, text: str, keys: list[str]) -> None:
    assert [one.key for one in read(file, text).pinned] == keys
