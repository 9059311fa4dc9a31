"""`tagger prune` forgets files that are gone.

Where a source's folder may not be the one that it was, its files may be there all the same, on a disk that is not mounted: then
only who says `--yes` has them forgotten.
"""

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import ConfigError
from tagger.wording.plural import counted

if TYPE_CHECKING:
    from datetime import datetime

    from tagger.store.core.database import Database as Store
    from tagger.store.queue.forget import Missing


def prune(
    missing_for: Annotated[
        str, typer.Option(help="Only files missing for so long (30m, 2h, 7d), or since before an ISO time.")
    ] = "0s",
    old_models: Annotated[
        bool, typer.Option("--old-models", help="Forget the tags of earlier models instead of missing files.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Also in folders that are empty, on another disk than before, or have lost most files.",
        ),
    ] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Forget the files that are missing, with their tags. Nothing but the database is touched."""
    settings = load_settings(config, database)
    before, kept = _moment(missing_for), False
    from tagger.store.core.database import Database as Store
    from tagger.store.queue import forget

    with closing(Store.open(settings.database, create=False)) as store:
        if old_models:
            count = forget.prune_old_tags(store)
            say(f"{counted(count, 'tag')} of earlier models forgotten")
        else:
            kept = _prune(store, before, yes)
        if room := store.compact():
            say(f"{room / 1e6:,.1f} MB given back")
    if kept:
        raise typer.Exit(1)


def _prune(store: "Store", before: "datetime", yes: bool) -> bool:
    """Forget what may be forgotten. Return whether anything was kept that only `--yes` would have forgotten."""
    from tagger.store.queue import forget

    found = forget.missing(store, before)
    doubts = {one.source: one.doubt for one in found}
    if yes:
        _believe(store, found)
    sure = [one.source for one in found if yes or not doubts[one.source]]
    count, files = forget.prune(store, before, sure), sum(one.files for one in found)
    say(f"{counted(count, 'missing file')} forgotten, of {counted(files, 'file')} known")
    doubtful = [one for one in found if one.old and one.source not in sure]
    for one in doubtful:
        say(
            f"tagger: {one.source}: {one.old:,} of {counted(one.files, 'file')} would be forgotten, but its folder, "
            f"{one.root}, {doubts[one.source]}: none is forgotten; if they are gone for good: tagger prune --yes",
            err=True,
        )
    return bool(doubtful)


def _believe(store: "Store", found: "list[Missing]") -> None:
    """Take the disk on which each folder is now for the one where it belongs."""
    from tagger.host import mounts
    from tagger.store.queue import absence

    for one in found:
        with suppress(OSError):
            now = mounts.volume(one.root)
            if one.volume.is_same(now) is False:
                absence.move_to(store, one.source, now)
                say(
                    f"{one.source}: its place is {now} from now on; the next scans tell what is missing there"
                )


def _moment(text: str) -> "datetime":
    from datetime import UTC, datetime

    from tagger.search.moment import moment

    try:
        return moment(text, datetime.now(UTC))
    except (KeyError, ValueError, OverflowError, OSError):
        hint = "say 30m, 2h or 7d, or an ISO time such as 2026-03-26T13:00"
        raise ConfigError("--missing-for", f"{text!r} is neither a duration nor a time", hint) from None
