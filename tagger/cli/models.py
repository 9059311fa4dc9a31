"""`tagger models`: which models there are, and bringing their weights here."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.export_model import export
from tagger.cli.models_diff import diff
from tagger.cli.options import Config, Database, load_settings
from tagger.cli.quantize import quantize

if TYPE_CHECKING:
    from tagger.config import Settings
    from tagger.vision.models import Architecture

app = typer.Typer(
    no_args_is_help=True, help="List, show, compare, verify, fetch, import, quantize and export models."
)
for command in (diff, quantize, export):
    app.command()(command)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A model's name, as `tagger models list` prints it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(as_json: Json = False, config: Config = None, database: Database = None) -> None:
    """List the models, their published accuracy on ImageNet-1k, and whose weights are here."""
    from tagger.vision.models import CATALOGUE

    settings = load_settings(config, database)
    rows = [_described(architecture, settings) for architecture in CATALOGUE]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    typer.echo(f"{'':2}{'model':20}{'parameters':>12}{'top-1 %':>9}{'top-5 %':>9}  weights")
    for row in rows:
        mark = "*" if row["in_use"] else ""
        numbers = f"{row['parameters']:>12,}{row['top1']:>9.1f}{row['top5']:>9.1f}"
        typer.echo(f"{mark:2}{row['name']:20}{numbers}  {row['weights']}")


@app.command()
def show(name: Name, as_json: Json = False, config: Config = None, database: Database = None) -> None:
    """Show where a model's weights come from, their hash, preprocessing and published accuracy."""
    from tagger.vision.models import named

    row = _described(named(name), load_settings(config, database))
    if as_json:
        typer.echo(json.dumps(row, indent=2))
        return
    for key, value in row.items():
        typer.echo(f"{key.replace('_', ' '):15}{value}")


@app.command()
def verify(config: Config = None, database: Database = None) -> None:
    """Check the hash of every weights file that is here, and load the configured model."""
    from tagger.config import cache_home, data_home
    from tagger.errors import ModelError
    from tagger.vision.load import load_classifier
    from tagger.vision.weights import inventory

    settings = load_settings(config, database)
    damaged = []
    for path, whole in inventory(data_home()):
        typer.echo(f"{'ok' if whole else 'damaged':9}{path}")
        damaged += [] if whole else [path.name]
    if damaged:
        raise ModelError(", ".join(damaged), "missing or damaged", "fetch it again, or install Tagger again")
    typer.echo(f"{'ok':9}{load_classifier(settings, data_home(), cache_home()).description}")


@app.command()
def fetch(name: Name, config: Config = None, database: Database = None) -> None:
    """Download a model's ImageNet-1k weights from their official address, and verify them."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from tagger.config import data_home
    from tagger.vision.fetch import fetch as download
    from tagger.vision.models import named

    settings, architecture = load_settings(config, database), named(name)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        path = download(
            architecture,
            data_home(),
            lambda done, total: progress.update(task, completed=done, total=total or None),
        )
    _tell(path, architecture, settings)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A weights file that was downloaded on another machine.")],
    config: Config = None,
    database: Database = None,
) -> None:
    """Take published weights that were carried here; their hash tells which model's they are."""
    from tagger.config import data_home
    from tagger.vision.fetch import import_file
    from tagger.vision.models import CATALOGUE

    settings = load_settings(config, database)
    path = import_file(file, data_home())
    _tell(path, next(entry for entry in CATALOGUE if entry.file == path.name), settings)


def _tell(path: Path, architecture: "Architecture", settings: "Settings") -> None:
    typer.echo(path)
    if settings.model.name != architecture.name:
        typer.echo(f"to use it, set model.name to {architecture.name} in the config", err=True)


def _described(architecture: "Architecture", settings: "Settings") -> dict[str, Any]:
    return asdict(architecture) | {
        "preprocessing": str(architecture.preprocessing),
        "sha256_prefix": architecture.sha256_prefix,
        "weights": _whereabouts(architecture),
        "in_use": settings.model.name == architecture.name,
    }


def _whereabouts(architecture: "Architecture") -> str:
    from tagger.config import data_home
    from tagger.vision.weights import BUILTIN_MODEL, fetched_path

    path = fetched_path(architecture, data_home())
    if path.exists():
        return str(path)
    return "built-in (how good: MODEL_CARD.md)" if architecture.name == BUILTIN_MODEL else "not fetched"
