"""One small tree of errors. Each says what failed, on which file or key, and what to do next.

An error ends a command with its `exit_code`. A bad picture is not an error: it is a `Failed`.
"""


class TaggerError(Exception):
    """`where` is the file or key, `what` happened there, `hint` is what to do next."""

    exit_code = 1

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        super().__init__(where, what, hint)
        self.where, self.what, self.hint = where, what, hint

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"\n  {self.hint}" if self.hint else "")


class ConfigError(TaggerError):
    """The config file, an environment override or an argument cannot be used."""

    exit_code = 2


class ModelError(TaggerError):
    """Weights, labels or an engine cannot be used."""

    exit_code = 3


class DatabaseError(TaggerError):
    """The database is missing, of another version, in use, or cannot be written."""

    exit_code = 4
