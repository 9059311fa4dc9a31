"""How the work stands at a moment, of what only the worker itself knows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """`troubles` say, by source, why it is not watched; nothing where it is. Those that are `away` cannot be read at all.

    `waiting` counts pictures by where they wait; `tagged` and `failed` files since the start. `unsettled_for` are
    seconds, of the path that is waited for the longest.
    """

    troubles: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    tagged: int = 0
    failed: int = 0
    away: Collection[str] = ()
    unsettled_for: float = 0
