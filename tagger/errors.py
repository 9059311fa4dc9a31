"""One small tree of errors. Each says what failed, on which file or key, and what to do next.

An error ends a command with its `exit_code`. As text it can be shown to people, whatever it names. A bad picture is not an error: it is a `Failed`.
"""

from tagger.wording.escape import cut, shown_lines, without_password

_WHERE, _WHAT, _HINT = 500, 1200, 250
"""Characters of each that are shown; a path may have 4,096 bytes, and what a file or a server says has no end."""


class TaggerError(Exception):
    """`where` is the file or key, `what` happened there, `hint` is what to do next."""

    exit_code = 1

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        super().__init__(where, what, hint)
        self.where, self.what, self.hint = where, what, hint

    def __str__(self) -> str:
        hint = f"\n  {_said(self.hint, _HINT)}" if self.hint else ""
        return f"{_said(self.where, _WHERE, '  ')}: {_said(self.what, _WHAT, '  ')}{hint}"


def _said(text: str, longest: int, indent: str = "") -> str:
    return cut(shown_lines(without_password(text), indent), longest)


class ConfigError(TaggerError):
    """The config file, an environment override or an argument cannot be used."""

    exit_code = 2


class ModelError(TaggerError):
    """Weights, labels or an engine cannot be used."""

    exit_code = 3


class DatabaseError(TaggerError):
    """The database is missing, of another version, in use, or cannot be written."""

    exit_code = 4
