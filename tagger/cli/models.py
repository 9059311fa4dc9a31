"""`tagger models` tells which models there are, brings their weights here, and chooses one."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.export_model import export
from tagger.cli.models_diff import diff
from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.cli.quantize import quantize
from tagger.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.records import Standing
    from tagger.vision.models import Architecture

app = typer.Typer(
    no_args_is_help=True, help="List, show, use, compare, verify, fetch, import, quantize and export models."
)
for command in (diff, quantize, export):
    app.command()(command)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A model's name, as `tagger models list` prints it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(as_json: Json = False, config: Config = None, database: Database = None) -> None:
    """List the models: how often each is right, how fast it is beside resnet18, and whose weights are here."""
    from tagger.vision.models import BUILTIN_ENTRY, CATALOGUE

    settings = load_settings(config, database)
    stands = _standing(settings)
    rows = [_described(entry, stands) for entry in (*CATALOGUE, BUILTIN_ENTRY)]
    if as_json:
        say(json.dumps(rows, indent=2))
        return
    say(f"{'':2}{'model':20}{'parameters':>12}{'top-1 %':>9}{'rate':>6}  weights")
    for row in rows:
        mark = "*" if row["in_use"] else ""
        rate = "" if row["rate"] is None else f"{row['rate']:.1f}×"
        say(f"{mark:2}{row['name']:20}{row['parameters']:>12,}{row['top1']:>9.1f}{rate:>6}  {row['weights']}")
    say(f"* in use: {stands.why}", err=True)
    if stands.other:
        say(stands.other, err=True)


@app.command()
def show(name: Name, as_json: Json = False, config: Config = None, database: Database = None) -> None:
    """Show where a model's weights come from, their hash, preprocessing, accuracy and calibration."""
    from tagger.vision.models import named

    row = _described(named(name), _standing(load_settings(config, database)))
    if as_json:
        say(json.dumps(row, indent=2))
        return
    row |= {
        "temperature": "not measured: scores are as published"
        if row["temperature"] is None
        else row["temperature"]
    }
    for key, value in row.items():
        say(f"{key.replace('_', ' '):15}{'-' if value is None else value}")


@app.command()
def use(name: Name, config: Config = None, database: Database = None) -> None:
    """Tag the database's pictures with another model, from the next start on; older tags are made anew behind all new ones."""
    from contextlib import closing

    from tagger.config.folders import data_home
    from tagger.runtime import model_choice
    from tagger.store.core.database import Database as Store
    from tagger.vision.models import AUTO, named

    settings, entry = load_settings(config, database), named(name)
    if settings.model.name != AUTO:
        hint = f"remove it there, or set it to {name}"
        raise ConfigError("model.name", f"is {settings.model.name} in the config, which decides", hint)
    with closing(Store.open(settings.database, create=True)) as store:
        model_choice.use(store, name, data_home())
    say(f"{name} tags from the next start of tagger run or tagger scan on: {entry.merits}")


@app.command()
def verify(config: Config = None, database: Database = None) -> None:
    """Check the hash of every weights file that is here, and load the configured model."""
    from tagger.config.folders import cache_home, data_home
    from tagger.runtime.model_choice import for_reading
    from tagger.vision.load import load_classifier
    from tagger.vision.weights import inventory

    settings = load_settings(config, database)
    damaged = []
    for path, whole in inventory(data_home()):
        say(f"{'ok' if whole else 'damaged':9}{path}")
        damaged += [] if whole else [path.name]
    if damaged:
        raise ModelError(", ".join(damaged), "missing or damaged", "fetch it again, or install Tagger again")
    settings = for_reading(settings, data_home())
    say(f"{'ok':9}{load_classifier(settings, data_home(), cache_home()).description}")


@app.command()
def fetch(
    name: Name,
    best_effort: Annotated[
        bool,
        typer.Option(
            "--best-effort",
            help="If it cannot be done, say so in a line and end well: for scripts that set up.",
        ),
    ] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Download a model's ImageNet-1k weights from their official address, and verify them.

    A download that broke goes on where it stopped. What is here already is not downloaded again.
    """
    from tagger.vision.models import named

    architecture = named(name)
    if best_effort:
        _try_to_download(architecture)
    else:
        settings = load_settings(config, database)
        _tell(_download(architecture), architecture, settings)


def _try_to_download(architecture: "Architecture") -> None:
    try:
        say(_download(architecture, transient=True))
    except ModelError as error:
        later = f"{sys.argv[0]} models fetch {architecture.name}"
        say(f"tagger: {error.where}: {error.what}; to do it later: {later}", err=True)


def _download(architecture: "Architecture", transient: bool = False) -> Path:
    """Show a bar on a terminal, which a `transient` one leaves no trace of; elsewhere none."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from tagger.config.folders import data_home
    from tagger.vision.fetch import fetch as download

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=transient, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(architecture.name, total=None)
        return download(
            architecture,
            data_home(),
            lambda done, total: progress.update(task, completed=done, total=total or None),
        )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A weights file that was downloaded on another machine.")],
    config: Config = None,
    database: Database = None,
) -> None:
    """Take published weights that were carried here; their hash tells which model's they are."""
    from tagger.config.folders import data_home
    from tagger.vision.fetch import import_file
    from tagger.vision.models import CATALOGUE

    settings = load_settings(config, database)
    path = import_file(file, data_home())
    _tell(path, next(entry for entry in CATALOGUE if entry.file == path.name), settings)


def _tell(path: Path, architecture: "Architecture", settings: "Settings") -> None:
    say(path)
    stands, name = _standing(settings), architecture.name
    if settings.model.name not in ("auto", name):
        say(f"to use it, set model.name to {name} in the config", err=True)
    elif stands.name != name:
        say(f"to use it: tagger models use {name}", err=True)


def _standing(settings: "Settings") -> "Standing":
    from tagger.config.folders import data_home
    from tagger.runtime.model_choice import standing_now

    return standing_now(settings, data_home())


def _described(architecture: "Architecture", stands: "Standing") -> dict[str, Any]:
    return asdict(architecture) | {
        "preprocessing": str(architecture.preprocessing),
        "sha256_prefix": architecture.sha256[:8],
        "package": architecture.package.name if architecture.package else None,
        "weights": _whereabouts(architecture),
        "in_use": stands.name == architecture.name,
    }


def _whereabouts(architecture: "Architecture") -> str:
    """Return where its weights are, or how they come here."""
    from tagger.config.folders import data_home
    from tagger.vision.models import BUILTIN, BUILTIN_MODEL
    from tagger.vision.weights import NotHereError, published

    if architecture.name == BUILTIN_MODEL:
        return str(BUILTIN / architecture.file)
    try:
        return str(published(architecture, data_home()).path)
    except NotHereError as absent:
        return f"not here: {absent.hint}"
    except ModelError as error:
        return error.what
