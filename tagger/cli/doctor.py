"""`tagger doctor` tells what is wrong on this machine, and what to do about it."""

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, Folders, load_settings
from tagger.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    found: list[tuple[str, Finding]] = []
    if not as_json:
        say(f"checked as {account.name()}; run it as the account that tags, to see what that account sees")
    for topic, finding in examine(settings):
        if not as_json:
            _show(topic if topic not in {said for said, _ in found} else "", finding)
        found.append((topic, finding))
    findings = [finding for _, finding in found]
    if as_json:
        objects = [{"topic": topic, **asdict(finding)} for topic, finding in found]
        say(json.dumps({"account": account.name(), "findings": objects}, indent=2))
    else:
        say(_sum(findings))
    raise typer.Exit(int(any(finding.is_trouble for finding in findings)))


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
