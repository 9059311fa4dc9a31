"""The check of the config tells what its owner may no longer mean.

What is wrong with it, every command says before anything else.
"""

from collections.abc import Iterator

from tagger.config import defaults
from tagger.config.settings import Settings
from tagger.doctor.finding import Finding
from tagger.store.core import earlier_release


def config(settings: Settings) -> Iterator[Finding]:
    """Yield a note for each key that was set for an earlier release."""
    for one in settings.pinned:
        what = defaults.told([one])
        yield Finding("note", what, "leave it out to follow the default")
    if settings.thresholds and earlier_release.has_uncalibrated_tags(settings.database):
        what = "thresholds were set for scores of release 0.1.0, which mean something else since 0.2.0"
        yield Finding("note", what, "tagger calibrate suggests new ones, once the pictures are tagged anew")
