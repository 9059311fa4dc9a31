"""How found pictures are shown: as a table, as lines, as CSV, as JSON, or as paths alone."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.output import print_csv, print_json, print_lines, print_paths, print_table
from tagger.config.path_rules import UNDATED
from tagger.wording.escape import shown
from tagger.wording.times import iso

if TYPE_CHECKING:
    from tagger.store.search.found import Hit

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per picture.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a header.")]
AsLines = Annotated[bool, typer.Option("--nl", help="Only paths, one per line.")]
AsNul = Annotated[bool, typer.Option("-0", help="Only paths, each ended by NUL, for xargs -0.")]

COLUMNS = ("captured_at", "score", "label", "source", "path")

Print = Callable[[Iterable["Hit"]], None]


def printer(as_json: bool, as_csv: bool, as_lines: bool, as_nul: bool, follow: bool = False) -> Print:
    """Return what shows hits in the form that the options ask for; it may be called again for those that `follow`."""
    header = iter([COLUMNS])
    if as_json:
        return lambda hits: print_json(map(_object, hits))
    if as_csv:
        return lambda hits: print_csv(next(header, ()), map(_row, hits))
    if as_lines or as_nul:
        return lambda hits: print_paths((hit.picture.path for hit in hits), as_nul)
    if sys.stdout.isatty() and not follow:
        return _print_table_if_any
    return lambda hits: print_lines(_texts(hits))


def _print_table_if_any(hits: Iterable["Hit"]) -> None:
    """Print what people read: a time that nothing tells is said to be unknown, where programs get the beginning of 1970."""
    if rows := list(_texts(hits)):
        unknown = iso(UNDATED)
        print_table(COLUMNS, (("unknown" if when == unknown else when, *rest) for when, *rest in rows))


def _row(hit: "Hit") -> tuple[str, float | None, str, str, str]:
    picture, by = hit.picture, hit.by
    when = picture.captured_at
    score, label = (round(by.score, 4), by.name) if by else (None, "")
    return iso(when) if when else "", score, label, picture.source, picture.path


def _object(hit: "Hit") -> dict[str, Any]:
    picture = hit.picture
    return {name: None if value == "" else value for name, value in zip(COLUMNS, _row(hit), strict=True)} | {
        "state": picture.state,
        "seq": picture.seq,
        "tags": [
            {"label": one.name, "name_zh": one.name_zh, "key": one.key, "score": round(one.score, 4)}
            for one in picture.tags
        ],
        "categories": {one.key: round(one.score, 4) for one in picture.categories},
        "conditions": list(picture.conditions),
    }


def _texts(hits: Iterable["Hit"]) -> Iterator[tuple[str, ...]]:
    for when, score, label, source, path in map(_row, hits):
        yield when, "" if score is None else f"{score:.3f}", label, source, shown(path)
