"""What every section of the config is made of: strict, frozen, without keys that Tagger does not know."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

# To look for plugins, pydantic reads the metadata of every package installed: time that each command would pay.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

Auto = Literal["auto"]


def below(folder: Path, path: Path) -> Path:
    """Return a path, relative to a folder, without `..` in it. Path.resolve would follow links."""
    return Path(os.path.normpath(folder / path))


def without_nul(value: str) -> str:
    """Return the text as it is. Raises ValueError where it holds a NUL character, which no path and no host may."""
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def absolute(value: str | Path, info: ValidationInfo) -> Path:
    """Return a path as the user meant it: `~` expanded, relative to the config file, links left alone."""
    without_nul(str(value))
    try:
        return below((info.context or {}).get("base", Path.cwd()), Path(value).expanduser())
    except RuntimeError:
        raise ValueError(f"{value}: there is no such user") from None


# Nothing is converted, so that `settle: true` is no second; YAML has no paths, though.
AbsolutePath = Annotated[Path, Field(strict=False), AfterValidator(absolute)]


class Section(BaseModel):
    """Some keys of the config. A key that is not known is refused, and a value of another type, which is never converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _of_nothing(cls, value: Any) -> Any:
        """Return no keys for null, which a section is in YAML whose keys are all left out."""
        return {} if value is None else value
