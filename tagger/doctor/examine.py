"""All checks, in the order of the page."""

from collections.abc import Callable, Iterator

from tagger.config.settings import Settings
from tagger.doctor.config import config
from tagger.doctor.database import database
from tagger.doctor.finding import Finding
from tagger.doctor.folders import folders
from tagger.doctor.machine import clock, disk
from tagger.doctor.model import engine, weights
from tagger.doctor.service import service, web

CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    config,
    folders,
    database,
    weights,
    engine,
    disk,
    clock,
    service,
    web,
)


def examine(settings: Settings) -> Iterator[tuple[str, Finding]]:
    """Findings, each with its topic, as they are made."""
    for check in CHECKS:
        topic = check.__name__
        try:
            yield from ((topic, finding) for finding in check(settings))
        except (
            OSError
        ) as error:  # of a machine in a state that no check has thought of, the others still tell
            yield (
                topic,
                Finding(
                    "problem", f"could not be looked at: {error}", "the kernel's log may say more: dmesg"
                ),
            )
