"""`tagger tag`: the road without a database."""

import sys
from collections.abc import Iterable, Iterator
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
from tagger.wording.escape import shown

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.records import Outcome, Reading, Tag, Taxonomy


class Crop(StrEnum):
    CENTER = "center"
    SQUASH = "squash"
    LETTERBOX = "letterbox"
    TILES = "tiles"


@dataclass(frozen=True)
class Answer:
    """What is said of one file: its tags, or else what is wrong."""

    file: str
    tags: "tuple[Tag, ...]"
    error: str | None
    instead: tuple[str, str] | None = None
    """Where the best tag is not sure, what is said in its place: a category and its score, or that nothing is sure."""
    conditions: tuple[str, ...] = ()


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

    taxonomy, outcomes = tags_of(settings, files, crop.value if crop else None)
    answer = partial(_answer, taxonomy=taxonomy, settings=settings)
    with closing(outcomes) as tagged:
        answers = _watched(answer(file, outcome) for file, outcome in tagged)
        if as_json:
            print_json(_object(answer) for answer in answers)
        elif sys.stdout.isatty():
            _show(answers)
        else:
            print_lines(_rows(answers))


def _answer(file: Path, outcome: "Outcome", taxonomy: "Taxonomy", settings: "Settings") -> Answer:
    from tagger.records import Failed, Gone, Tagged
    from tagger.search.conditions import conditions_of

    if isinstance(outcome, Tagged):
        reading = outcome.reading
        conditions = conditions_of(outcome.facts, reading.outdoor, settings.conditions)
        instead = _instead(reading, taxonomy, settings.search.min_score)
        return Answer(str(file), reading.tags, None, instead, conditions)
    if isinstance(outcome, Failed):
        return Answer(str(file), (), outcome.reason)
    if file.is_dir():
        return Answer(str(file), (), "this is a folder: name pictures, or use tagger scan")
    what = "no such file" if isinstance(outcome, Gone) else "not a regular file, or being written just now"
    return Answer(str(file), (), what)


def _instead(reading: "Reading", taxonomy: "Taxonomy", min_score: float) -> tuple[str, str] | None:
    from tagger.vision.certainty import NOT_SURE, certainty_of

    sure = certainty_of(reading, taxonomy, min_score)
    if sure.is_sure:
        return None
    if sure.category is None:
        return NOT_SURE, ""
    names = {one.key: one.name for one in taxonomy.categories}
    return names[sure.category], f"{dict(reading.categories)[sure.category]:.3f}"


def _watched(answers: Iterable[Answer]) -> Iterator[Answer]:
    """The same answers; each failure is said on stderr, and the exit code is 1 if there was one."""
    failed = False
    for answer in answers:
        if answer.error is not None:
            failed = True
            say(f"tagger: {shown(answer.file)}: {answer.error}", err=True)
        yield answer
    if failed:
        raise typer.Exit(1)


def _show(answers: Iterable[Answer]) -> None:
    """For people: each file once, and its tags below it; guesses are faint, and farther in."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for answer in answers:
        if answer.error is None:
            console.print(Text(shown(answer.file), "bold"), soft_wrap=True)
            for line, style in _lines(answer):
                console.print(Text(shown(line), style), soft_wrap=True)


def _lines(answer: Answer) -> Iterator[tuple[str, str]]:
    """What is said of a file, with the style of each line."""
    tags = [(tag.label.name, f"{tag.score:.3f}") for tag in answer.tags]
    width = max(len(name) for name, _ in tags) + 4
    if answer.instead:
        name, score = answer.instead
        yield f"  {name:{width}}{score}".rstrip(), ""
    indent, style = ("    ", "dim") if answer.instead else ("  ", "")
    for name, score in tags:
        yield f"{indent}{name:{width + 2 - len(indent)}}{score}", style


def _rows(answers: Iterable[Answer]) -> Iterator[tuple[str, str, str]]:
    for answer in answers:
        for found in answer.tags:
            yield shown(answer.file), found.label.name, f"{found.score:.3f}"


def _object(answer: Answer) -> dict[str, Any]:
    tags = [
        {"label": tag.label.name, "key": tag.label.key, "score": tag.score, "rank": tag.rank}
        for tag in answer.tags
    ]
    conditions = list(answer.conditions)
    return {"file": answer.file, "tags": tags, "conditions": conditions, "error": answer.error}
