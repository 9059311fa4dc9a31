"""The check of heads tells whether those that the config names are learned, whole, and taught for the model in use."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tagger.config.settings import Settings
from tagger.doctor.finding import Finding
from tagger.errors import DatabaseError, ModelError
from tagger.heads import files, report
from tagger.heads.head import Head
from tagger.records import ModelIdentity
from tagger.store.core.database import Database
from tagger.store.search import features
from tagger.wording.plural import counted


def heads(settings: Settings) -> Iterator[Finding]:
    """Yield how each head stands that labels pictures of any source; nothing where the config names none."""
    names = sorted({*settings.heads}.union(*map(settings.heads_of, settings.sources)))
    if not names:
        return
    try:
        with closing(Database.open(settings.database, create=False)) as database:
            models, folder = features.models(database), files.beside(database.path)
    except DatabaseError:
        return  # the check of the database says what is wrong
    for name in names:
        yield _finding(folder or Path(), name, models)


def _finding(folder: Path, name: str, models: list[ModelIdentity]) -> Finding:
    try:
        head = files.read(folder, name)
    except ModelError as error:
        return Finding("problem", f"{name}: {error.where}: {error.what}", error.hint)
    if head is None:
        return Finding("note", f"{name} is not learned yet", f"tagger teach {name} --from FOLDER")
    if models and not any(map(head.fit_for, models)):
        what = f"{name} was taught for another model, and labels nothing"
        return Finding(
            "warning",
            what,
            f"tagger teach {name} learns it anew from its examples; tagger run does by itself",
        )
    return Finding("ok", f"{name}: {_told(head)}")


def _told(head: Head) -> str:
    examples = sum(map(len, head.examples.values()))
    known = report.told(head.report)
    right = f", {known.accuracy.value:.0%} right" if known and known.accuracy else ""
    return f"{counted(len(head.labels), 'label')} from {counted(examples, 'example')}{right}"
