"""The web server runs in a thread of the daemon. Whatever becomes of it, files are tagged."""

import logging
import socket
from threading import Thread

import uvicorn
from fastapi import FastAPI

from tagger.config.web import WebSettings
from tagger.web import listeners
from tagger.web.connections import Connection, end_silent
from tagger.web.listeners import AT_ONCE

log = logging.getLogger(__name__)

PATIENCE = 30
"""Seconds that a client has to ask, to go on with what it sends, and to take some of what it is sent."""


# They warn of each request that is no HTTP, or no form: whoever likes could fill the log with it.
for name in ("uvicorn.error", "python_multipart"):
    logging.getLogger(name).setLevel(logging.ERROR)


class Server:
    """Listens from `start` to `close`. An address that cannot be had is said in the log, and there is no web."""

    def __init__(self, web: WebSettings, app: FastAPI, patience: int = PATIENCE) -> None:
        self._web, self._ending, self._patience = web, app.state.ending, patience
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # else whoever asks from this machine writes what address it comes from
            ws="none",
            http=Connection,
            backlog=AT_ONCE,
            timeout_keep_alive=patience,
            timeout_graceful_shutdown=2,
            callback_notify=self._end_silent,
            timeout_notify=0,
        )
        self._server = uvicorn.Server(config)
        self._thread: Thread | None = None
        self.address = ""
        """Where it listens, as a URL; empty where it does not."""

    @property
    def runs(self) -> bool:
        """Return whether it listens still."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen, in a thread of its own. Raises nothing that a port could cause."""
        try:
            listener = listeners.opened(self._web)
        except OSError as error:
            log.error("no web: %s", listeners.refusal(self._web, error))
            return
        self.address = listeners.address(listener)
        log.info("web: %s", self.address)
        self._thread = Thread(target=self._serve, args=(listener,), name="web", daemon=True)
        self._thread.start()

    def close(self, within: float) -> None:
        """Serve nobody else; who is being served has `within` seconds."""
        self._ending.set()
        self._server.should_exit = True
        if self._thread:
            self._thread.join(within)
            listeners.put_away(self._web)

    async def _end_silent(self) -> None:
        """Show out those who hold on to a connection; it is called once a second."""
        end_silent(self._server.server_state.connections, self._patience)

    def _serve(self, listener: socket.socket) -> None:
        try:
            with listener:  # uvicorn leaves it open where it is told to end before it has begun
                self._server.run(sockets=[listener])
        except BaseException:  # a web server that dies must not take the tagging with it
            log.exception("the web server ended; files are tagged all the same")
