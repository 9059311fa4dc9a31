"""`sources`: the folders to watch, how their pictures are cropped, and what they are called."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from tagger.config import path_rules
from tagger.config.heads import Heads
from tagger.config.section import AbsolutePath, Section
from tagger.host.beneath import Reach
from tagger.wording.unicode_forms import composed

Mode = Literal["center", "squash", "letterbox", "tiles"]
Box = Annotated[tuple[float, float, float, float], Field(strict=False)]
Crop = Mode | Box
"""How a frame that is no square becomes one; a box is x, y, width and height, as parts of the frame."""

_EDGE = 1.0015
"""Where the far edge of a box may lie: its corner and size in thousandths, both rounded up, come to 1.001."""


def _crop(value: Any) -> Any:
    """Return the crop, checked here as a whole: what pydantic says of a union speaks of each of its members."""
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


def _pattern(value: str) -> str:
    if not {"", ".", ".."}.isdisjoint(value.split("/")):
        raise ValueError(f"{value!r} must be relative to the source's folder, such as '*.png' or 'raw/**'")
    return value


def _marker(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or "\0" in value:
        raise ValueError(f"{value!r} must be the name of a file, such as '.nomedia'")
    return value


def _path_pattern(value: str) -> str:
    for form in {value, composed(value)} - {""}:
        path_rules.compiled(form)
    return value


def _timezone(value: str) -> str:
    return path_rules.checked_timezone(value) if value else ""


# Nothing is converted elsewhere; YAML has no tuples, though.
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], Field(strict=False)]
MarkerNames = Annotated[tuple[Annotated[str, AfterValidator(_marker)], ...], Field(strict=False)]


class Source(Section):
    """A folder to watch. `start` is where the work begins: the folder, or one inside it that was asked for."""

    path: AbsolutePath
    name: str = Field(default="", pattern=r"^[^\x00-\x1f/]*$")
    recursive: bool = True
    include: Patterns = ()
    exclude: Patterns = ()
    markers: MarkerNames = ()
    follow_links: Annotated[tuple[AbsolutePath, ...], Field(strict=False)] = ()
    settle: float = Field(default=0.5, ge=0, le=3600)
    crop: Annotated[Crop, BeforeValidator(_crop)] = "center"
    path_pattern: Annotated[str, AfterValidator(_path_pattern)] = ""
    timezone: Annotated[str, AfterValidator(_timezone)] = ""
    keep_days: int = Field(default=0, ge=0, le=36500)
    heads: Heads | None = None
    _start: Path | None = PrivateAttr(None)
    _named_by_user: bool = PrivateAttr(True)

    @property
    def start(self) -> Path:
        return self._start or self.path

    @property
    def reach(self) -> Reach:
        """What may be opened for it: its folder, and what links there lead to below `follow_links`."""
        return Reach(str(self.path), tuple(map(str, self.follow_links)))

    @property
    def named_by_user(self) -> bool:
        return self._named_by_user

    def called(self, name: str) -> "Source":
        """Return the source under a name that we made up."""
        renamed = self.model_copy(update={"name": name})
        renamed._named_by_user = False
        return renamed

    def within(self, folder: Path) -> "Source":
        """Return the source, limited to a folder inside it."""
        if folder == self.path:
            return self
        limited = self.model_copy()
        limited._start = folder
        return limited

    @model_validator(mode="before")
    @classmethod
    def _from_folder(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | Path) else value


def links_by_folder(sources: Iterable[Source]) -> Mapping[str, tuple[str, ...]]:
    """Return the roots of `follow_links` of each source, by its folder."""
    return {source.reach.folder: source.reach.roots for source in sources}


def refuse_repeats(sources: Iterable[Source]) -> None:
    """Raises ValueError where two sources have one name or one folder."""
    sources = tuple(sources)
    _refuse_repeats("name", [source.name for source in sources if source.name])
    _refuse_repeats("path", [str(source.path) for source in sources])


def _refuse_repeats(key: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"two sources have the {key} {value!r}; each needs its own")


def named(
    sources: Iterable[Source], taken: Iterable[str] = (), known: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Source]:
    """Yield the sources; one that nobody named takes its folder's name, with a number where that is taken.

    `known` are names by folder, which come first.
    """
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


def limited(sources: Iterable[Source], folders: Iterable[Path]) -> tuple[Source, ...]:
    """Return the sources whose files lie in the folders, each limited to them, with a name each."""
    sources = tuple(sources)
    chosen = dict.fromkeys(source for folder in folders for source in _under(folder, sources))
    return tuple(named(chosen, [source.name for source in sources]))


def _under(folder: Path, sources: tuple[Source, ...]) -> Iterator[Source]:
    """Yield the innermost source around a folder, or a new one, and those inside it."""
    around = [source for source in sources if folder.is_relative_to(source.path)]
    inner = max(around, key=lambda source: len(source.path.parts), default=Source(path=folder))
    yield inner.within(folder)
    yield from (source for source in sources if folder in source.path.parents)
