"""What people say of a head's labels: one label a picture, where the head gives one, and tags that say it at once.

The readings stay as they are, and so do their `seq`: whoever follows the model's tags sees no picture again for it. A
head that is not learned yet, or that the picture's source has not, has no tags; then what is said waits in the verdicts, and is
an example for the next time that the head is learned.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import Connection, LargeBinary, bindparam, cast, delete, select

from tagger.errors import ModelError
from tagger.heads import files
from tagger.heads.light import LIGHT, with_light
from tagger.records import ModelIdentity
from tagger.store.core.heads import head, head_source
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import feature, file, label, model, reading, verdict
from tagger.store.tags import heads
from tagger.store.tags.heads import HeadsInUse, PictureRow
from tagger.store.tags.vectors import unpacked
from tagger.store.tags.verdicts import verdicts_on

_IDENTITY = (model.c.name, model.c.weights_sha256, model.c.preprocessing)
_PICTURES = Prepared(
    select(
        file.c.id, file.c.sha256, file.c.captured_at, file.c.seen_at, reading.c.model_id,
        *_IDENTITY, cast(feature.c.vector, LargeBinary), *(file.c[name] for name in LIGHT),
    )
    .join(reading, reading.c.file_id == file.c.id)
    .join(feature, feature.c.file_id == file.c.id)
    .join(model, model.c.id == reading.c.model_id)
    .join(head_source, head_source.c.source_id == file.c.source_id)
    .where(
        file.c.id.in_(listed("files")),
        head_source.c.head_id == bindparam("head"),
        head_source.c.sha256 != "",
    )
)  # fmt: skip


def heads_of(connection: Connection, labels: Iterable[int]) -> list[str]:
    """Return the names of the heads that these labels, by id, are of."""
    names = select(label.c.head).where(label.c.id.in_(list(labels)), label.c.head.is_not(None))
    return sorted(connection.scalars(names.distinct()))


def take_back_others(connection: Connection, sha256: str, label_id: int) -> None:
    """Take back what was said is right of a picture before, where its head gives one label and another is right now."""
    this = select(label.c.head).where(label.c.id == label_id).scalar_subquery()
    one_label = select(head.c.name).where(head.c.name == this, head.c.any.is_(False))
    others = select(label.c.id).where(label.c.head.in_(one_label), label.c.id != label_id)
    connection.execute(
        delete(verdict).where(
            verdict.c.sha256 == sha256, verdict.c.label_id.in_(others), verdict.c.is_right.is_(True)
        )
    )


def relabel(connection: Connection, folder: Path | None, ids: Sequence[int], names: Iterable[str]) -> None:
    """Write anew what these heads, whose files are in the folder, say of files by their ids, with all verdicts of now.

    A head whose files are damaged says nothing new; the daemon's log tells of them.
    """
    for name in names:
        try:
            learned = files.read(folder, name) if folder else None
        except ModelError:
            continue
        known = heads.stored(connection, learned) if learned else None
        if learned is None or known is None:
            continue
        for row in _PICTURES.rows(connection, files=as_list(ids), head=known.id):
            of_picture, identity, (vector, *light) = row[:5], row[5:8], row[8:]
            picture = PictureRow(*of_picture)
            if fit := learned.fit_for(ModelIdentity(*identity)):
                heads.forget(connection, known.id, [picture])
                given = verdicts_on(connection, [picture.sha256])
                in_use = HeadsInUse({"": [(known, fit)]})
                in_use.label(connection, "", [picture], [with_light(unpacked(vector), light)], given)
