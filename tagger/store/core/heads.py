"""Tables of heads: a user's own labels on the model's features, and what they are taught by.

A head's labels are rows of `label`, with the key `head/label`. What it says of a picture are rows of `tag` beside the
model's, whose ranks begin where no model's end, so that a head is found, shown and counted as any label is, and ranks of the
model's own stay what they were. Each picture has one row, at least, of each head that has looked at it: `none`, where the head
has no label for it. Examples are verdicts: what people said of a picture's content, whether or not it has been learned yet.

Rejected: readings of their own, whose numbers would tell whoever follows the database that a picture is new again; and a
table of tags of their own, which all that asks for labels would have to ask, too.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table

from tagger.store.core.columns import PathText
from tagger.store.core.schema import metadata

RANKS = 1000
"""The ranks of a head's tags begin behind its id times this: a model has 100 at most, so that none are in both."""

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("any", Boolean, nullable=False),  # whether a picture may have several of its labels
)

head_source = Table(
    "head_source",
    metadata,
    Column("head_id", ForeignKey("head.id"), primary_key=True),
    Column("source_id", ForeignKey("source.id"), primary_key=True),
    Column("sha256", String, nullable=False),  # of the head by which its files are labelled; '': by none
    Column("below", Integer, nullable=False),  # files with a smaller id are still to be
    sqlite_with_rowid=False,
)

example = Table(
    "example",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("path", PathText, nullable=False),  # absolute, where it was when it became an example
    sqlite_with_rowid=False,
)
"""Where pictures were that people said something of for a head; verdicts are on contents, and know no paths."""

example_vector = Table(
    "example_vector",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("model_id", ForeignKey("model.id"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # lit (`heads.light`), and packed as in `feature`
    sqlite_with_rowid=False,
)
"""Lit vectors of examples that no file in the database has: of pictures elsewhere, and of those under another crop."""
