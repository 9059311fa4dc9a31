"""`tagger export`: tags for other programs."""

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.cli.query import WhichPictures, read_query
from tagger.errors import ConfigError, TaggerError
from tagger.export.language import Language
from tagger.host import garbage

if TYPE_CHECKING:
    from tagger.export.keywords import Hierarchy
    from tagger.export.sidecars import Beside, Mirror
    from tagger.store.core.database import Database as Store
    from tagger.store.search.pictures import FoundPicture


class ExportFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    XMP = "xmp"


def export(
    words: WhichPictures = None,
    form: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.CSV,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or xmp's folder. Default: csv and ndjson are printed.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        bool, typer.Option("--beside", help="Write xmp sidecars beside the pictures, into your folders.")
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Leave out what scores less. Default: nothing; for xmp, search.min_score.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The most pictures. Default: all.", show_default=False)
    ] = None,
    language: Annotated[
        Language | None,
        typer.Option("--lang", help="Of xmp's keywords. Default: en.", show_default=False),
    ] = None,
    config: Config = None,
    database: Database = None,
) -> None:
    """Write tags for other programs: as csv, ndjson or parquet, or as keywords in xmp sidecars."""
    _refuse_what_does_not_fit(form, output, beside, language)
    settings = load_settings(config, database)
    from tagger.export import selection
    from tagger.store.core.database import Database as Store

    garbage.look_for()  # an XML tree is a circle, and there may be a million
    text, query = read_query(words)
    for_names = settings.search.min_score if min_score is None else min_score
    least = for_names if form is ExportFormat.XMP else min_score or 0
    with closing(Store.open(settings.database, create=False)) as store:
        pictures = selection.pictures(store, query, text, for_names, least, limit, min_score or 0)
        if form is ExportFormat.XMP:
            _write_sidecars(pictures, store, output, language or Language.EN)
        elif output:
            _write_file(pictures, form, output, store)
        else:
            _write_text(pictures, form)


def _refuse_what_does_not_fit(
    form: ExportFormat, output: Path | None, beside: bool, language: Language | None
) -> None:
    if form is ExportFormat.XMP:
        if bool(output) == beside:
            what = "needs --output FOLDER, or --beside to write next to the pictures, and not both"
            raise ConfigError("--format xmp", what)
    elif beside or language:
        raise ConfigError("--beside" if beside else "--lang", "is for --format xmp only")
    elif form is ExportFormat.PARQUET and not output:
        raise ConfigError("--format parquet", "needs --output FILE", "it is not text")


def _write_text(pictures: Iterable["FoundPicture"], form: ExportFormat) -> None:
    from tagger.export import rows

    (rows.write_csv if form is ExportFormat.CSV else rows.write_ndjson)(pictures, sys.stdout)
    sys.stdout.flush()


def _write_file(pictures: Iterable["FoundPicture"], form: ExportFormat, output: Path, store: "Store") -> None:
    from tagger.export import files, parquet, rows

    real = files.target(output)
    if str(real) == store.name:
        raise ConfigError(str(output), "is the database", "name another file")
    if form is ExportFormat.PARQUET:
        parquet.require()
    with files.whole(real, real.stat() if real.exists() else None) as file:
        if form is ExportFormat.PARQUET:
            parquet.write(pictures, file)
            return
        with files.as_text(file) as stream:
            (rows.write_csv if form is ExportFormat.CSV else rows.write_ndjson)(pictures, stream)


def _write_sidecars(
    pictures: Iterable["FoundPicture"], store: "Store", folder: Path | None, language: Language
) -> None:
    from tagger.export.keywords import Hierarchy
    from tagger.export.sidecars import Beside, Mirror

    hierarchy = Hierarchy.read(store, language)
    places = Mirror.read(store, folder) if folder else Beside.read(store)
    ends = Counter(_end(picture, places, hierarchy) for picture in pictures)
    say(", ".join(f"{ends[end]} {end}" for end in ("written", "unchanged", "missing", "failed")))
    raise typer.Exit(1 if ends["failed"] else 0)


def _end(picture: "FoundPicture", places: "Beside | Mirror", hierarchy: "Hierarchy") -> str:
    """Write a picture's sidecar, and return how that ended, in one word. One that fails is no reason to stop."""
    from tagger.export import sidecars

    try:
        sidecar = places.sidecar(picture)
        if sidecar is None:
            return "missing"
        return "written" if sidecars.write(sidecar, hierarchy.keywords(picture)) else "unchanged"
    except TaggerError as error:
        say(f"tagger: {error}", err=True)
        return "failed"
