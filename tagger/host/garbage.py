"""When Python looks for garbage in circles: never in a short command, and in a daemon only among what is new.

Whatever no circle holds goes at once in any case. To look through code and a model, which make objects by the hundred
thousand and no garbage, takes a tenth of a second each time, during which nothing else runs.
"""

import gc


def ignore() -> None:
    """Stop looking for garbage: a command that ends soon leaves it behind."""
    gc.disable()


def look_for() -> None:
    """Look for garbage from now on, because there may be much."""
    gc.enable()


def look_for_new() -> None:
    """Look for garbage from now on, but leave alone what is there already."""
    gc.freeze()
    gc.enable()


def remove_all() -> None:
    """Remove all garbage that there is, also among what has been left alone, since some of it may be over by now."""
    gc.unfreeze()
    gc.collect()
