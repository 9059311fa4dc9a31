"""Each command has a file here. Whatever is heavy is imported inside of it, so that `--help` is quick."""

import sys
from typing import Annotated, NoReturn

from tagger.host import garbage

garbage.ignore()  # before the imports, which are most of what a command makes; whatever lasts turns it on again

import typer  # noqa: E402

from tagger.cli import (  # noqa: E402
    calibrate,
    config,
    db,
    doctor,
    duplicates,
    export,
    label,
    models,
    pause,
    prune,
    reload,
    retag,
    retry,
    run,
    scan,
    search,
    service,
    similar,
    status,
    tag,
    teach,
    train,
    web,
)
from tagger.cli.output import say  # noqa: E402
from tagger.errors import ModelError, TaggerError  # noqa: E402

app = typer.Typer(
    name="tagger",
    help=(
        "Watches folders, tags every new picture with an image network, and keeps the tags in SQL.\n\n"
        "Exit codes: 0 done; 1 a file failed, or Tagger did; 2 wrong use or config; "
        "3 the model cannot be used; 4 the database cannot be used; 5 a picture took too long; 130 interrupted."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    run.run,
    scan.scan,
    tag.tag,
    search.search,
    similar.similar,
    duplicates.duplicates,
    export.export,
    label.label,
    teach.teach,
    train.train,
    calibrate.calibrate,
    status.status,
    doctor.doctor,
    retag.retag,
    retry.retry,
    pause.pause,
    pause.resume,
    reload.reload,
    prune.prune,
    web.web,
):
    app.command()(command)
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.add_typer(models.app, name="models")
app.add_typer(service.app, name="service")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"tagger {version('tagger')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options of the program itself."""
    if context.invoked_subcommand == "models":
        garbage.look_for()


_LEFT_OUT = {"torch", "torchvision"}
"""What an install for a small machine is without (docs/install.md)."""


def main() -> None:
    """Run the `tagger` command: an error of ours becomes a sentence on stderr and an exit code."""
    # A path may hold bytes that are no text; printing it must not be what fails.
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    try:
        app()
    except TaggerError as error:
        _end_with(error)
    except ModuleNotFoundError as error:
        if (name := str(error.name).partition(".")[0]) not in _LEFT_OUT:
            raise
        hint = (
            "without it Tagger has its catalogue's models on a CPU; for more, pip install torch torchvision"
        )
        _end_with(ModelError(name, "is not installed", hint))


def _end_with(error: TaggerError) -> NoReturn:
    say(f"tagger: {error}", err=True)
    sys.exit(error.exit_code)
