"""What the gallery's filters ask for, in the search language: so that a page can be had by `tagger search` too."""

from dataclasses import dataclass
from typing import Literal

Since = Literal["", "1h", "24h", "7d", "30d"]
Certainty = Literal["", "certain", "uncertain"]
_CERTAINTIES = {"": "", "certain": "not uncertain", "uncertain": "uncertain"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What stands in the form: the search as it was typed, and what was chosen beside it."""

    q: str = ""
    source: str = ""
    category: str = ""
    since: Since = ""
    certainty: Certainty = ""

    def query(self) -> str:
        """All of it as one search."""
        parts = (
            f"({self.q})" if self.q.strip() else "",
            _quoted(self.category),
            f"in {_quoted(self.source)}" if self.source else "",
            f"since {self.since}" if self.since else "",
            _CERTAINTIES[self.certainty],
        )
        asked = [part for part in parts if part]
        return self.q if self.q.strip() and len(asked) == 1 else " and ".join(asked)

    def chosen(self) -> dict[str, str]:
        """What is not as it is from the start: the address's query."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in fields.items() if value}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if text else ""
