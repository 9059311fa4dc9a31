"""A signal that the main thread's own wait does not feel: another thread took it, or it came just before."""

import signal
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from tagger.runtime.signals import Signals

TAKEN_BY_ANOTHER_THREAD = """
import os, signal, threading
import pytest

from tagger.runtime.signals import Signals

stops = Signals()
stops.listen([signal.SIGTERM])
asleep = threading.Event()

def take() -> None:
    # The kernel hands the signal to this thread, so the main thread's wait is not interrupted.
    asleep.wait()
    while "S (sleeping)" not in open(f"/proc/self/task/{os.getpid()}/status").read():
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

taker = threading.Thread(target=take)
taker.start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
asleep.set()
print(stops.wait())
"""


def test_a_signal_that_another_thread_takes_wakes_the_main_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_BY_ANOTHER_THREAD],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) == signal.SIGTERM


def test_what_killed_a_stage_is_a_reason_to_stop() -> None:
    death = OSError("the disk is on fire")
    with closing(Signals()) as stops:
        stage = threading.Thread(target=stops.crashed, args=[death])
        stage.start()
        assert stops.wait() is death
        stage.join()


def test_without_a_reason_the_wait_ends_with_its_time() -> None:
    with closing(Signals()) as stops:
        assert stops.wait(timeout=0) is None


HEARD = """
import os, signal
from tagger.runtime.signals import StoppedError, Signals

stops = Signals()
stops.listen([signal.SIGTERM, signal.SIGHUP])
"""


def run(script: str) -> "subprocess.CompletedProcess[str]":
    """What a process says that hears signals; the pipe is read by a thread, so `heard` waits until that is done."""
    heard = """
def heard(number):
    os.kill(os.getpid(), number)
    while not (stops._stop if number != signal.SIGHUP else stops._anew):
        pass
"""
    return subprocess.run(
        [sys.executable, "-c", HEARD + heard + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_thousand_wishes_to_begin_anew_are_one_and_a_stop_comes_first() -> None:
    script = """
for _ in range(1000):
    heard(signal.SIGHUP)
print(stops.wait(), stops.wait(0))
heard(signal.SIGHUP)
stops.crashed(OSError("on fire"))
heard(signal.SIGTERM)
print(stops.wait(), stops.wait())
stops.close()
"""
    assert run(script).stdout.split() == ["1", "None", "15", "15"]


def test_a_stop_ends_a_rest_at_once_but_only_in_the_main_thread() -> None:
    script = """
import threading
rested = []
def rest():
    stops.rest(0.01)
    rested.append(True)
heard(signal.SIGTERM)
other = threading.Thread(target=rest)
other.start()
other.join()
try:
    stops.rest(1000)
except StoppedError:
    print(rested)
stops.close()
"""
    assert run(script).stdout == "[True]\n"


@pytest.mark.long
def test_a_stop_ends_what_gives_no_sign() -> None:
    """The main thread is in a library: SQLite computes what has no end."""
    script = """
import sqlite3, threading
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
sqlite3.connect(":memory:").execute(endless)
"""
    done = run(script)
    assert (done.returncode, "does not end in time" in done.stderr) == (0, True)
