"""All checks are made one after another, in the order in which they are shown."""

from collections.abc import Callable, Iterator

from tagger.config.settings import Settings
from tagger.doctor.config import config
from tagger.doctor.database import database
from tagger.doctor.finding import Finding
from tagger.doctor.folders import folders
from tagger.doctor.heads import heads
from tagger.doctor.machine import clock, disk
from tagger.doctor.model import engine, weights
from tagger.doctor.service import service, web

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    config,
    folders,
    database,
    weights,
    engine,
    heads,
    disk,
    clock,
    service,
    web,
)


def examine(settings: Settings) -> Iterator[tuple[str, Finding]]:
    """Yield the findings, each with its topic, as they are made."""
    for check in CHECKS:
        yield from ((check.__name__, finding) for finding in _made(check, settings))


def _made(check: Check, settings: Settings) -> Iterator[Finding]:
    """Yield what a check finds. Of a machine in a state that it has not thought of, the others still tell."""
    try:
        yield from check(settings)
    except OSError as error:
        hint = "the kernel's log may say more: dmesg"
        yield Finding("problem", f"could not be looked at: {error}", hint)
