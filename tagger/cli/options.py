"""Every command takes these two options, which lead to its settings."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.errors import ConfigError

if TYPE_CHECKING:
    from tagger.config.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="TAGGER_CONFIG",
        readable=False,  # is judged with all else that may be wrong with it
        help="The config file. Default: ~/.config/tagger/config.yaml, where there is one.",
        show_default=False,
    ),
]
Database = Annotated[
    str | None,
    typer.Option("--database", help="The database: a path or a SQLAlchemy URL.", show_default=False),
]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders to work on. Default: the config file's sources.", show_default=False),
]


def load_settings(
    config: Path | None, database: str | None, folders: Iterable[Path] | None = ()
) -> "Settings":
    """Return this run's Settings. Raises ConfigError where they are wrong, or a folder is not there."""
    # Imported here: pydantic costs a tenth of a second, which --help need not pay.
    from tagger.config.folders import default_config
    from tagger.config.load import load

    _refuse_no_folder(folders or ())
    return load(config or default_config(), folders or (), database)


def _refuse_no_folder(folders: Iterable[Path]) -> None:
    """Raise ConfigError for a folder just typed that is not there, which is a slip; one in the config may come later."""
    for folder in folders:
        if folder.is_file():
            raise ConfigError(str(folder), "is a file", "tagger tag FILE prints a picture's tags")
        if not folder.is_dir():
            raise ConfigError(str(folder), "no such folder", "make it first, or check the name")
