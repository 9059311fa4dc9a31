"""How nice a process becomes; in one of its own, since there may be no way back."""

import subprocess
import sys

SCRIPT = """
import os, threading
from tagger.host.priority import be_nice
nicer, done = threading.Event(), threading.Event()
def work():
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), ours + 7)
    nicer.set()
    done.wait()
ours = os.getpriority(os.PRIO_PROCESS, 0)
thread = threading.Thread(target=work)
thread.start()
nicer.wait()
if os.geteuid() == 0:
    os.setuid(65534)
def now(thread):
    return os.getpriority(os.PRIO_PROCESS, thread) - ours
print(be_nice(0), now(0), now(thread.native_id))
print(be_nice(3), now(0), now(thread.native_id))
print(be_nice(0), now(0), now(thread.native_id))
done.set()
"""


def test_a_thread_that_is_nicer_by_itself_stays_so_and_is_no_obstacle() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True 0 7", "True 3 7", "False 3 7"]
