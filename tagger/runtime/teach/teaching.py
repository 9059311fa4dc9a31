"""How a head is taught: examples are gathered, looked at, remembered and learned from, and the head's files are written.

Each step is whole before the next: features are stored some hundred at a time, examples in one transaction, and the head's
files last. What is interrupted goes on there the next time. Whoever works on the same database notices new files by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.config.sources import Crop, Source
from tagger.errors import ConfigError, ModelError, TaggerError
from tagger.heads import files
from tagger.heads.head import Head, key_of
from tagger.heads.names import NONE
from tagger.records import Label, ModelIdentity
from tagger.runtime import model_choice
from tagger.runtime.teach.crop_lesson import Course, CropLesson
from tagger.runtime.teach.embedding import Embedding
from tagger.runtime.teach.example_features import ExampleFeatures, Progress
from tagger.runtime.teach.gathering import Gathered, gathered, refuse_contradictions
from tagger.runtime.teach.squash import CENTRE, Squash, compared
from tagger.store.core.database import Database
from tagger.store.core.location import locate
from tagger.store.core.lock import lock
from tagger.store.queue import queries
from tagger.store.tags import examples
from tagger.store.tags.examples import KnownExample
from tagger.teach.examples import Aims
from tagger.teach.given import Given
from tagger.vision.load import labels, refuse_heads_called_as


@dataclass(frozen=True)
class TeachTask:
    """What is to be taught: examples besides those that are remembered, or, where `forgets`, in place of them.

    `recalls` are those that were asked for now; None of `at_most` is what the config says.
    """

    head: str
    given: Given = field(default_factory=Given)
    any: bool = False
    recalls: Mapping[str, float] = field(default_factory=dict)
    at_most: float | None = None
    forgets: bool = False


@dataclass(frozen=True, eq=False)
class Taught:
    """A head that was learned, and is in its `file`.

    `left_out` are pictures that were given and cannot be looked at, and `missing` those of before, with the reasons. `waiting`
    counts the library's pictures that it is to label, and `also_of_the_model` are labels whose names the model has, too.
    `squash` is there where that crop pays.
    """

    head: Head
    file: Path
    lessons: Sequence[CropLesson]
    left_out: Sequence[tuple[str, str]]
    missing: Mapping[str, str]
    waiting: int
    also_of_the_model: Sequence[str]
    squash: Squash | None


def teach(settings: Settings, wanted: TeachTask, progress: Progress) -> Taught:
    """Teach a head, and return what came of it. Raises TaggerError, and nothing is half-written then."""
    with _opened(settings) as database:
        settled = _settled(settings, database)
        refuse_heads_called_as(labels(settled, data_home()), [wanted.head], settled.model.weights)
        return _Teaching(database, settled, wanted, progress).taught()


def forget(settings: Settings, head: str) -> int:
    """Forget a head's examples, and return how many there were. The head stays as it is. Raises TaggerError."""
    with _opened(settings) as database, database.write() as connection:
        return examples.forget(connection, head)


def readers(settings: Settings, head: str) -> dict[ModelIdentity, list[str]]:
    """Return which models read the pictures that a head labels, each with the names of its sources. Raises TaggerError."""
    with closing(Database.open(settings.database, create=False)) as database:
        settings = settings.with_names(queries.roots(database))
        embedding = Embedding(model_choice.settled(settings, database, data_home()))
    found: dict[ModelIdentity, list[str]] = {}
    for source in settings.labelled_by(head):
        found.setdefault(embedding.identity(source.crop), []).append(source.name)
    return found


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """Give the database, which is made where there is none."""
    path = locate(settings.database)
    if path is None:
        raise ConfigError("database", "one in memory has no place for a head's files", "name a file")
    if not path.exists():
        with lock(settings.database, "teach"), closing(Database.open(settings.database, create=True)):
            pass
    with closing(Database.open(settings.database, create=False)) as database:
        yield database


def _settled(settings: Settings, database: Database) -> Settings:
    if not settings.features:
        hint = "leave `features: false` out of the config; tagger retag makes those of pictures that are tagged already"
        raise ConfigError("features", "are not stored, and heads tell labels by nothing else", hint)
    settings = settings.with_names(queries.roots(database))
    return model_choice.decided(settings, database, data_home(), cache_home())


@dataclass(frozen=True)
class _Teaching:
    """One run. Its steps follow one another as in `taught`."""

    database: Database
    settings: Settings
    wanted: TeachTask
    progress: Progress

    def taught(self) -> Taught:
        """Return what came of it, once all is stored."""
        given = gathered(self.database, self.settings, self.wanted.given, self.progress)
        any_ = self._is_any()
        refuse_contradictions(given.contents, any_)
        features = ExampleFeatures(self.database, Embedding(self.settings), self.progress)
        crops = self._crops()
        unreadable = self._remember(features, next(iter(crops)), given, any_)
        known, own = self._known()
        names = tuple(map(_own, own))
        course = Course(features, known, names, any_, self._aims(names))
        lessons = [course.lesson(crop, sources) for crop, sources in crops.items()]
        head = self._head(course, lessons, own)
        return Taught(
            head,
            self._written(head),
            lessons,
            [*given.left_out, *unreadable],
            {path: why for one in lessons for path, why in one.missing.items()},
            self._waiting(lessons),
            self._also_of_the_model(head),
            self._squash(features, lessons),
        )

    def _squash(self, features: ExampleFeatures, lessons: Sequence[CropLesson]) -> Squash | None:
        """Return what the whole frame would bring to sources whose pictures are seen by their middle; None where that is nothing."""
        centred = next((one for one in lessons if one.crop == CENTRE and one.sources), None)
        squash = compared(features, centred) if centred else None
        return squash if squash and squash.pays else None

    def _waiting(self, lessons: Sequence[CropLesson]) -> int:
        names = [source.name for one in lessons for source in one.sources]
        with self.database.read() as connection:
            return examples.count(connection, [one.lesson.fit.identity for one in lessons], names)

    def _also_of_the_model(self, head: Head) -> list[str]:
        every = labels(self.settings, data_home())
        theirs = {name.casefold() for one in every for name in one.names}
        return [one for one in head.labels if one.casefold() in theirs]

    def _crops(self) -> dict[Crop, list[Source]]:
        """Return the ways in which pictures are cropped that the head is to label, each with its sources."""
        found: dict[Crop, list[Source]] = {}
        for source in self.settings.labelled_by(self.wanted.head):
            found.setdefault(source.crop, []).append(source)
        return found or {CENTRE: []}

    def _is_any(self) -> bool:
        with self.database.read() as connection:
            return self.wanted.any or (
                not self.wanted.forgets and bool(examples.is_any(connection, self.wanted.head))
            )

    def _remember(
        self, features: ExampleFeatures, crop: Crop, given: Gathered, any_: bool
    ) -> list[tuple[str, str]]:
        """Store the examples that are given and can be looked at; return the paths of the others, and what is wrong with them."""
        paths = {sha256: [path] for its in given.contents.values() for sha256, path in its}
        seen = features.of(crop, paths)
        readable = {
            label: [one for one in its if one[0] in seen.found] for label, its in given.contents.items()
        }
        contents = {label: its for label, its in readable.items() if its}
        name, names_zh = self.wanted.head, self.wanted.given.names_zh
        new = [Label(key_of(name, one), one, names_zh.get(one, "")) for one in contents if one != NONE]
        with self.database.write() as connection:
            if self.wanted.forgets:
                examples.forget(connection, name)
            if contents:
                examples.give(connection, name, any_, new, contents, datetime.now(UTC))
        return [(paths[sha256][0], why) for sha256, why in seen.missing.items()]

    def _known(self) -> tuple[list[KnownExample], list[Label]]:
        """Return the head's examples, and the labels that they have. Raises ConfigError where there are none."""
        with self.database.read() as connection:
            known = examples.of(connection, self.wanted.head)
            has = {label for one in known for label in one.labels}
            labels = [one for one in examples.labels(connection, self.wanted.head) if _own(one) in has]
        if not labels:
            hint = f"give a folder for each label: tagger teach {self.wanted.head} --from FOLDER"
            raise ConfigError(self.wanted.head, "has no examples of any label yet", hint)
        return known, labels

    def _aims(self, labels: Sequence[str]) -> Aims:
        recalls = {**self._former_recalls(), **self.wanted.recalls}
        recalls = {label: part for label, part in recalls.items() if part}
        for label in self.wanted.recalls:
            if label not in labels:
                raise ConfigError(
                    f"--recall {label}", "the head has no such label", f"it has {', '.join(labels)}"
                )
        at_most = self.settings.none.at_most if self.wanted.at_most is None else self.wanted.at_most
        return Aims(at_most, {label: part for label, part in recalls.items() if label in labels})

    def _former_recalls(self) -> Mapping[str, float]:
        """Return what the head was taught to find before; nothing where it was not, or its files are damaged."""
        try:
            former = files.read(self._folder, self.wanted.head)
        except ModelError:
            return {}
        return former.recalls if former else {}

    @property
    def _folder(self) -> Path:
        return files.beside(self.database.path) or Path()  # `_opened` refuses a database in memory

    def _head(self, course: Course, lessons: Sequence[CropLesson], own: Sequence[Label]) -> Head:
        first = lessons[0]
        return Head(
            self.wanted.head,
            course.labels,
            course.any,
            tuple(one.lesson.fit for one in lessons),
            datetime.now(UTC),
            names_zh={_own(one): one.name_zh for one in own if one.name_zh},
            recalls=course.aims.recalls,
            examples=first.by_label(),
            report=first.as_json(),
        )

    def _written(self, head: Head) -> Path:
        try:
            files.write(self._folder, head)
        except OSError as error:
            what = f"the head cannot be written: {error.strerror or error}"
            hint = f"its examples are remembered: make room, then tagger teach {head.name}"
            raise TaggerError(str(self._folder), what, hint) from None
        return self._folder / f"{head.name}.json"


def _own(label: Label) -> str:
    """Return what a label is called within its head; elsewhere another may have that name."""
    return label.key.partition("/")[2]
