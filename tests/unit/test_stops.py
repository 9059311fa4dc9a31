"""A signal that the main thread's own wait does not feel: another thread took it, or it came just before."""

import signal
import subprocess
import sys
import threading
from contextlib import closing

from tagger.stops import Stops

TAKEN_BY_ANOTHER_THREAD = """
import os, signal, threading
from tagger.stops import Stops

stops = Stops()
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
    with closing(Stops()) as stops:
        stage = threading.Thread(target=stops.crashed, args=[death])
        stage.start()
        assert stops.wait() is death
        stage.join()


def test_without_a_reason_the_wait_ends_with_its_time() -> None:
    with closing(Stops()) as stops:
        assert stops.wait(timeout=0) is None
