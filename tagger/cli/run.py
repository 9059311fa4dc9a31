"""`tagger run`: the daemon."""

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, Folders, load_settings


def run(folders: Folders = None, config: Config = None, database: Database = None) -> None:
    """Watch folders and tag what arrives, until SIGTERM or Ctrl-C."""
    settings = load_settings(config, database, folders)
    log_to_stderr(settings.log_level)
    from tagger import daemon

    daemon.run(settings)
