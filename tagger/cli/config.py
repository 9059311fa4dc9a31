"""`tagger config` tells whether the config is right, and what it comes to."""

from typing import TYPE_CHECKING

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.wording.plural import counted

if TYPE_CHECKING:
    from tagger.config.settings import Settings

app = typer.Typer(help="Check the config, or show what it comes to.", no_args_is_help=True)


@app.command()
def check(config: Config = None, database: Database = None) -> None:
    """Say what is wrong with the config. Exits with 2 if anything is, with 3 if it is the model's files."""
    settings = load_settings(config, database)
    _check_model(settings)
    for source in settings.sources:
        if not source.path.is_dir():
            say(
                f"sources: {source.name}: no such folder yet: {source.path}; watched once it is there",
                err=True,
            )
    say(f"the config is right; {counted(len(settings.sources), 'folder')} to watch")


def _check_model(settings: "Settings") -> None:
    from tagger.config.folders import data_home
    from tagger.vision import load  # numpy, which --help need not pay for

    load.check(settings, data_home())


@app.command()
def show(config: Config = None, database: Database = None) -> None:
    """Print the settings in force, defaults and overrides included, as YAML. A token is hidden."""
    import yaml

    said = load_settings(config, database).model_dump(mode="json")
    if said["web"]["token"]:
        said["web"]["token"] = "hidden"  # noqa: S105 (too short for one; what is shown here is shown to others)
    say(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), nl=False)
