"""A check tells what it has found in findings."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "problem"]
"""A note is good to know; a warning costs something, a problem keeps pictures from being tagged."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check has found. `hint` is what to do about it; it is empty where there is nothing to be done."""

    level: Level
    what: str
    hint: str = ""

    @property
    def is_trouble(self) -> bool:
        return self.level in ("warning", "problem")
