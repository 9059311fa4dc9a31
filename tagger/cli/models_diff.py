"""`tagger models diff` runs two models on the same pictures, before one switches."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.errors import ConfigError

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.records import Reading
    from tagger.vision.difference import Difference, Shift

MOST = 20
"""Labels of a picture that are compared: as many as any threshold in use lets through, and some."""

Model = Annotated[
    str, typer.Argument(help="A model's name, or NAME:WEIGHTS with a weights file.", show_default=False)
]


def diff(
    before: Model,
    after: Model,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY", help="Which pictures, as for `tagger search`. Default: all.", show_default=False
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many of them, at random.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Run two models on a sample of the pictures in the database, and tell what would change. Nothing is stored."""
    settings = load_settings(config, database)
    files, thresholds = _sample(settings, " ".join(words or ()), sample)
    if not files:
        raise ConfigError(
            "tagger models diff", "no picture to compare them on", "tag some first, or ask for others"
        )
    from tagger.vision.difference import difference

    chosen = [_chosen(settings, model) for model in (before, after)]
    said = [_read(one, files) for one in chosen]
    both = [file for file in files if all(file in one for one in said)]
    first, second = ([one[file] for file in both] for one in said)
    found = difference(first, second, lambda name: thresholds.get(name, settings.search.min_score))
    if as_json:
        say(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        _print(before, after, found)


def _sample(settings: "Settings", text: str, most: int) -> tuple[list[Path], dict[str, float]]:
    """Return some pictures that the query finds and that are still there, the same ones each time; and the thresholds."""
    import random
    from datetime import UTC, datetime

    from tagger.search.parse import parse
    from tagger.store.core import registry
    from tagger.store.core.database import Database as Store
    from tagger.store.queue import queries
    from tagger.store.search import found
    from tagger.store.search.pictures import pictures

    query = parse(text, datetime.now(UTC))
    with closing(Store.open(settings.database, create=False)) as store:
        ids = list(found.ids(store, query, text, settings.search.min_score))
        random.Random(0).shuffle(ids)  # noqa: S311
        roots = {name: root for root, name in queries.roots(store).items()}
        with store.read() as connection:
            some = pictures(connection, ids[: 2 * most])
            there = [Path(one.path) for one in some if _is_there(roots.get(one.source, "/"), one.path)]
            return there[:most], registry.thresholds(connection)


def _is_there(root: str, path: str) -> bool:
    """Return whether it is a file still, with no link on its way."""
    import stat

    from tagger.host import beneath

    try:
        return stat.S_ISREG(beneath.stat(root, path).st_mode)
    except OSError:
        return False


def _chosen(settings: "Settings", model: str) -> "Settings":
    """Return the settings with that model. Raises ModelError where it is not here, before either has been run."""
    from tagger.config.folders import data_home
    from tagger.config.tagging import ModelSettings
    from tagger.vision.weights import resolve

    name, _, weights = model.partition(":")
    path = str(Path(weights).absolute()) if weights else "auto"
    chosen = ModelSettings(name=name, weights=path, top_k=MOST)
    resolve(chosen, data_home())
    return settings.model_copy(update={"model": chosen})


def _read(settings: "Settings", files: Sequence[Path]) -> dict[Path, "Reading"]:
    from tagger.records import Tagged
    from tagger.runtime.single import tags_of

    say(f"reading {len(files)} pictures with {settings.model.name}", err=True)
    _, _, outcomes = tags_of(settings, files)
    return {file: outcome.reading for file, outcome in outcomes if isinstance(outcome, Tagged)}


def _print(before: str, after: str, found: "Difference") -> None:
    overlap = "" if found.overlap is None else f"; {found.overlap:.1%} of the labels that a search finds stay"
    say(f"{found.pictures} pictures: the same best label on {found.same_top:.1%}{overlap}")
    for what, shifts in (("label", found.labels), ("category", found.categories)):
        if shifts:
            say(f"\n{what:30}{'before':>8}{'after':>8}{'gains':>8}{'loses':>8}")
            for line in _lines(shifts):
                say(line)
    if found.labels or found.categories:
        say(f"\npictures that a search finds with {before} (before) and with {after} (after)")


def _lines(shifts: Sequence["Shift"]) -> Iterator[str]:
    for one in shifts:
        yield f"{one.name:30}{one.before:>8}{one.after:>8}{one.gained:>8}{one.lost:>8}"
