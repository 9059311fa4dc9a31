"""Names that a mistyped word was likely meant for, and how they are offered.

Keys, time zones and models are few and long, so the closest in shape is offered (`closest`). Labels are a thousand short
words, of which any is like some other: there a wrong guess costs more than none, for it looks as if the model knew, and
only names with few wrong letters are offered (`spelled`). Its cut-off was measured on forty typing errors and forty words
that no label means; tests/unit/test_suggestions.py has them.
"""

import difflib
from collections.abc import Iterable, Sequence

MOST = 3
"""Names that are offered."""
_SHORT, _LONG = 7, 12
"""Letters from which on two, and three, may be wrong; the first is right then."""


def did_you_mean(near: Iterable[str], otherwise: str = "") -> str:
    """Return the question whether one of the names was meant, or what to say `otherwise` where there is none."""
    names = ", ".join(near)
    return f"did you mean {names}?" if names else otherwise


def closest(given: str, known: Iterable[str]) -> list[str]:
    """Return the name whose shape is closest to `given`, in a list; an empty one where none is close."""
    return difflib.get_close_matches(given, list(known), n=1)


def spelled(given: str, known: Iterable[str]) -> list[str]:
    """Return names that are spelled nearly like `given`, those with the fewest letters wrong; both without capitals."""
    allowed = 1 + (len(given) >= _SHORT) + (len(given) >= _LONG)
    letters, near = set(given), dict[int, list[str]]()
    for name in known:
        if abs(len(name) - len(given)) > allowed or len(letters ^ set(name)) > 2 * allowed:
            continue  # each wrong letter accounts for two that only one of them has
        wrong = _wrong_letters(given, name)
        begins_alike = name[:1] == given[:1]
        if wrong <= allowed and (begins_alike or (wrong == 1 and len(given) > 2)):
            near.setdefault(wrong, []).append(name)
    return near[min(near)][:MOST] if near else []


def _wrong_letters(given: str, name: str) -> int:
    """Return how many letters were left out, put in, mistaken or swapped with their neighbour."""
    before: Sequence[int] = ()
    last: Sequence[int] = range(len(name) + 1)
    for row, letter in enumerate(given, 1):
        now = [row]
        for column, other in enumerate(name, 1):
            fewest = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != other))
            if row > 1 < column and letter == name[column - 2] and given[row - 2] == other:
                fewest = min(fewest, before[column - 2] + 1)
            now.append(fewest)
        before, last = last, now
    return last[-1]
