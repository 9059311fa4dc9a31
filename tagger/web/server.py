"""The web server, in a thread of the daemon. Whatever becomes of it, files are tagged."""

import logging
import socket
from threading import Thread

import uvicorn
from fastapi import FastAPI

from tagger.config import Web

log = logging.getLogger(__name__)

_CONNECTIONS = 1024
"""More than so many at a time are refused: each costs memory, asking or not."""


class Server:
    """Listens from `start` to `close`. An address that cannot be had is said in the log, and there is no web."""

    def __init__(self, web: Web, app: FastAPI) -> None:
        self._web, self._ending = web, app.state.ending
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread: Thread | None = None

    @property
    def runs(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Raises nothing that a port could cause."""
        try:
            family = socket.AF_INET6 if ":" in self._web.host else socket.AF_INET
            listener = socket.create_server((self._web.host, self._web.port), family=family, backlog=256)
        except OSError as error:
            address = f"{self._web.host}:{self._web.port}"
            log.error("no web: %s: %s; set web.port to another, or stop who has it", address, error.strerror)
            return
        # What it accepts inherits this. Without it an answer's last packet waits 40 ms for the first one's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port, *_ = listener.getsockname()
        log.info("web: http://%s:%d", f"[{host}]" if ":" in host else host, port)
        self._thread = Thread(target=self._serve, args=(listener,), name="web", daemon=True)
        self._thread.start()

    def close(self, within: float) -> None:
        """Nobody else is served; who is being served has so many seconds."""
        self._ending.set()
        self._server.should_exit = True
        if self._thread:
            self._thread.join(within)

    def _serve(self, listener: socket.socket) -> None:
        try:
            self._server.run(sockets=[listener])
        except BaseException:  # a web server that dies must not take the tagging with it
            log.exception("the web server ended; files are tagged all the same")
