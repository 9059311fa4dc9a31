"""`tagger doctor` tells what is wrong on this machine, and what to do about it."""

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, Folders, load_settings
from tagger.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tagger.doctor.finding import Finding


def doctor(
    folders: Folders = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Check folders, database, model, disk, clock, service and web, and say what to do. Changes nothing.

    Exits with 1 if there is something to do.
    """
    settings = load_settings(config, database, folders)
    from tagger.doctor import account
    from tagger.doctor.examine import examine

    found = list(examine(settings) if as_json else _shown(account.name(), examine(settings)))
    if as_json:
        objects = [{"topic": topic, **asdict(finding)} for topic, finding in found]
        say(json.dumps({"account": account.name(), "findings": objects}, indent=2))
    raise typer.Exit(int(any(finding.is_trouble for _, finding in found)))


def _shown(account: str, found: "Iterable[tuple[str, Finding]]") -> "Iterator[tuple[str, Finding]]":
    """Yield what is found, once it is printed: each topic above its findings, and their sum at the end."""
    say(f"checked as {account}; run it as the account that tags, to see what that account sees")
    above, findings = "", []
    for topic, finding in found:
        _show(topic if topic != above else "", finding)
        findings.append(finding)
        above = topic
        yield topic, finding
    say(_sum(findings))


def _show(topic: str, finding: "Finding") -> None:
    if topic:
        say(f"\n{topic}")
    say(f"  {finding.level:8} {finding.what}")
    if finding.hint:
        say(textwrap.indent(f"→ {finding.hint}", " " * 11))


def _sum(findings: "Iterable[Finding]") -> str:
    levels = [finding.level for finding in findings]
    counts = {f"{level}s": levels.count(level) for level in ("problem", "warning")}
    said = ", ".join(
        f"{count} {level.removesuffix('s') if count == 1 else level}"
        for level, count in counts.items()
        if count
    )
    return f"\n{said}" if said else "\nall is well"
