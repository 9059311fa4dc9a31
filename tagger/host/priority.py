"""Priority: how readily the processor is left to others (`limits.nice`), counted from what the process was started with.

Linux keeps a priority for each thread, and a new one has its creator's: so each thread gets it that has the caller's, and
not one that is nicer by itself. Less nice than before, only the privileged may become.
"""

import os
from contextlib import suppress

_AT_THE_START = os.getpriority(os.PRIO_PROCESS, 0)
_NICEST = 19


def be_nice(by: int) -> bool:
    """Make the threads of this process nicer than at its start `by` so much. Return whether that was allowed."""
    had, wanted = os.getpriority(os.PRIO_PROCESS, 0), min(_AT_THE_START + by, _NICEST)
    try:
        for thread in map(int, os.listdir("/proc/self/task")):
            with suppress(ProcessLookupError):  # one that has just ended
                if os.getpriority(os.PRIO_PROCESS, thread) == had != wanted:
                    os.setpriority(os.PRIO_PROCESS, thread, wanted)
    except PermissionError:
        return False
    return True
