"""How found pictures are shown: as a table, as lines, as CSV, as JSON, or as paths alone."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.output import print_csv, print_json, print_lines, print_paths, print_table
from tagger.config.path_rules import UNDATED
from tagger.heads.names import UNSURE
from tagger.wording.escape import shown
from tagger.wording.times import iso

if TYPE_CHECKING:
    from tagger.store.search.found import Hit
    from tagger.store.search.pictures import FoundPicture, HeadScored

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
    """Print what people read: a time that nothing tells is said to be unknown, where programs get the beginning of 1970.

    What heads say has a column where they say anything.
    """
    some = list(hits)
    own = [_said_by_heads(hit.picture) for hit in some]
    unknown = iso(UNDATED)
    rows = [("unknown" if when == unknown else when, *rest) for when, *rest in _texts(some)]
    if any(own):
        print_table((*COLUMNS, "own labels"), ((*row, said) for row, said in zip(rows, own, strict=True)))
    elif rows:
        print_table(COLUMNS, rows)


def _said_by_heads(picture: "FoundPicture") -> str:
    """Return `scene: battle 93 %, mood: calm 80 %`; a head that has no label for the picture is left out."""
    said = (one for one in picture.heads if one.is_label or one.state == UNSURE)
    return ", ".join(f"{one.head}: {one.label} {one.score * 100:.0f} %" for one in said)


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
        "heads": [_by_head(one) for one in picture.heads],
    }


def _by_head(one: "HeadScored") -> dict[str, Any]:
    told = ("head", "label", "name_zh", "key", "by", "state")
    return {name: getattr(one, name) for name in told} | {"score": round(one.score, 4)}


def _texts(hits: Iterable["Hit"]) -> Iterator[tuple[str, ...]]:
    for when, score, label, source, path in map(_row, hits):
        yield when, "" if score is None else f"{score:.3f}", label, source, shown(path)
