"""A small Debian with a systemd of its own, in which Tagger is installed from a wheel.

debootstrap brings the system, systemd-nspawn boots it without a network and without a systemd outside. What Tagger stands on
is this checkout's: its site-packages are there to read, and the machine's Python is of the same version. Commands run in
the machine by nsenter, as root's or another's.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Debian's, by the Python that is in it."""

PACKAGES = (
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,sqlite3,python3,libgomp1,"
    "python3-venv,python-is-python3"  # for the image
)
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "unshare")
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NAME = "tagger-test"
PATIENCE = 90.0
_SITE = Path(sys.prefix) / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/opt/tagger/bin"
_INSTALL = """
set -e
python3 -m venv --without-pip /opt/tagger
echo /opt/dependencies >$(echo /opt/tagger/lib/python3.*/site-packages)/dependencies.pth
/opt/tagger/bin/python -m pip install --quiet --root-user-action=ignore --no-deps --no-index /root/*.whl
useradd --create-home alice
useradd --create-home --groups users bob
chmod 700 /home/alice
mkdir --mode=700 /home/alice/Pictures
chown alice: /home/alice/Pictures
"""


def lacks() -> str:
    """Why there can be no machine here; nothing where there can."""
    if os.geteuid():
        return "only root may boot a machine"
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"not installed: {', '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], check=False).returncode:
        return "this root may not make namespaces"
    if not KEYS.exists():
        return "Debian's keys are not installed (debian-archive-keyring)"
    if sys.version_info[:2] not in SUITES:
        return f"no Debian has Python {sys.version_info[0]}.{sys.version_info[1]}"
    return ""


class Machine:
    """One that runs. `root` is its file system, `leader` its first process as this machine sees it."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self._enter = [
            "nsenter",
            "--all",
            "--target",
            str(leader),
            "env",
            "-i",
            f"PATH={_PATH}",
            "HOME=/root",
        ]

    def ask(self, script: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Runs a script of the shell's in it."""
        words = ["sh", "-c", script] if user == "root" else ["su", user, "-c", script]
        return subprocess.run(
            [*self._enter, *words], capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def do(self, script: str, user: str = "root") -> str:
        """What it prints. It must succeed."""
        done = self.ask(script, user)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout.strip()

    def until(self, script: str, wanted: str) -> float:
        """Asks again and again until the answer is the one wanted; the seconds that it took."""
        began = monotonic()
        while (said := self.ask(script).stdout.strip()) != wanted:
            assert monotonic() < began + PATIENCE, f"{script}: {said!r}, not {wanted!r}\n{self.log()}"
        return monotonic() - began

    def log(self) -> str:
        return self.ask("journalctl --unit tagger --no-pager --output cat").stdout

    def shown(self, name: str) -> str:
        """A property of the service's, as systemd knows it."""
        return self.do(f"systemctl show tagger --property={name} --value")


def build(debian: Path, folder: Path) -> Path:
    """Installs Tagger from a wheel of this checkout in a copy of a system; gives its root."""
    root = folder / "root"
    run("cp", "-a", str(debian), str(root))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(root / "root"), ".")
    run(*_nspawn(root), "--pipe", "sh", "-c", _INSTALL)
    return root


def debootstrap(root: Path) -> None:
    # In mounts of its own, so that none of debootstrap's stays; and no power cut matters to it.
    suite = SUITES[sys.version_info[:2]]
    own = ["env", "DPKG_FORCE=unsafe-io", "unshare", "--mount", "--propagation", "private"]
    run(*own, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(root))


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """Nothing of it is left running, or mounted."""
    hierarchy = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    words = [*_nspawn(root), "--boot", "--console=read-only", "--private-network"]
    with subprocess.Popen(
        words, env=hierarchy, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as nspawn:
        try:
            machine = Machine(root, leader_of(nspawn.pid, "systemd"))
            machine.until("systemctl is-system-running", "running")
            yield machine
        finally:
            nspawn.terminate()  # it shuts the machine down
            with suppress(subprocess.TimeoutExpired):
                nspawn.wait(30)
            nspawn.kill()
    shutil.rmtree(Path("/run/systemd/nspawn/propagate", NAME), ignore_errors=True)


def _nspawn(root: Path) -> list[str]:
    bind = f"--bind-ro={_SITE}:/opt/dependencies"
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        f"--machine={NAME}",
        "-D",
        str(root),
        bind,
    ]


def leader_of(nspawn: int, name: str) -> int:
    """Its child, once there is one and it is in namespaces of its own."""
    ours = Path("/proc/self/ns/pid_for_children").readlink()
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        with suppress(OSError, StopIteration):
            child = next(
                int(pid)
                for task in Path(f"/proc/{nspawn}/task").iterdir()
                for pid in (task / "children").read_text().split()
            )
            if Path(f"/proc/{child}/ns/pid").readlink() != ours and _is_called(child, name):
                return child
    raise AssertionError(f"{name} does not start")


def _is_called(pid: int, name: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == name


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
