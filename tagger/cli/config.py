"""`tagger config`: is the config right, and what does it come to?"""

import typer

from tagger.cli.options import Config, Database, load_settings

app = typer.Typer(help="Check the config, or show what it comes to.", no_args_is_help=True)


@app.command()
def check(config: Config = None, database: Database = None) -> None:
    """Say what is wrong with the config. Exits with 2 if anything is."""
    settings = load_settings(config, database)
    for source in settings.sources:
        if not source.path.is_dir():
            typer.echo(f"sources: {source.name}: no such folder yet: {source.path}", err=True)
    typer.echo(f"the config is right; {len(settings.sources)} folder(s) to watch")


@app.command()
def show(config: Config = None, database: Database = None) -> None:
    """Print the settings in force, defaults and overrides included, as YAML."""
    import yaml

    settings = load_settings(config, database)
    typer.echo(
        yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False
    )
