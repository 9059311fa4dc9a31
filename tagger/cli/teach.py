"""`tagger teach` learns labels of the user's own from examples."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import print_paths, say
from tagger.cli.progress import progress
from tagger.errors import ConfigError, ModelError
from tagger.wording.extras import TAKE_TEACH
from tagger.wording.plural import counted

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.teach.given import Given

_NO_RECALL = "such as --recall reject=0.98: of a hundred such pictures, two may be missed"


def teach(
    head: Annotated[
        str,
        typer.Argument(
            metavar="HEAD", help="What the set of labels is called, such as scene.", show_default=False
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="A folder of folders, one for each label.", show_default=False
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="LABEL=QUERY",
            help="Take what a search finds as examples, such as battle='path:**/combat/**'.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--examples", metavar="FILE", help="A YAML file of folders and queries.", show_default=False
        ),
    ] = None,
    none: Annotated[
        list[str] | None,
        typer.Option(
            "--none",
            metavar="QUERY",
            help="Take what a search finds as examples that show none of the labels.",
            show_default=False,
        ),
    ] = None,
    any_: Annotated[bool, typer.Option("--any", help="A picture may have several of the labels.")] = False,
    recall: Annotated[
        list[str] | None,
        typer.Option(
            "--recall",
            metavar="LABEL=PART",
            help="Miss no more of this label's pictures than that: what may be one is 'unsure'. 0 takes it back.",
            show_default=False,
        ),
    ] = None,
    at_most: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=0.5,
            help="The part of foreign pictures that may get a label. Default: none.at_most of the config.",
            show_default=False,
        ),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            metavar="N",
            help="Learn nothing: print the N pictures whose label would teach most.",
            show_default=False,
        ),
    ] = None,
    forget_examples: Annotated[
        bool,
        typer.Option(
            "--forget-examples", help="Forget the examples of before; those given now are the only ones."
        ),
    ] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Learn your own labels from a few examples each, and say how well that went.

    Examples are remembered, so that it can be learned again without any: after more pictures were labelled, or for another model.
    What `tagger label` and the page say of a head's labels are examples, too. See docs/heads.md.
    """
    settings = load_settings(config, database)
    log_to_stderr("warning", settings.log_format)
    _refuse_without_scikit_learn()
    from tagger.heads.names import check_head

    check_head(head)
    if suggest is not None:
        _suggest(settings, head, suggest)
        return
    given = _given(folder, file, label or (), none or ())
    if forget_examples and not given.labels:
        _forget(settings, head)
        return
    _teach(settings, head, given, any_, _recalls(recall or ()), at_most, forget_examples)


def _teach(
    settings: "Settings",
    head: str,
    given: "Given",
    any_: bool,
    recalls: dict[str, float],
    at_most: float | None,
    forgets: bool,
) -> None:
    from tagger.cli.taught import told
    from tagger.runtime.teach.teaching import TeachTask, teach
    from tagger.store.core.lock import holder

    with progress() as show:
        taught = teach(settings, TeachTask(head, given, any_, recalls, at_most, forgets), show)
    for line in told(taught, settings, holder(settings.database) is not None):
        say(line)


def _suggest(settings: "Settings", head: str, most: int) -> None:
    from tagger.heads import files
    from tagger.runtime.teach.teaching import readers
    from tagger.similar.suggest import suggested
    from tagger.store.core.database import Database as Store

    with closing(Store.open(settings.database, create=False)) as store:
        folder = files.beside(store.path)
        learned = files.read(folder, head) if folder else None
        if learned is None:
            raise ConfigError(
                head, "is not learned yet", f"give it a few examples: tagger teach {head} --from FOLDER"
            )
        found = suggested(store, learned, readers(settings, head), most)
    print_paths((one.path for one in found), ended_by_nul=False)
    if not found:
        hint = f"tagger scan looks at new ones; after a change of model or crop, tagger teach {head} learns for that"
        say(f"no picture of the library can be suggested: {hint}", err=True)
    elif sys.stderr.isatty():
        say(f"say what they show: tagger label FILE --add {head}/LABEL, then tagger teach {head}", err=True)


def _forget(settings: "Settings", head: str) -> None:
    from tagger.runtime.teach.teaching import forget

    count = forget(settings, head)
    say(f"{counted(count, 'example')} of {head} forgotten; what it learned stays until it is taught anew")


def _given(folder: Path | None, file: Path | None, queries: Sequence[str], none: Sequence[str]) -> "Given":
    from tagger.heads.names import NONE
    from tagger.teach import given

    parts = [given.of_queries([*queries, *(f"{NONE}={one}" for one in none)])]
    parts += [given.of_folder(folder)] if folder else []
    parts += [given.of_file(file)] if file else []
    return sum(parts, given.Given())


def _recalls(options: Sequence[str]) -> dict[str, float]:
    found = {}
    for option in options:
        label, sign, part = option.rpartition("=")
        try:
            found[label] = float(part)
        except ValueError:
            sign = ""
        if not sign or not 0 <= found[label] < 1:
            raise ConfigError(f"--recall {option}", "needs a label and a part from 0 to below 1", _NO_RECALL)
    return found


def _refuse_without_scikit_learn() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise ModelError("scikit-learn", "is not installed, and learns heads", TAKE_TEACH)
