"""`tagger tag`: the road without a database."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_json, print_lines, print_table

if TYPE_CHECKING:
    from tagger.records import Outcome, Tag


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
    from tagger.tag import tags_of

    with closing(tags_of(settings, files, crop.value if crop else None)) as tagged:
        answers = _watched(_answer(file, outcome) for file, outcome in tagged)
        if as_json:
            print_json(_object(answer) for answer in answers)
        elif sys.stdout.isatty():
            print_table(("file", "label", "score"), _rows(answers))
        else:
            print_lines(_rows(answers))


def _answer(file: Path, outcome: "Outcome") -> Answer:
    from tagger.records import Failed, Gone, Tagged

    if isinstance(outcome, Tagged):
        return Answer(str(file), outcome.reading.tags, None)
    if isinstance(outcome, Failed):
        return Answer(str(file), (), outcome.reason)
    what = "no such file" if isinstance(outcome, Gone) else "not a regular file, or being written just now"
    return Answer(str(file), (), what)


def _watched(answers: Iterable[Answer]) -> Iterator[Answer]:
    """The same answers; each failure is said on stderr, and the exit code is 1 if there was one."""
    from tagger.records import shown  # not above: building its types takes a tenth of all of --help

    failed = False
    for answer in answers:
        if answer.error is not None:
            failed = True
            typer.echo(f"tagger: {shown(answer.file)}: {answer.error}", err=True)
        yield answer
    if failed:
        raise typer.Exit(1)


def _rows(answers: Iterable[Answer]) -> Iterator[tuple[str, str, str]]:
    from tagger.records import shown

    for answer in answers:
        for found in answer.tags:
            yield shown(answer.file), found.label.name, f"{found.score:.3f}"


def _object(answer: Answer) -> dict[str, Any]:
    tags = [
        {"label": tag.label.name, "key": tag.label.key, "score": tag.score, "rank": tag.rank}
        for tag in answer.tags
    ]
    return {"file": answer.file, "tags": tags, "error": answer.error}
