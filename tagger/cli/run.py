"""`tagger run` is the daemon."""

import faulthandler
import logging
from typing import TYPE_CHECKING

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, Folders, load_settings

if TYPE_CHECKING:
    from tagger.config.settings import Settings


def run(folders: Folders = None, config: Config = None, database: Database = None) -> None:
    """Watch folders and tag what arrives, until SIGTERM or Ctrl-C. SIGHUP, or `tagger reload`, has the config read anew."""

    def reread() -> "Settings":
        return load_settings(config, database, folders)

    settings = reread()
    _log(settings)
    faulthandler.enable()  # a watchdog's SIGABRT, or a crash: the log then says where each thread was
    from tagger.runtime import daemon

    daemon.run(settings, reread, _log)


def _log(settings: "Settings") -> None:
    """Keep the log as the settings say, also where it was kept in another way so far."""
    for handler in logging.getLogger().handlers[:]:
        logging.getLogger().removeHandler(handler)
        handler.close()
    log_to_stderr(settings.log_level, settings.log_format)
