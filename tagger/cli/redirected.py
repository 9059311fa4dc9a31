"""Of an unquoted `>=` in a query the shell makes a file, into which Tagger would write its answer."""

import os
import re
import shlex
import stat
from pathlib import Path

from tagger.errors import ConfigError

_STDOUT = 1
_OF_A_COMPARISON = re.compile(r"=\s*|=?\s*\d*\.?\d+\s*%?")
"""What the file is called: `=` of `>= 0.5`, `=0.5` of `>=0.5`, `0.5` of `> 0.5`."""


def refuse_what_the_shell_took(text: str) -> None:
    """Raise ConfigError where standard output is a file, in this folder, that the shell made of a comparison in `text`."""
    if made := _file_made():
        what = f"the shell took the > in this query for a redirection, and made a file called {made} here"
        query = shlex.quote(_meant(text, made.lstrip("=").strip()))
        hint = f"remove it (rm ./{shlex.quote(made)}), and put the query in quotes: tagger search {query}"
        raise ConfigError("tagger search", what, hint)


def _file_made() -> str:
    """Return the name of the file that standard output is; empty where the shell did not make it so."""
    try:
        if not stat.S_ISREG(os.fstat(_STDOUT).st_mode):
            return ""
        made = Path(f"/proc/self/fd/{_STDOUT}").readlink()
    except OSError:  # it is closed, or there is no /proc
        return ""
    is_here = str(made.parent) == os.path.realpath(os.curdir)
    return made.name if is_here and _OF_A_COMPARISON.fullmatch(made.name) else ""


def _meant(text: str, score: str) -> str:
    """Return the query as it was typed, as far as can be told: of `>= 0.5` the score is among the words that are left."""
    if score:
        return f"{text} >= {score}"
    meant = re.sub(r"(?<=\S)\s+(\d*\.?\d+\s*%?)(?!\S)", r" >= \1", text, count=1)
    return meant if meant != text else f"{text} >= 0.5"
