"""The config: YAML → frozen settings. Every default lives here and nowhere else.

Three layers, the later ones win: the file, `TAGGER_…` variables, the command line. pydantic checks
the sum of them once, so that a value is judged the same wherever it came from.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

import platformdirs
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tagger.config import defaults, documents, path_rules
from tagger.config.explain import explain
from tagger.errors import ConfigError
from tagger.host import regular

# To look for plugins, pydantic reads the metadata of every package installed: time that each command would pay.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

PREFIX = "TAGGER_"
NOT_SETTINGS = {"TAGGER_CONFIG", "TAGGER_FAILPOINTS", "TAGGER_PHOTOS", "TAGGER_SETS"}
"""Variables of ours that are no keys: where the config is, what tests let fail, where they find photos and labelled sets."""


MACHINES = Path("/etc/tagger/config.yaml")
"""The config of a service that `tagger service install` has installed."""

SHORTEST_TOKEN = 16
"""Characters: of random ones, nobody guesses so many."""
_LARGEST_TOKEN = 4096
_MAKE_ONE = "`openssl rand -hex 16` makes one"
_FILL_IT = "put the token into it; where there is no such file, the start of `tagger run` makes one"


def _is_loopback(host: str) -> bool:
    import ipaddress  # here, because few ask, and it takes its time

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _absolute(value: str | Path, info: ValidationInfo) -> Path:
    """A path as the user meant it: `~` expanded, relative to the config file, links left alone."""
    _without_nul(str(value))
    try:
        return _below((info.context or {}).get("base", Path.cwd()), Path(value).expanduser())
    except RuntimeError:
        raise ValueError(f"{value}: there is no such user") from None


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def _below(folder: Path, path: Path) -> Path:
    # Not Path.resolve, which follows links.
    return Path(os.path.normpath(folder / path))


def _pattern(value: str) -> str:
    if not {"", ".", ".."}.isdisjoint(value.split("/")):
        raise ValueError(f"{value!r} must be relative to the source's folder, such as '*.png' or 'raw/**'")
    return value


_EDGE = 1.0015
"""Where the far edge of a box may lie: its corner and size in thousandths, both rounded up, come to 1.001."""


def _crop(value: Any) -> Any:
    """Judged here as a whole: what pydantic says of a union speaks of each of its members."""
    if isinstance(value, str) and value in get_args(Mode):
        return value
    if not (isinstance(value, list | tuple) and len(value) == 4 and {type(n) for n in value} <= {int, float}):
        words = ", ".join(get_args(Mode))
        raise ValueError(f"must be {words} or a box [x, y, width, height], not {value!r}")
    x, y, width, height = value
    if not (width > 0 and height > 0):
        raise ValueError(f"{value!r}: a box needs a width and a height above 0")
    if not (x >= 0 and y >= 0 and x + width <= _EDGE and y + height <= _EDGE):
        raise ValueError(f"{value!r} reaches out of the frame, which goes from 0 to 1 in both directions")
    return value


def _path_pattern(value: str) -> str:
    if value:
        path_rules.compiled(value)
    return value


def _timezone(value: str) -> str:
    return path_rules.judge_timezone(value) if value else ""


def _database(value: str, info: ValidationInfo) -> str:
    return _without_nul(value) if "://" in value else str(_absolute(value, info))


# Nothing is converted, so that `settle: true` is no second; YAML has neither paths nor tuples, though.
AbsolutePath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(strict=False)]


Auto = Literal["auto"]


Mode = Literal["center", "squash", "letterbox", "tiles"]
Box = Annotated[tuple[float, float, float, float], Field(strict=False)]
Crop = Mode | Box
"""How a frame that is no square becomes one; a box is x, y, width and height, as parts of the frame."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _of_nothing(cls, value: Any) -> Any:
        """A section whose keys are all left out is null in YAML."""
        return {} if value is None else value


class Source(Section):
    """A folder to watch. `start` is where the work begins: the folder, or one inside it that was asked for."""

    path: AbsolutePath
    name: str = Field(default="", pattern=r"^[^\x00-\x1f/]*$")
    recursive: bool = True
    include: Patterns = ()
    exclude: Patterns = ()
    settle: float = Field(default=0.5, ge=0, le=3600)
    crop: Annotated[Crop, BeforeValidator(_crop)] = "center"
    path_pattern: Annotated[str, AfterValidator(_path_pattern)] = ""
    timezone: Annotated[str, AfterValidator(_timezone)] = ""
    keep_days: int = Field(default=0, ge=0, le=36500)
    _start: Path | None = PrivateAttr(None)
    _named_by_user: bool = PrivateAttr(True)

    @property
    def start(self) -> Path:
        return self._start or self.path

    def called(self, name: str) -> "Source":
        """The source, under a name that we made up."""
        renamed = self.model_copy(update={"name": name})
        renamed._named_by_user = False
        return renamed

    def within(self, folder: Path) -> "Source":
        """The source, limited to a folder inside it."""
        if folder == self.path:
            return self
        limited = self.model_copy()
        limited._start = folder
        return limited

    @model_validator(mode="before")
    @classmethod
    def _from_folder(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | Path) else value


class Model(Section):
    name: str = "auto"
    weights: str = "auto"
    top_k: int = Field(default=5, ge=1, le=100)

    @field_validator("weights")
    @classmethod
    def _weights(cls, value: str, info: ValidationInfo) -> str:
        return value if value == "auto" else str(_absolute(value, info))

    @model_validator(mode="after")
    def _own_weights_are_of_something(self) -> "Model":
        if self.weights != "auto" and self.name in ("auto", "builtin"):
            raise ValueError(
                f"weights: names a file, so model.name must name its architecture, such as resnet18; it is {self.name}"
            )
        return self


class Engine(Section):
    backend: Literal["auto", "openvino", "onnx", "torch", "fake"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"


class Decode(Section):
    mode: Literal["exact", "fast"] = "fast"
    threads: Auto | Annotated[int, Field(ge=1, le=256)] = "auto"
    max_pixels: int = Field(default=100_000_000, ge=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    max_frames: int = Field(default=10_000, ge=1)
    max_memory: int = Field(default=750_000_000, ge=1)
    deadline: float = Field(default=60, ge=1, le=3600)

    @model_validator(mode="before")
    @classmethod
    def _from_mode(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value


class Batch(Section):
    max_size: Auto | Annotated[int, Field(ge=1, le=1024)] = "auto"
    max_wait_ms: Auto | Annotated[float, Field(ge=0, le=1000)] = "auto"


class Limits(Section):
    cores: Auto | Annotated[int, Field(ge=1, le=1024)] = "auto"
    nice: int = Field(default=0, ge=0, le=19)
    rate: float = Field(default=0, ge=0, le=1_000_000)


class Search(Section):
    min_score: float = Field(default=0.4, ge=0, le=1)


class Health(Section):
    pictures: int = Field(default=5, ge=3, le=100)
    black: float = Field(default=0.05, ge=0, le=1)
    blurred: float = Field(default=0.1, ge=0, le=1)
    colourless: float = Field(default=4, ge=0)
    night: float = Field(default=0.4, ge=0, le=1)
    silent_after: float = Field(default=3600, ge=1)
    silent_factor: float = Field(default=1.5, ge=1)


class Conditions(Section):
    night: float = Field(default=0.27, ge=0, le=1)
    infrared: float = Field(default=0.4, ge=0, le=1)
    dark: float = Field(default=0.15, ge=0, le=1)
    blurred: float = Field(default=0.1, ge=0, le=1)
    colourless: float = Field(default=4, ge=0)
    flat: float = Field(default=0.35, ge=0, le=1)
    indoor: float = Field(default=0.4, ge=0, le=1)
    outdoor: float = Field(default=0.6, ge=0, le=1)

    @model_validator(mode="after")
    def _apart(self) -> "Conditions":
        if self.indoor > self.outdoor:
            raise ValueError(
                f"indoor: {self.indoor} is above outdoor, {self.outdoor}: a picture would be both"
            )
        return self


class Sessions(Section):
    distance: int = Field(default=14, ge=0, le=64)
    gap: float = Field(default=3600, ge=0)


class Web(Section):
    enabled: bool = False
    host: Annotated[str, AfterValidator(_without_nul)] = "127.0.0.1"
    port: int = Field(default=5000, ge=0, le=65535)
    token: str = ""
    token_file: AbsolutePath | None = None
    max_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    rate: float = Field(default=0, ge=0)

    @property
    def is_local(self) -> bool:
        """Whether it can be reached from this machine alone."""
        return _is_loopback(self.host)

    @property
    def secret(self) -> str:
        """The token, from wherever it is; empty where none is needed. Raises ConfigError."""
        if self.token or self.token_file is None:
            return self.token
        try:
            secret = regular.text(self.token_file, _LARGEST_TOKEN).strip()
        except OSError as error:
            what = f"cannot be read: {self.token_file}: {error.strerror or error}"
            raise ConfigError("web.token_file", what, _FILL_IT) from None
        if len(secret) < SHORTEST_TOKEN:
            raise ConfigError("web.token_file", f"holds fewer than {SHORTEST_TOKEN} characters", _MAKE_ONE)
        return secret

    @model_validator(mode="after")
    def _guarded(self) -> "Web":
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise ValueError(f"token: has fewer than {SHORTEST_TOKEN} characters; {_MAKE_ONE}")
        if not (self.token or self.token_file) and not _is_loopback(self.host):
            raise ValueError(
                f"host: {self.host} can be reached from elsewhere, so a token is needed; {_MAKE_ONE}"
            )
        return self


class Settings(Section):
    """Everything a run depends on. Raises pydantic's ValidationError; `load` turns it into words."""

    database: Annotated[str, AfterValidator(_database)] = Field(
        default_factory=lambda: str(data_home() / "tags.db")
    )
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = ()
    model: Model = Model()
    categories: AbsolutePath | None = None
    search: Search = Search()
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    keep_old_models: bool = False
    features: bool = True
    engine: Engine = Engine()
    decode: Decode = Decode()
    batch: Batch = Batch()
    limits: Limits = Limits()
    health: Health = Health()
    conditions: Conditions = Conditions()
    sessions: Sessions = Sessions()
    web: Web = Web()
    rescan: float = Field(default=300, ge=1, le=86400 * 7)
    poll: float = Field(default=10, ge=1, le=86400)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Auto | Literal["text", "json"] = "auto"
    _pinned: tuple[defaults.Pinned, ...] = PrivateAttr(())

    @property
    def pinned(self) -> tuple[defaults.Pinned, ...]:
        """Keys that were written out with a default of an earlier release."""
        return self._pinned

    def _needs(self, key: str) -> bool:
        """Whether a key must be written out: of weights in a file, nothing else tells the architecture."""
        return key == "model.name" and self.model.weights != "auto"

    @field_validator("sources")
    @classmethod
    def _distinct(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        _refuse_repeats("name", [source.name for source in sources if source.name])
        _refuse_repeats("path", [str(source.path) for source in sources])
        return tuple(_named(sources))

    def with_names(self, known: Mapping[str, str]) -> "Settings":
        """The same, with the names that a database knows: `known` is its sources' roots → names.

        A source that the user did not name keeps the name its folder has there, and takes no other's.
        """
        nameless = [source if source._named_by_user else source.called("") for source in self.sources]
        return self.model_copy(update={"sources": tuple(_named(nameless, known.values(), known))})


def _refuse_repeats(key: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"two sources have the {key} {value!r}; each needs its own")


def _named(
    sources: Iterable[Source], taken: Iterable[str] = (), known: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Source]:
    """Sources that nobody named take their folder's name, with a number where that is taken."""
    sources = tuple(sources)
    names = {*taken, *(source.name for source in sources)}
    for source in sources:
        if not source.name:
            source = source.called(known.get(str(source.path)) or _free_name(source.path, names))
            names.add(source.name)
        yield source


def _free_name(folder: Path, taken: set[str]) -> str:
    stem, number = folder.name or "root", 1
    name = stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def data_home() -> Path:
    """Where Tagger keeps what it makes: systemd's state directory, else the XDG data directory."""
    state = os.environ.get("STATE_DIRECTORY")
    return Path(state.split(":")[0]) if state else platformdirs.user_data_path("tagger")


def cache_home() -> Path:
    """Where Tagger keeps what it can make again: systemd's cache directory, else the XDG cache directory."""
    cache = os.environ.get("CACHE_DIRECTORY")
    return Path(cache.split(":")[0]) if cache else platformdirs.user_cache_path("tagger")


def default_config() -> Path | None:
    """The user's own config file, if there is one; else that of this machine's service, for those who may read it."""
    path = platformdirs.user_config_path("tagger") / "config.yaml"
    if path.exists():
        return path
    return MACHINES if os.access(MACHINES, os.R_OK) else None


def load(
    file: Path | None = None,
    folders: Iterable[Path] = (),
    database: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings of this run. Raises ConfigError, which names each wrong key.

    `folders` take the place of the configured sources; one inside a configured source keeps
    that source's settings, and sources inside a folder keep theirs.
    """
    written, variables = _read(file) if file else {}, _overrides(environ)
    data = _overlay(written, variables)
    if database is not None:
        data["database"] = database if "://" in database else str(_below(Path.cwd(), Path(database)))
    base = file.absolute().parent if file else Path.cwd()
    try:
        settings = Settings.model_validate(data, context={"base": base})
        found = defaults.pinned(written, str(file), variables, PREFIX, Settings())
        settings._pinned = tuple(one for one in found if not settings._needs(one.key))
        return _limited(settings, [_below(Path.cwd(), folder) for folder in folders])
    except ValidationError as error:
        raise ConfigError(str(file or "config"), explain(error, Settings), _see(file)) from None


def environment(settings: Settings) -> dict[str, str]:
    """Variables that bring another process to the same tags: what it makes of a picture, not where it finds one."""
    crops = {str(source.path): source.crop for source in settings.sources if source.crop != "center"}
    cropped = [{"path": path, "crop": crop} for path, crop in crops.items()]
    return {f"{PREFIX}SOURCES": yaml.safe_dump(cropped, default_flow_style=True)} | {
        f"{PREFIX}{section}__{key}".upper(): json.dumps(value)
        for section in ("model", "engine", "decode", "batch", "limits")
        for key, value in getattr(settings, section).model_dump().items()
    }


def _limited(settings: Settings, folders: list[Path]) -> Settings:
    if not folders:
        return settings
    chosen = dict.fromkeys(source for folder in folders for source in _under(folder, settings.sources))
    others = [source.name for source in settings.sources]
    return settings.model_copy(update={"sources": tuple(_named(chosen, others))})


def _under(folder: Path, sources: Iterable[Source]) -> Iterator[Source]:
    """Whose files lie in a folder: the innermost source around it, or a new one, and those inside it."""
    around = [source for source in sources if folder.is_relative_to(source.path)]
    inner = max(around, key=lambda source: len(source.path.parts), default=Source(path=folder))
    yield inner.within(folder)
    yield from (source for source in sources if folder in source.path.parents)


def _read(file: Path) -> dict[str, Any]:
    if file == Path(os.devnull):  # as whoever wants none says it
        return {}
    try:
        data = documents.read(regular.text(file, documents.LARGEST))
    except FileNotFoundError:
        raise ConfigError(str(file), "no such file", "name another with --config") from None
    except PermissionError:
        hint = "`ls -l` says who may: a service's is for its group, so join that and log in anew, or name another with --config"
        raise ConfigError(str(file), "you may not read it", hint) from None
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror or error}", _see(file)) from None
    except documents.NotYamlError as error:
        raise ConfigError(str(file), f"is not YAML: {error.what}", error.hint) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(str(file), "must hold keys such as 'sources:'", _see(file))
    return data


def _overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """`TAGGER_MODEL__TOP_K=3` → `{"model": {"top_k": 3}}`; values are read as YAML."""
    found: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        *sections, key = variable.removeprefix(PREFIX).lower().split("__")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(
                    variable, f"{section!r} has been given a value of its own", "unset one of the two"
                )
        place[key] = _value(variable, environ[variable])
    return found


def _value(variable: str, text: str) -> Any:
    try:
        return documents.read(text)
    except documents.NotYamlError as error:
        raise ConfigError(variable, f"is not a YAML value: {error.what}", "quote it") from None


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` wins; sections are merged key by key, lists are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _overlay(under, value) if both else value  # type: ignore[arg-type]
    return merged


def _see(file: Path | None) -> str:
    return "config/tagger.yaml in the project explains every key" if file else ""
