"""`tagger run`: the daemon."""

import faulthandler

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, Folders, load_settings


def run(folders: Folders = None, config: Config = None, database: Database = None) -> None:
    """Watch folders and tag what arrives, until SIGTERM or Ctrl-C."""
    settings = load_settings(config, database, folders)
    log_to_stderr(settings.log_level, settings.log_format)
    faulthandler.enable()  # a watchdog's SIGABRT, or a crash: the log then says where each thread was
    from tagger import daemon

    daemon.run(settings)
