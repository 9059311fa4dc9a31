"""`tagger label`: what people say of a picture's tags."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import ConfigError
from tagger.wording.plural import counted


def label(
    files: Annotated[list[Path], typer.Argument(help="Pictures that were tagged.", show_default=False)],
    add: Annotated[
        list[str] | None,
        typer.Option(
            "--add", metavar="NAME", help="It shows this: the tag's score is 1.", show_default=False
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="NAME", help="It does not show this.", show_default=False),
    ] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option("--clear", metavar="NAME", help="Take back what was said of this.", show_default=False),
    ] = None,
    config: Config = None,
    database: Database = None,
) -> None:
    """Correct the tags of pictures, for good: no retagging and no other model changes what was said.

    It holds for all copies of a picture, wherever they are.
    """
    said = [*(add or ()), *(remove or ()), *(clear or ())]
    if not said:
        raise ConfigError("tagger label", "what is right?", "say --add NAME, --remove NAME or --clear NAME")
    for name in said:
        if said.count(name) > 1:
            raise ConfigError(name, "is named more than once", "say one thing of each label")
    settings = load_settings(config, database)
    from datetime import UTC, datetime

    from tagger.store.core.database import Database as Store
    from tagger.store.tags.corrections import Correction, apply

    paths = [os.path.abspath(file) for file in files]
    with closing(Store.open(settings.database, create=False)) as store:
        count = apply(store, paths, Correction(add or (), remove or (), clear or ()), datetime.now(UTC))
    say(_changed(len(set(paths)), count))


def _changed(named: int, files: int) -> str:
    """Return in words what has changed: `files` are the pictures that were `named` and all their copies."""
    copies = files - named
    if copies <= 0:
        return f"{counted(files, 'picture')} {'has' if files == 1 else 'have'} other tags now"
    its = "its copy" if copies == 1 else f"its {copies:,} copies"
    others = its if named == 1 else f"{copies:,} {'copy' if copies == 1 else 'copies'}"
    return f"{counted(named, 'picture')} and {others} have other tags now"
