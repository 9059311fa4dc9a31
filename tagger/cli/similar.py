"""`tagger similar`: pictures that look like one."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.hits import AsCsv, AsJson, AsLines, AsNul, printer
from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, load_settings
from tagger.errors import ConfigError, TaggerError

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.store.core.database import Database as Store
    from tagger.store.search.features import PictureFeatures


def similar(
    picture: Annotated[
        str,
        typer.Argument(
            metavar="FILE|SEQ",
            help="A file, whether it is in the database or not, or a picture's seq, as views and --json show it.",
            show_default=False,
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most pictures to show.")] = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_lines: AsLines = False,
    as_nul: AsNul = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Show the pictures that look most like one, best first; the score is 1 for the same picture.

    Pictures that were tagged with `features: false` in the config are not found.
    """
    settings = load_settings(config, database)
    from tagger.similar.hits import similar as found
    from tagger.store.core.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        wanted = _features(settings, store, picture)
        printer(as_json, as_csv, as_lines, as_nul)(found(store, wanted, limit))


def _features(settings: "Settings", store: "Store", picture: str) -> "PictureFeatures":
    from tagger.store.search import features

    if picture.isdecimal():
        return features.by_seq(store, int(picture))
    path = os.path.abspath(picture)
    return features.by_path(store, path) or _features_now(settings, path)


def _features_now(settings: "Settings", path: str) -> "PictureFeatures":
    """Return the features of a file of which none are stored: it is looked at now. Raises TaggerError where that fails."""
    if not Path(path).exists():
        raise ConfigError(path, "no such file", "name one that is there, or a seq")
    log_to_stderr("warning", settings.log_format)
    from tagger.records import Failed, Tagged
    from tagger.runtime.single import look
    from tagger.store.search.features import PictureFeatures

    model, outcome = look(settings, Path(path))
    if isinstance(outcome, Tagged) and outcome.features:
        return PictureFeatures(None, outcome.features, model)
    raise TaggerError(path, outcome.reason if isinstance(outcome, Failed) else "cannot be compared")
