"""A start makes the token that `web.token_file` shall hold, where there is none yet: a container, or a first start, needs no one to.

Nothing but a start makes it, so that reload, doctor and config check say what they find. Rejected: an entrypoint of the image's
alone, for a service that listens to a network needs the same.
"""

import logging
import secrets

from tagger.config.web import WebSettings
from tagger.errors import ConfigError
from tagger.host.replace import replacing

log = logging.getLogger(__name__)


def ensure(web: WebSettings) -> None:
    """Make the token where there is none, and log the address to log in at, that once. Raises ConfigError where the file cannot be written."""
    if web.token or web.token_file is None or web.token_file.exists():
        return
    token = secrets.token_hex(16)
    try:
        with replacing(web.token_file, mode=0o600) as file:
            file.write(f"{token}\n".encode())
    except OSError as error:
        hint = "put a token into it, or name a file in a folder that Tagger may write to"
        raise ConfigError("web.token_file", f"cannot be made: {error}", hint) from None
    here = "" if web.socket else f"http://localhost:{web.port}"
    log.info("made a token, %s; open %s/login?token=%s once", web.token_file, web.public_url or here, token)
