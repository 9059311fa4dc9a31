"""What became of a batch of files, in one transaction with their state.

A file's facts (hash, dimensions, time) and its reading always speak of the same content. Where the new
content of a file fails, both go: no picture is shown with the tags of one that stood there before.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, LargeBinary, bindparam, cast, select

from tagger.config.path_rules import PathRules
from tagger.heads.light import LIGHT, lit, with_light
from tagger.host.beneath import Reach
from tagger.host.failpoints import reach
from tagger.records import (
    Changed,
    Facts,
    Failed,
    Gone,
    Health,
    Known,
    Label,
    ModelIdentity,
    Outcome,
    Reading,
    Stamp,
    Tagged,
    Taxonomy,
)
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.store.core.prepared import Prepared
from tagger.store.core.registry import Registered, register, set_limits, set_thresholds
from tagger.store.core.schema import feature, file, reading
from tagger.store.core.write_retry import retried
from tagger.store.queue.moves import Former, one_to_one, same_content
from tagger.store.queue.stamps import Row
from tagger.store.queue.transitions import (
    claimed,
    finish_done,
    finish_failed,
    finish_gone,
    finish_without_twin,
    take_over,
)
from tagger.store.tags import file_metadata, heads, readings
from tagger.store.tags.heads import HeadsInUse, PictureRow
from tagger.store.tags.moves import record
from tagger.store.tags.readings import NewReading, Said
from tagger.store.tags.vectors import unpacked
from tagger.store.tags.verdicts import VerdictIndex, verdicts_on

_NO_RULES = PathRules()

_HEALTH = tuple(Health.__dataclass_fields__)
_TOLD = ("sha256", "width", "height", "format", "taken_at", "from_camera", "damaged", "taken_from")
_FACTS = (*_TOLD, *_HEALTH)

_THIS = file.c.id == bindparam("this_file")
_SAME = select(file.c.id, *(file.c[name] for name in _FACTS)).join(reading, reading.c.file_id == file.c.id)
_SAME = _SAME.where(
    file.c.sha256 == bindparam("sha256"),
    reading.c.model_id == bindparam("model"),
    reading.c.taxonomy_id == bindparam("taxonomy"),
).limit(1)
_ITSELF, _TWIN = Prepared(_SAME.where(_THIS)), Prepared(_SAME)

_VECTOR = Prepared(
    select(cast(feature.c.vector, LargeBinary)).where(feature.c.file_id == bindparam("this_file"))
)

_OUTDATED = Prepared(
    select(file.c.id).where(file.c.sha256 == bindparam("sha256"), file.c.taken_from.is_(None)).limit(1)
)


class Writer:
    """Stores outcomes as readings of one model, which may read each source's pictures in a way of its own."""

    def __init__(
        self,
        database: Database,
        identity: ModelIdentity,
        labels: Sequence[Label],
        taxonomy: Taxonomy,
        description: str,
        now: Callable[[], datetime],
        *,
        identities: Mapping[str, ModelIdentity] = MappingProxyType({}),
        places: Mapping[str, PathRules] = MappingProxyType({}),
        thresholds: Mapping[str, float] = MappingProxyType({}),
        limits: Mapping[str, float] = MappingProxyType({}),
        reaches: Mapping[str, Reach] = MappingProxyType({}),
        keep_old: bool = False,
    ) -> None:
        """Register the model, now the one in use, its labels, in class order, and their categories. `now` gives UTC.

        `identities` are the model's for sources, by name, whose pictures it reads in another way; `places` tell how
        sources' paths and clocks are read; `thresholds` are scores by names of labels and categories, `limits` are numbers that
        views compare with, such as `health.black`; `reaches` look for sources' files. With `keep_old`, the tags of an earlier model are kept as old tags.
        """
        self._database, self._now, self._keep_old = database, now, keep_old
        self._places, self._reaches, self.heads = places, reaches, HeadsInUse()
        self.thresholds = thresholds
        self.registered = self._register(identity, identities, description, labels, taxonomy)
        self._set(thresholds, limits)

    @property
    def database(self) -> Database:
        """Return the database that it writes to."""
        return self._database

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes in one transaction. One whose file has changed since is dropped: a newer one will come.

        A new file whose content is that of one file that is gone from its place is that file: its row comes here.
        """
        if formers := self._write_new(outcomes):
            self._write_moved(outcomes, one_to_one(formers, self._reaches))

    @retried
    def _write_new(self, outcomes: Sequence[Outcome]) -> dict[Stamp, list[Former]]:
        """Store outcomes, unless rows of the same content may be those of new files: return these, and store nothing.

        They are asked for in the transaction that writes, whose connection has the pages at hand: that is nearly free, while
        in one of its own it took a tenth of the time. But no folder is looked into meanwhile.
        """
        contents = {outcome.stamp: sha for outcome in outcomes if (sha := _sha256(outcome))}
        with self._database.write() as connection:
            formers = same_content(connection, contents)
            if not formers:
                self._store(connection, outcomes)
        return formers

    @retried
    def _write_moved(self, outcomes: Sequence[Outcome], formers: Mapping[Stamp, Former]) -> None:
        with self._database.write() as connection:
            moved = {stamp: old for stamp, old in formers.items() if take_over(connection, old, stamp)}
            if moved:
                record(connection, moved, self._now())
            self._store(connection, outcomes)

    def _store(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        rows = claimed(connection, [outcome.stamp for outcome in outcomes])
        current = {outcome.stamp: outcome for outcome in outcomes if outcome.stamp in rows}.values()
        in_use, now = self.heads, self._now()
        batch = _Batch(connection, rows, self.registered, self._places, self._keep_old, now, in_use)
        batch.tagged([outcome for outcome in current if isinstance(outcome, Tagged)])
        for outcome in current:
            match outcome:
                case Known():
                    batch.known(outcome)
                case Failed():
                    batch.failed(outcome)
                case Gone() | Changed():
                    finish_gone(connection, rows[outcome.stamp])
        reach("store")

    @retried
    def knows(self, source: str, sha256: str) -> bool:
        """Return whether the model, as it reads this source, has tagged this content with these categories, in any file."""
        asked = {"model": self.registered.model_of(source), "taxonomy": self.registered.taxonomy}
        with self._database.read() as connection:
            return bool(_TWIN.rows(connection, sha256=sha256, **asked))

    @retried
    def is_outdated(self, sha256: str) -> bool:
        """Return whether an earlier release read this content, which told less of a picture than this one does."""
        with self._database.read() as connection:
            return bool(_OUTDATED.rows(connection, sha256=sha256))

    @retried
    def _register(
        self,
        identity: ModelIdentity,
        identities: Mapping[str, ModelIdentity],
        description: str,
        labels: Sequence[Label],
        taxonomy: Taxonomy,
    ) -> Registered:
        with self._database.write() as connection:
            now = self._now()
            return register(connection, identity, description, labels, taxonomy, now, identities)

    @retried
    def _set(self, thresholds: Mapping[str, float], limits: Mapping[str, float]) -> None:
        with self._database.write() as connection:
            set_thresholds(connection, thresholds)
            set_limits(connection, limits)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Stores outcomes within one transaction. New tags, of which there are many, go in few statements, all else file by file."""

    connection: Connection
    rows: Mapping[Stamp, Row]
    registered: Registered
    places: Mapping[str, PathRules]
    keep_old: bool
    now: datetime
    heads: HeadsInUse

    def tagged(self, outcomes: Sequence[Tagged]) -> None:
        """Store new readings, with what people say of the pictures."""
        verdicts = verdicts_on(self.connection, [outcome.facts.sha256 for outcome in outcomes])
        new, files = [], []
        for outcome in outcomes:
            row = self.rows[outcome.stamp]
            facts = _facts(outcome.facts)
            metadata = self._metadata(outcome.stamp, row, facts)
            said, alone = verdicts.applied(outcome.facts.sha256, self._said(outcome.reading))
            self._forget(row, outcome.facts.sha256, outcome.stamp)
            new.append(self._reading(row, outcome, metadata["captured_at"], said, alone))
            files.append({"this_file": row.id, **facts, **metadata})
        readings.add(self.connection, new, instant_text(self.now))
        self._label(outcomes, new, verdicts)
        finish_done(self.connection, files)

    def known(self, outcome: Known) -> None:
        """Copy the reading of a file of the same content, or keep the one that this file has, its `seq` too.

        If the original is gone meanwhile, the file waits again.
        """
        row, model = self.rows[outcome.stamp], self.registered.model_of(outcome.stamp.source)
        same = {"sha256": outcome.sha256, "model": model, "taxonomy": self.registered.taxonomy}
        found = _ITSELF.rows(self.connection, this_file=row.id, **same) or _TWIN.rows(
            self.connection, this_file=row.id, **same
        )
        if not found:
            finish_without_twin(self.connection, row)
            return
        original, *values = found[0]
        facts = _facts(outcome.facts) if outcome.facts else dict(zip(_FACTS, values, strict=True))
        metadata = self._metadata(outcome.stamp, row, facts)
        self._take_tags(row, outcome, original, model, metadata["captured_at"])
        picture = PictureRow(row.id, outcome.sha256, metadata["captured_at"], row.seen_at, model)
        self._label_copy(outcome, picture, [facts[name] for name in LIGHT])
        finish_done(self.connection, [{"this_file": row.id, **facts, **metadata}])

    def _label(self, outcomes: Sequence[Tagged], new: Sequence[NewReading], verdicts: VerdictIndex) -> None:
        """Store what heads say of new pictures."""
        by_source: dict[str, list[tuple[PictureRow, bytes]]] = defaultdict(list)
        for outcome, one in zip(outcomes, new, strict=True):
            if outcome.features and self.heads.of(outcome.stamp.source):
                sha256 = outcome.facts.sha256
                picture = PictureRow(one.file_id, sha256, one.captured_at, one.seen_at, one.model_id)
                by_source[outcome.stamp.source].append((picture, lit(outcome.features, outcome.facts.health)))
        for source, found in by_source.items():
            pictures, vectors = zip(*found, strict=True)
            self.heads.label(self.connection, source, pictures, vectors, verdicts)

    def _label_copy(self, outcome: Known, picture: PictureRow, light: Sequence[float | None]) -> None:
        """Store what the heads of its source say of a picture whose reading is there; it may have come from another source."""
        heads.forget_all(self.connection, picture)
        if self.heads.of(outcome.stamp.source):
            rows = _VECTOR.rows(self.connection, this_file=picture.file_id)
            vectors = [with_light(unpacked(stored), light) for (stored,) in rows]
            verdicts = verdicts_on(self.connection, [outcome.sha256])
            self.heads.label(
                self.connection, outcome.stamp.source, [picture][: len(vectors)], vectors, verdicts
            )

    def failed(self, outcome: Failed) -> None:
        """Store why a file failed, and forget what was known of its earlier content."""
        row = self.rows[outcome.stamp]
        self._forget(row, "", outcome.stamp)
        file_metadata.set_attributes(self.connection, row.id, {}, had_some=row.tagged)
        finish_failed(self.connection, row, outcome, self.now)

    def _metadata(self, stamp: Stamp, row: Row, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the path and the clocks tell, as columns, and store the attributes in their table."""
        rules = self.places.get(stamp.source, _NO_RULES)
        taken = file_metadata.taken(facts["taken_at"], facts["taken_from"])
        columns, attributes = file_metadata.metadata_of(rules, row.path, taken, stamp.mtime_ns, self.now)
        file_metadata.set_attributes(self.connection, row.id, attributes, had_some=row.tagged)
        return columns

    def _said(self, read: Reading) -> Said:
        return Said(
            tuple((self.registered.labels[one.label.key], one.score, None) for one in read.tags),
            tuple((self.registered.categories[key], score) for key, score in read.categories),
            read.top_score,
            read.margin,
            read.entropy,
            read.outdoor,
        )

    def _reading(
        self, row: Row, outcome: Tagged, captured_at: str, said: Said, alone: str | None
    ) -> NewReading:
        model, taxonomy = self.registered.model_of(outcome.stamp.source), self.registered.taxonomy
        return NewReading(row.id, captured_at, row.seen_at, model, taxonomy, said, alone, outcome.features)

    def _take_tags(self, row: Row, outcome: Known, original: int, model: int, captured_at: str) -> None:
        """Give the file the reading of the `original`, which may be the same file."""
        if original == row.id:
            readings.date(self.connection, row.id, captured_at)
            return
        self._forget(row, outcome.sha256, outcome.stamp)
        tagged_at = instant_text(self.now)
        readings.copy(self.connection, original, row.id, model, captured_at, row.seen_at, tagged_at)

    def _forget(self, row: Row, sha256: str, stamp: Stamp) -> None:
        """Delete the file's readings, of whatever model, before those of the content `sha256` come."""
        if not row.tagged:
            return
        if row.sha256 != sha256:
            readings.forget_old(self.connection, [row.id])
        elif self.keep_old:
            readings.keep(self.connection, [row.id], self.registered.model_of(stamp.source))
        readings.forget(self.connection, [row.id])


def _sha256(outcome: Outcome) -> str | None:
    """Return the hash of the content that was read; None where there is none."""
    match outcome:
        case Tagged():
            return outcome.facts.sha256
        case Known():
            return outcome.sha256
    return None


def _facts(facts: Facts) -> dict[str, Any]:
    health = dict.fromkeys(_HEALTH) if facts.health is None else asdict(facts.health)
    taken_at = facts.taken_at.isoformat() if facts.taken_at else None
    told = {name: getattr(facts, name) for name in _TOLD}
    return told | {"taken_at": taken_at, "taken_from": facts.taken_from or ""} | health
