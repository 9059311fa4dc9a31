"""`tagger scan` does once what the daemon goes on doing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, Folders, load_settings
from tagger.cli.output import say
from tagger.wording.extras import TAKE_HEIC
from tagger.wording.plural import counted

if TYPE_CHECKING:
    from tagger.pipeline.stats import Counts


def scan(folders: Folders = None, config: Config = None, database: Database = None) -> None:
    """Tag what is new in the folders, once. Exits with 1 if a file failed."""
    settings = load_settings(config, database, folders)
    log_to_stderr(settings.log_level, settings.log_format)
    from tagger.runtime import daemon

    with _progress() as progress:
        counts, code = daemon.scan(settings, progress)
    say(f"{counts.new} new, {counts.tagged} tagged, {counts.unchanged} unchanged, {counts.failed} failed")
    if counts.left_out:
        say(f"{counted(counts.left_out, 'HEIC picture')} left out; to take HEIC: {TAKE_HEIC}")
    raise typer.Exit(code)


@contextmanager
def _progress() -> Iterator[Callable[["Counts"], None]]:
    """Yield what shows a bar with rate and remaining time on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("tagging", total=None, rate="", start=False)

        def show(counts: "Counts") -> None:
            bar.start_task(task)  # the first time only: loading the model is not part of the rate
            done = counts.tagged + counts.failed
            rate = f"{done / (bar.tasks[0].elapsed or 1):.0f} pictures/s"
            bar.update(task, completed=done, total=counts.new or None, rate=rate)

        yield show
