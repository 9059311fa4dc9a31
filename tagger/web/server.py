"""The web server runs in a thread of the daemon. Whatever becomes of it, files are tagged."""

import errno
import logging
import os
import socket
from threading import Thread

import uvicorn
from fastapi import FastAPI

from tagger.config.web import WebSettings
from tagger.web.connections import AT_ONCE, Connection, end_silent

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
            family = socket.AF_INET6 if ":" in self._web.host else socket.AF_INET
            listener = socket.create_server((self._web.host, self._web.port), family=family, backlog=AT_ONCE)
        except OSError as error:
            log.error("no web: %s", _refusal(self._web, error))
            return
        # What it accepts inherits this. Without it an answer's last packet waits 40 ms for the first one's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port, *_ = listener.getsockname()
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("web: %s", self.address)
        self._thread = Thread(target=self._serve, args=(listener,), name="web", daemon=True)
        self._thread.start()

    def close(self, within: float) -> None:
        """Serve nobody else; who is being served has `within` seconds."""
        self._ending.set()
        self._server.should_exit = True
        if self._thread:
            self._thread.join(within)

    async def _end_silent(self) -> None:
        """Show out those who hold on to a connection; it is called once a second."""
        end_silent(self._server.server_state.connections, self._patience)

    def _serve(self, listener: socket.socket) -> None:
        try:
            self._server.run(sockets=[listener])
        except BaseException:  # a web server that dies must not take the tagging with it
            log.exception("the web server ended; files are tagged all the same")


def _refusal(web: WebSettings, error: OSError) -> str:
    """Return why nobody can listen there, and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        return f"port {web.port} is taken by another program; web.port names another"
    # Of the kernel's errors, Python's own text says the address once more.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return f"{web.host}:{web.port}: {reason}; web.host and web.port name where to listen"
