"""`tagger tag` tags pictures as the daemon does, and stores nothing."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_json, print_lines, say
from tagger.heads.names import NONE
from tagger.wording.escape import shown

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.heads.head import Head, HeadTag
    from tagger.records import Outcome, Reading, Tag, Taxonomy
    from tagger.runtime.single import HeadsBySource


class Crop(StrEnum):
    CENTER = "center"
    SQUASH = "squash"
    LETTERBOX = "letterbox"
    TILES = "tiles"


@dataclass(frozen=True)
class TaggedFile:
    """What is printed of one file: its tags, or else what is wrong with it."""

    file: str
    tags: "tuple[Tag, ...]"
    error: str | None
    instead: tuple[str, str] | None = None
    """Where the best tag is not sure, this is printed in its place: a category and its score, or that nothing is sure."""
    conditions: tuple[str, ...] = ()
    heads: "Sequence[tuple[Head, HeadTag]]" = ()

    @property
    def own_labels(self) -> list[tuple[str, float]]:
        """What heads call it, as a search asks for it, with the scores; a head that has no label for the picture is left out."""
        return [(f"{head.name}:{tag.label}", tag.score) for head, tag in self.heads if tag.label != NONE]


def tag(
    files: Annotated[list[Path], typer.Argument(help="Pictures.", show_default=False)],
    crop: Annotated[
        Crop | None,
        typer.Option(
            "--crop", help="What of a frame is seen. Default: as its source says.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Print the tags of pictures; nothing is stored. Exits with 1 if a file failed."""
    settings = load_settings(config, database)
    log_to_stderr("warning", settings.log_format)
    from tagger.runtime.single import tags_of

    taxonomy, heads, outcomes = tags_of(settings, files, crop.value if crop else None)
    told = partial(_tagged_file, taxonomy=taxonomy, heads=heads, settings=settings)
    with closing(outcomes):
        tagged = _watched(told(file, outcome) for file, outcome in outcomes)
        if as_json:
            print_json(_object(one) for one in tagged)
        elif sys.stdout.isatty():
            _show(tagged)
        else:
            print_lines(_rows(tagged))


def _tagged_file(
    file: Path, outcome: "Outcome", taxonomy: "Taxonomy", heads: "HeadsBySource", settings: "Settings"
) -> TaggedFile:
    from tagger.heads.head import said_of
    from tagger.records import Failed, Gone, Tagged
    from tagger.search.conditions import conditions_of

    if isinstance(outcome, Tagged):
        reading = outcome.reading
        conditions = conditions_of(outcome.facts, reading.outdoor, settings.conditions)
        instead = _instead(reading, taxonomy, settings.search.min_score)
        said = said_of(outcome, heads[outcome.target.source])
        return TaggedFile(str(file), reading.tags, None, instead, conditions, said)
    if isinstance(outcome, Failed):
        return TaggedFile(str(file), (), outcome.reason)
    if file.is_dir():
        return TaggedFile(str(file), (), "this is a folder: name pictures, or use tagger scan")
    what = (
        "no such file" if isinstance(outcome, Gone) else "is not a regular file, or is being written just now"
    )
    return TaggedFile(str(file), (), what)


def _instead(reading: "Reading", taxonomy: "Taxonomy", min_score: float) -> tuple[str, str] | None:
    from tagger.vision.certainty import NOT_SURE, certainty_of

    sure = certainty_of(reading, taxonomy, min_score)
    if sure.is_sure:
        return None
    if sure.category is None:
        return NOT_SURE, ""
    names = {one.key: one.name for one in taxonomy.categories}
    return names[sure.category], f"{dict(reading.categories)[sure.category]:.3f}"


def _watched(tagged: Iterable[TaggedFile]) -> Iterator[TaggedFile]:
    """Yield the same files; each failure is said on stderr, and the exit code is 1 if there was one."""
    failed = False
    for one in tagged:
        if one.error is not None:
            failed = True
            say(f"tagger: {shown(one.file)}: {one.error}", err=True)
        yield one
    if failed:
        raise typer.Exit(1)


def _show(tagged: Iterable[TaggedFile]) -> None:
    """Print each file once, and its tags below it, for people; guesses are faint, and farther in."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for one in tagged:
        if one.error is None:
            console.print(Text(shown(one.file), "bold"), soft_wrap=True)
            for line, style in _lines(one):
                console.print(Text(shown(line), style), soft_wrap=True)


def _lines(one: TaggedFile) -> Iterator[tuple[str, str]]:
    """Yield the lines below a file, each with its style."""
    tags = [(tag.label.name, f"{tag.score:.3f}") for tag in one.tags]
    own = [(name, f"{score:.3f}") for name, score in one.own_labels]
    width = max(len(name) for name, _ in (*tags, *own)) + 4
    if one.instead:
        name, score = one.instead
        yield f"  {name:{width}}{score}".rstrip(), ""
    indent, style = ("    ", "dim") if one.instead else ("  ", "")
    for name, score in tags:
        yield f"{indent}{name:{width + 2 - len(indent)}}{score}", style
    for name, score in own:
        yield f"  {name:{width}}{score}", ""


def _rows(tagged: Iterable[TaggedFile]) -> Iterator[tuple[str, str, str]]:
    for one in tagged:
        for found in one.tags:
            yield shown(one.file), found.label.name, f"{found.score:.3f}"
        for name, score in one.own_labels:
            yield shown(one.file), name, f"{score:.3f}"


def _object(one: TaggedFile) -> dict[str, Any]:
    tags = [
        {"label": tag.label.name, "key": tag.label.key, "score": tag.score, "rank": tag.rank}
        for tag in one.tags
    ]
    conditions = list(one.conditions)
    heads = [_by_head(*said) for said in one.heads]
    return {"file": one.file, "tags": tags, "conditions": conditions, "error": one.error, "heads": heads}


def _by_head(head: "Head", tag: "HeadTag") -> dict[str, Any]:
    """Return what a head says as `tagger search --json` does."""
    label = head.label(tag.label)
    return {
        "head": head.name,
        "label": label.name,
        "name_zh": label.name_zh,
        "key": label.key,
        "by": "model",
        "state": head.state(tag.label),
        "score": round(tag.score, 4),
    }
