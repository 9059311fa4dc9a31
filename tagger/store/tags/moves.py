"""Files that moved: their rows go with them, tags, verdicts and `seq` as they are; what their new paths tell is read anew."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from tagger.host.beneath import Reach
from tagger.records import Stamp
from tagger.store.core import file_moves, pathtext
from tagger.store.core.columns import instant_text
from tagger.store.core.write_retry import retried
from tagger.store.queue import transitions
from tagger.store.queue.file_queue import FileQueue
from tagger.store.queue.moves import Former, one_to_one, unchanged
from tagger.store.queue.stamps import Roots
from tagger.store.tags import head_backlog
from tagger.store.tags.redate import Redate
from tagger.wording.escape import shown

log = logging.getLogger(__name__)


class Moves:
    """Follows files whose folders were renamed or moved, without reading them. Threads may share it."""

    def __init__(self, queue: FileQueue, redates: Mapping[str, Redate], reaches: Mapping[str, Reach]) -> None:
        """`redates` date each source's pictures, and `reaches` look for its files, by its name."""
        self._queue, self._database = queue, queue.database
        self._redates, self._reaches = redates, reaches

    def follow(self, stamps: Sequence[Stamp]) -> list[Stamp]:
        """Move the rows of files that lie at the paths of some of the stamps now; return the other stamps."""
        pairs = one_to_one(self._candidates(stamps), self._reaches) if stamps else {}
        moved = self._move(pairs) if pairs else {}
        if moved:
            self._queue.add_work(sum(moved.values()))
            first = shown(next(iter(moved)).path)
            log.info("moved with their folder: %d, such as %s; their tags stay", len(moved), first)
        return [stamp for stamp in stamps if stamp not in moved]

    @retried
    def _candidates(self, stamps: Sequence[Stamp]) -> dict[Stamp, list[Former]]:
        with self._database.read() as connection:
            found = unchanged(connection, Roots(connection), stamps)
            heads = head_backlog.heads_by_source(connection)
        return {stamp: some for stamp, some in found.items() if self._keep_tags(some, stamp.source, heads)}

    def _keep_tags(self, some: Sequence[Former], source: str, heads: Mapping[str, Collection[int]]) -> bool:
        """Return whether in this source their tags would be the same: it may read pictures in another way, or have other heads."""
        return all(
            self._queue.are_current((old.model_id, old.taxonomy_id), source)
            and heads.get(old.source) == heads.get(source)
            for old in some
        )

    @retried
    def _move(self, pairs: Mapping[Stamp, Former]) -> dict[Stamp, bool]:
        """Return which moved, by where they are now, and whether each became work."""
        moved: dict[Stamp, bool] = {}
        with self._database.write() as connection:
            roots = Roots(connection)
            for stamp, old in pairs.items():
                if (is_work := transitions.move(connection, roots, old, stamp)) is not None:
                    moved[stamp] = is_work
            self._date(connection, {stamp: pairs[stamp].id for stamp in moved})
            record(connection, {stamp: pairs[stamp] for stamp in moved}, self._queue.now())
        return moved

    def _date(self, connection: Connection, moved: Mapping[Stamp, int]) -> None:
        by_source: dict[str, list[int]] = defaultdict(list)
        for stamp, id_ in moved.items():
            by_source[stamp.source].append(id_)
        for name, ids in by_source.items():
            self._redates[name].moved(connection, ids)


def record(connection: Connection, moved: Mapping[Stamp, Former], now: datetime) -> None:
    """Keep which files moved, and from where, for whoever listens; not those of which only the source is another."""
    at = instant_text(now)
    file_moves.add(
        connection,
        [
            {
                "file_id": old.id,
                "source": stamp.source,
                "path": pathtext.to_text(stamp.path),
                "old_path": pathtext.to_text(old.path),
                "moved_at": at,
            }
            for stamp, old in moved.items()
            if stamp.path != old.path
        ],
    )
