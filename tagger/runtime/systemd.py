"""What systemd is told: datagrams of `KEY=value` lines to the socket that NOTIFY_SOCKET names.

A few lines, so no binding to libsystemd is needed. No error is one of the daemon's: where nobody listens, nothing is
said. RELOADING=1 with MONOTONIC_USEC, and READY=1 after it, go through `say` as well.
"""

import logging
import os
import socket
import time
from collections.abc import Callable

from tagger.wording.escape import shown

log = logging.getLogger(__name__)

STEP_WITHIN = 600
"""Seconds that one step of a start may take: a large database brought up to date, a model converted, a tree watched."""

PATIENCE = 0.5
"""Seconds to wait for room in systemd's queue, which holds few: it may be busy with others."""

STATUS_EVERY = 5.0
"""Seconds between two lines of status, at least."""


def say(*lines: str) -> None:
    """Say some lines to systemd; any thread may. A line stays one, whatever a folder in it is called: the next could say READY=1, or another MAINPID."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A name that begins with @ is of Linux's abstract kind, which the kernel wants to begin with NUL.
    address = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
        speaker.settimeout(PATIENCE)
        try:
            speaker.sendto("\n".join(map(shown, lines)).encode(errors="replace"), address)
        except OSError as error:
            log.debug("systemd was not told: %s", error)


def starting(step: str) -> None:
    """Say that a step of the start begins that may take longer than a service's start usually may."""
    say(f"STATUS=starting: {step}", f"EXTEND_TIMEOUT_USEC={STEP_WITHIN * 1_000_000}")


def stopping() -> None:
    say("STOPPING=1", "STATUS=stopping; what is in hand is finished first")


class SystemdStatus:
    """Tells systemd once a second how a daemon does that runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._told_at = clock, clock() - STATUS_EVERY
        self._status, self._hung, self._is_ready = "", "", False

    def tell(self, ready: bool, hung: str, status: str) -> None:
        """Tell how the daemon does. `hung` names a thread that hangs: then systemd's watchdog is no longer told that all is well."""
        if ready and not self._is_ready:
            say("READY=1")
            self._is_ready = True
        if hung and hung != self._hung:
            log.error("%s hangs; the watchdog of the service manager, if there is one, will end Tagger", hung)
        self._hung = hung
        if not hung:
            say("WATCHDOG=1")
        status = f"{hung} hangs; {status}" if hung else status
        if status != self._status and self._clock() >= self._told_at + STATUS_EVERY:
            say(f"STATUS={status}")
            self._status, self._told_at = status, self._clock()
