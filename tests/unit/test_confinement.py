"""What a process has given up it does not get back: each is tried in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagger.host import confinement


def said(program: str) -> str:
    """What a process prints that gives something up, and then tries to have it."""
    command = (sys.executable, "-c", f"import os; from tagger.host import confinement as c; {program}")
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()


def test_memory_beyond_the_bound_is_not_to_be_had() -> None:
    bounded = "bound = c.MemoryBound(200 << 20); bound.impose();"
    assert said(f"{bounded} bytearray(100 << 20)") == ""
    assert said(f"{bounded} bytearray(300 << 20)").endswith("MemoryError")


def test_a_bound_on_memory_can_be_lowered_for_a_while() -> None:
    bound = "bound = c.MemoryBound(200 << 20); bound.impose(); lower = bound.lowered_to(50 << 20); lower.__enter__();"
    assert said(f"{bound} bytearray(100 << 20)").endswith("MemoryError")
    assert said(f"{bound} lower.__exit__(None, None, None); bytearray(100 << 20)") == ""


@pytest.mark.parametrize(
    "attempt",
    [
        "os.open('/etc/passwd', os.O_RDONLY)",
        "import socket; socket.socket()",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999))",
    ],
)
def test_no_file_is_opened_and_no_connection_made(attempt: str) -> None:
    assert said(attempt.replace("9999", "99")) == ""
    error = said(f"import socket, resource; c.give_up_files_and_dumps(); c.give_up_capabilities(); {attempt}")
    assert "Too many open files" in error or "not allowed to raise" in error


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has what can be given up")
def test_what_belongs_to_others_is_read_only_where_that_right_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "theirs"
    file.touch(0o600)
    os.chown(file, 65534, 65534)
    look = f"open({str(file)!r}).close()"
    assert "Permission denied" in said(f"c.give_up_capabilities(); {look}")
    assert said(f"c.give_up_capabilities([c.READ_FILES]); {look}") == ""
    assert "Permission denied" in said(
        f"c.give_up_capabilities([c.READ_FILES]); {look.replace(').', ', chr(97)).')}"
    )


def test_settings_are_no_part_of_an_environment_without_them() -> None:
    had = {"PATH": "/bin", "TAGGER_WEB__TOKEN": "a secret", "TAGGER_CONFIG": "/etc"}
    assert confinement.without_settings(had) == {"PATH": "/bin"}
