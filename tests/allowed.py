"""What this machine lets a test do to itself, as commands that run another; what it refuses is skipped, with the reason.

An ordinary user has no privileges to drop. In a container, namespaces may be forbidden, and limits be there to read only.
"""

import os
import shutil
import subprocess

import pytest

OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
NO_PRIVILEGES = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
NO_NICE = ("setpriv", "--bounding-set", "-sys_nice") if os.geteuid() == 0 else ()
_WRITABLE = 'test -w /proc/sys/user/max_inotify_watches && exec "$@"'
OWN_LIMITS = ("unshare", "--user", "--map-root-user", "sh", "-c", _WRITABLE, "sh")


def needs(command: tuple[str, ...]) -> pytest.MarkDecorator:
    able = not command or (shutil.which(command[0]) and _runs([*command, "true"]))
    return pytest.mark.skipif(not able, reason=f"needs {' '.join(command)} to work here")


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
