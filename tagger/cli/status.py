"""`tagger status` tells where the work stands."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_json, print_lines, print_table, say
from tagger.wording.escape import shown

if TYPE_CHECKING:
    from datetime import datetime

    from tagger.config.settings import Settings
    from tagger.store.core.database import Database as Store
    from tagger.store.queue.queries import Failure, Status

FAILED = ("state", "attempts", "next try", "path", "error")


def status(
    failed: Annotated[bool, typer.Option("--failed", help="List the files that failed, and why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON; one object per file with --failed.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Count the files by state and source; name the model in use and the last picture tagged."""
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store
    from tagger.store.queue import queries

    with closing(Store.open(settings.database, create=False)) as store:
        if failed:
            _list(queries.failures(store), as_json)
            return
        found = _as_dict(queries.status(store), settings.database)
        found["model"] = found["model"] and found["model"] | _why(settings, store)
        found["heads"] = _heads(store)
    say(json.dumps(found, indent=2) if as_json else "\n".join(_for_people(found)))


def _list(failures: Iterable["Failure"], as_json: bool) -> None:
    if as_json:
        print_json(
            {"path": one.path, "source": one.source, "state": one.state}
            | {"stage": one.stage, "error": one.error, "attempts": one.attempts}
            | {"next_try_at": _time(one.next_try_at)}
            for one in failures
        )
    elif sys.stdout.isatty():
        print_table(FAILED, _rows(failures))
    else:
        print_lines(_rows(failures))


def _rows(failures: Iterable["Failure"]) -> Iterator[tuple[str, ...]]:
    for one in failures:
        yield one.state, str(one.attempts), _time(one.next_try_at) or "-", shown(one.path), shown(one.error)


def _time(moment: "datetime | None") -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _as_dict(status: "Status", database: str) -> dict[str, Any]:
    model, last = status.model, status.last
    return {
        "database": database,
        "sources": {source.name: _present(source.files) for source in status.sources},
        "total": _present(status.files),
        "misdated": sum(source.misdated for source in status.sources),
        "model": model and {"name": model.identity.name, "description": model.description},
        "paused_since": _time(status.paused_since),
        "last_tagged": last and {"path": last.path, "at": last.tagged_at.isoformat(timespec="milliseconds")},
    }


def _why(settings: "Settings", store: "Store") -> dict[str, str]:
    """Return why this model is in use, and what would bring a better one."""
    from tagger.config.folders import data_home
    from tagger.runtime.model_choice import standing

    stands = standing(settings, store, data_home())
    return {"why": stands.why, "other": stands.other}


def _heads(store: "Store") -> dict[str, Any]:
    """Return how many labels and examples each head has, whose pictures it labels, and how many files it has still to look at."""
    from tagger.store.tags import head_list

    with store.read() as connection:
        found = head_list.heads(connection)
    return {
        one.name: {
            "labels": len(one.taught),
            "examples": sum(label.examples for label in one.labels),
            "sources": list(one.sources),
            "left": one.left,
        }
        for one in found
    }


def _present(files: Mapping[Any, int]) -> dict[str, int]:
    return {str(state): count for state, count in files.items() if count}


def _for_people(found: Mapping[str, Any]) -> Iterator[str]:
    model, last = found["model"], found["last_tagged"]
    yield f"database  {shown(found['database'])}"
    yield f"model     {model['description']}, because {model['why']}" if model else "model     none yet"
    if model and model["other"]:
        yield f"          {model['other']}"
    yield f"last      {last['at']}  {shown(last['path'])}" if last else "last      nothing tagged yet"
    if found["paused_since"]:
        yield f"paused    since {found['paused_since']}; continue with: tagger resume"
    yield from _counts(found)
    for name, head in found["heads"].items():
        yield f"head {name}  {_told(head)}"
    if found["misdated"]:
        yield f"{found['misdated']:,} with a date that cannot be, and is not used"


def _counts(found: Mapping[str, Any]) -> Iterator[str]:
    counts = {f"source {name}": files for name, files in found["sources"].items()} | {"total": found["total"]}
    width = max(map(len, counts))
    yield from (f"{name:{width}}  {_counted(files)}" for name, files in counts.items())


def _counted(files: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in files.items()) or "no files"


def _told(head: Mapping[str, Any]) -> str:
    from tagger.wording.plural import counted

    taught = f"{counted(head['labels'], 'label')}, {counted(head['examples'], 'example')}"
    where = f"labels {', '.join(map(shown, head['sources']))}" if head["sources"] else "labels nothing"
    return f"{taught}, {where}" + (f", {counted(head['left'], 'file')} left at most" if head["left"] else "")
