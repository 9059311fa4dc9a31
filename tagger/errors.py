"""One small tree of errors. Each says what failed, on which file or key, and what to do next.

An error ends a command with its `exit_code`. As text it can be shown to people, whatever it names. A bad picture is not an error: it is a `Failed`.
"""

from enum import StrEnum

from tagger.wording.escape import cut, shown_lines, without_password

_WHERE, _WHAT, _HINT = 500, 1200, 250
"""Characters of each that are shown; a path may have 4,096 bytes, and what a file or a server says has no end."""


class ErrorKind(StrEnum):
    """What sort of error it is, for whoever must choose by it, such as the status of an answer; people read the words."""

    FAILED = "failed"
    """Tagger, or what it stands on, cannot do it at the moment."""
    INVALID = "invalid"
    """What was given cannot be understood, or names what is not known."""
    REFUSED = "refused"
    """What was asked is understood, and cannot be done."""
    MISSING = "missing"
    """What was asked for is not there."""


class TaggerError(Exception):
    """`where` is the file or key, `what` happened there, `hint` is what to do next."""

    exit_code = 1
    kind = ErrorKind.FAILED

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
    kind = ErrorKind.INVALID


class ModelError(TaggerError):
    """Weights, labels or an engine cannot be used."""

    exit_code = 3


class PictureError(TaggerError):
    """A picture cannot be shown, for what its bytes are."""

    kind = ErrorKind.REFUSED


class DatabaseError(TaggerError):
    """The database is missing, of another version, in use, or cannot be written."""

    exit_code = 4
