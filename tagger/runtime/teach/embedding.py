"""Features of pictures wherever they lie: read from the database where they are there, and else made in the line of `tagger tag`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.config.sources import Crop
from tagger.heads.light import lit
from tagger.records import Content, Failed, ModelIdentity, Outcome, Stamp, Tagged
from tagger.runtime.single import tagged
from tagger.vision import cores
from tagger.vision.classify import Classifier
from tagger.vision.decode import read
from tagger.vision.load import identity, load_classifier
from tagger.vision.memory import give_back_what_is_freed

AT_A_TIME = 256
"""Pictures of one go through the line, after which their features are stored: what was interrupted goes on there."""


@dataclass(frozen=True)
class Embedding:
    """Makes features of pictures as the model of `settings`, whose name is settled, reads them. It is loaded once it is needed."""

    settings: Settings
    _identities: dict[Crop, ModelIdentity] = field(default_factory=dict)

    def identity(self, crop: Crop) -> ModelIdentity:
        """Return what the model is where it crops pictures so. Raises ModelError."""
        if crop not in self._identities:
            self._identities[crop] = identity(self.settings, data_home(), crop)
        return self._identities[crop]

    @cached_property
    def classifier(self) -> Classifier:
        give_back_what_is_freed()
        wanted = self.settings.model_copy(update={"features": True})
        return load_classifier(wanted, data_home(), cache_home())

    def made(self, files: Sequence[Path], crop: Crop) -> Iterator[list[tuple[Path, Outcome]]]:
        """Yield what became of files, in their order, some hundred at a time. Raises TaggerError where the model cannot be used."""
        for first in range(0, len(files), AT_A_TIME):
            some = files[first : first + AT_A_TIME]
            with closing(tagged(self.settings, self.classifier, some, crop)) as outcomes:
                yield list(outcomes)


def hashes(files: Sequence[Path], max_bytes: int) -> Iterator[tuple[Path, str | None, str]]:
    """Yield each file, behind all links, the sha256 of its content, and what is wrong where there is none."""
    with ThreadPoolExecutor(cores.available()) as pool:
        yield from pool.map(partial(_hashed, max_bytes=max_bytes), files)


def reason(outcome: Outcome) -> str:
    """Return in words why a file has no features; empty where it has."""
    if isinstance(outcome, Tagged):
        return "" if outcome.features else "it cannot be compared"
    return outcome.reason if isinstance(outcome, Failed) else "it is gone, or being written just now"


def _hashed(file: Path, max_bytes: int) -> tuple[Path, str | None, str]:
    path = Path(os.path.realpath(file))  # which, unlike Path.resolve, takes a loop of links for what it is
    try:
        content = read(Stamp.of(str(path), "", path.stat()), max_bytes)
    except OSError as error:
        return path, None, f"the file cannot be read: {error.strerror}"
    if isinstance(content, Content):
        return path, content.sha256, ""
    return path, None, content.reason if isinstance(content, Failed) else "it is being written just now"


def vectors(outcomes: Sequence[tuple[Path, Outcome]]) -> Mapping[str, bytes]:
    """Return lit vectors of what could be read, by the contents' hashes."""
    return {
        outcome.facts.sha256: lit(outcome.features, outcome.facts.health)
        for _, outcome in outcomes
        if isinstance(outcome, Tagged) and outcome.features
    }
