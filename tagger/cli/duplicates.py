"""`tagger duplicates`: pictures that are all but the same."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_json, print_lines, print_paths, print_table, say
from tagger.cli.query import read_query
from tagger.wording.escape import shown
from tagger.wording.times import iso

if TYPE_CHECKING:
    from tagger.similar.groups import GroupMember

COLUMNS = ("group", "score", "pixels", "bytes", "path")


def duplicates(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY",
            help="Among which pictures, as for `tagger search`. Without one: among all.",
            show_default=False,
        ),
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0.85, max=1, help="How alike two pictures must be: 1 is the same.")
    ] = 0.9,
    limit: Annotated[int, typer.Option(min=1, help="The most groups to show.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per group.")] = False,
    as_lines: Annotated[
        bool, typer.Option("--nl", help="Only paths, one per line, without the best of each group.")
    ] = False,
    as_nul: Annotated[bool, typer.Option("-0", help="The same, each ended by NUL, for xargs -0.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Show groups of pictures that are the same or all but the same, the largest group and each one's best first.

    Of pictures that were tagged with `features: false` in the config, only exact copies are found.
    """
    settings = load_settings(config, database)
    from tagger.similar.groups import groups
    from tagger.store.core.database import Database as Store
    from tagger.store.search import found

    text, query = read_query(words)
    with closing(Store.open(settings.database, create=False)) as store:
        among = found.ids(store, query, text, settings.search.min_score) if text else None
        alike = groups(store, at_least, among, limit)
        if as_json:
            print_json(map(_object, alike))
        elif as_lines or as_nul:
            print_paths((one.picture.path for _, *others in alike for one in others), as_nul)
        elif sys.stdout.isatty():
            _show(list(_rows(alike)))
        else:
            print_lines(_rows(alike))


def _show(rows: list[tuple[str, ...]]) -> None:
    if rows:
        print_table(COLUMNS, rows)
    else:
        say("no two pictures are alike; try a lower --at-least", err=True)


def _rows(groups: Iterable[list["GroupMember"]]) -> Iterator[tuple[str, ...]]:
    for number, group in enumerate(groups, 1):
        for one in group:
            score = "" if one.score is None else f"{one.score:.3f}"
            picture = one.picture
            pixels = f"{picture.width}×{picture.height}"
            yield str(number), score, pixels, str(picture.size), shown(picture.path)


def _object(group: list["GroupMember"]) -> dict[str, Any]:
    return {"pictures": [_picture(one) for one in group]}


def _picture(one: "GroupMember") -> dict[str, Any]:
    picture = one.picture
    return {
        "path": picture.path,
        "score": None if one.score is None else round(one.score, 4),
        "seq": picture.seq,
        "source": picture.source,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.size,
        "captured_at": iso(picture.captured_at),
        "sha256": picture.sha256,
    }
