"""An inbox that tells at once what is written into it."""

from collections.abc import Callable, Iterable

from tagger.ingest.inbox import Inbox
from tagger.records import Sighting


class Told(Inbox):
    """Calls `see` with each sighting, and `lost` where events were lost."""

    def __init__(self, see: Callable[[Sighting], object], lost: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._see, self._lost = see, lost

    def see(self, sighting: Sighting) -> None:
        self._see(sighting)

    def ask_lost(self, sources: Iterable[str]) -> None:
        self._lost()
