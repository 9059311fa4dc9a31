"""From what people give as examples to contents: folders are walked and hashed, queries are asked, and contradictions refused."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tagger.config.settings import Settings
from tagger.errors import ConfigError
from tagger.heads.names import NONE
from tagger.runtime.teach.embedding import hashes
from tagger.runtime.teach.example_features import Progress
from tagger.search.parse import parse
from tagger.store.core.database import Database
from tagger.store.search import found
from tagger.store.tags import examples
from tagger.teach.examples import MOST
from tagger.teach.given import Given, pictures
from tagger.vision.decode import SUFFIXES
from tagger.wording.plural import counted

Contents = dict[str, list[tuple[str, str]]]
"""Contents, each with the path where it lies, by labels' names."""

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Gathered:
    """Contents by labels' names, and the pictures that could not be read, each with what is wrong with it."""

    contents: Contents
    left_out: Sequence[tuple[str, str]] = ()


def gathered(database: Database, settings: Settings, given: Given, progress: Progress) -> Gathered:
    """Return the contents that are given. Raises ConfigError where a folder or a query has none, or there are too many."""
    contents: Contents = {label: [] for label in given.labels}
    files = [(label, file) for label, paths in given.paths.items() for file in pictures(paths, SUFFIXES)]
    _refuse_too_many(len(files))
    left_out = []
    read = hashes([file for _, file in files], settings.decode.max_bytes)
    for done, ((label, _), (path, sha256, what)) in enumerate(zip(files, read, strict=True), 1):
        if sha256 is None:
            left_out.append((str(path), what))
        else:
            contents[label].append((sha256, str(path)))
        progress("reading", done, len(files))
    for label, queries in given.queries.items():
        for query in queries:
            contents[label] += _found(database, settings, label, query)
    _refuse_too_many(sum(map(len, contents.values())))
    return Gathered({label: list(dict(its).items()) for label, its in contents.items()}, left_out)


def refuse_contradictions(contents: Contents, any_: bool) -> None:
    """Raise ConfigError where a picture is given under several labels, and its head gives one; or under none and another."""
    labels: dict[str, list[str]] = defaultdict(list)
    paths = {sha256: path for its in contents.values() for sha256, path in its}
    for label, its in contents.items():
        for sha256, _ in its:
            labels[sha256].append(label)
    wrong = {sha256: its for sha256, its in labels.items() if len(its) > 1 and (not any_ or NONE in its)}
    if wrong:
        named = [f"{paths[sha256]} ({', '.join(its)})" for sha256, its in [*wrong.items()][:_NAMED]]
        more = [f"… and {counted(len(wrong) - _NAMED, 'more picture')}"] if len(wrong) > _NAMED else []
        hint = "take it out of all folders but one; or say --any, where a picture may have several labels"
        raise ConfigError(
            "examples", "the same picture is given under several labels:\n" + "\n".join([*named, *more]), hint
        )


def _found(database: Database, settings: Settings, label: str, query: str) -> list[tuple[str, str]]:
    ids = found.ids(database, parse(query, datetime.now(UTC)), query, settings.search.min_score)
    _refuse_too_many(len(ids))
    with database.read() as connection:
        its = examples.contents(connection, ids)
    if not its:
        hint = f"try it: tagger search {query}"
        raise ConfigError(f"--label {label}={query}", "no tagged picture is found", hint)
    return its


def _refuse_too_many(count: int) -> None:
    if count > MOST:
        hint = "a few hundred of each label are as good; more are for tagger train"
        raise ConfigError(
            "examples", f"{count:,} pictures are too many: {MOST:,} are learned from, at most", hint
        )
