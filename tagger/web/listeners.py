"""Where the web listens: at an address and a port, or at a file (a unix socket), which only those may open who may write to it."""

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from tagger.config.web import WebSettings

AT_ONCE = 128
"""Those that come at one time are let in together, before one of them can be shown out."""

_MODE = 0o660


def opened(web: WebSettings) -> socket.socket:
    """Return a socket that listens. Raises OSError where nobody can there."""
    if web.socket is not None:
        return _at_file(web.socket)
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    is_both = web.host == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (web.host, web.port), family=family, backlog=AT_ONCE, dualstack_ipv6=is_both
    )
    # What it accepts inherits this. Without it an answer's last packet waits 40 ms for the first one's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(listener: socket.socket) -> str:
    """Return where it listens, as a URL."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def refusal(web: WebSettings, error: OSError) -> str:
    """Return why nobody can listen there, and what to do about it."""
    # Of the kernel's errors, Python's own text says the address once more.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    if web.socket is not None:
        return f"{web.socket}: {reason}; web.socket names a file that Tagger may make, and nobody else has"
    if error.errno == errno.EADDRINUSE:
        return f"port {web.port} is taken by another program; web.port names another"
    return f"{web.host}:{web.port}: {reason}; web.host and web.port name where to listen"


def put_away(web: WebSettings) -> None:
    """Take the file away, if nobody listens at it any more: by now it may be another's, or something else."""
    with suppress(OSError):  # the next start finds it left over
        if web.socket is not None and _is_left_over(web.socket):
            web.socket.unlink()


def _at_file(path: Path) -> socket.socket:
    """Return a socket at a file, in place of one that a killed daemon has left. Nobody connects before its mode is set."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_left_over(path):
            path.unlink()
        listener.bind(str(path))
        path.chmod(_MODE)
        listener.listen(AT_ONCE)
    except OSError:
        listener.close()
        raise
    return listener


def _is_left_over(path: Path) -> bool:
    """Return whether it is a socket at which nobody listens any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.setblocking(False)  # where as many wait as may, it would else wait, too
            asking.connect(str(path))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
