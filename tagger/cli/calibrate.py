"""`tagger calibrate` tells how often labels are right, and which thresholds follow from that."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say

if TYPE_CHECKING:
    from tagger.store.tags.calibration import Calibration

FEW = 10
"""Of fewer verdicts a precision says nothing: nine right of ten may be seven of ten."""


def calibrate(
    precision: Annotated[
        float, typer.Option(min=0, max=1, help="The part of the tags that is to be right.")
    ] = 0.9,
    at_least: Annotated[
        int, typer.Option(min=1, help="Suggest nothing for labels with fewer verdicts.")
    ] = FEW,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Compute how often each label is right, from what `tagger label` was told, and suggest thresholds."""
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store
    from tagger.store.tags.calibration import calibrations

    with closing(Store.open(settings.database, create=False)) as store:
        found = list(calibrations(store, precision, settings.search.min_score))
    if as_json:
        say(json.dumps([asdict(one) for one in found], indent=2))
        return
    if not found:
        say("no verdicts yet: tagger label FILE --add NAME, or --remove NAME")
        return
    _print_table(found)
    _suggest([one for one in found if one.verdicts >= at_least], precision)


def _print_table(found: Sequence["Calibration"]) -> None:
    say(f"{'label':30}{'verdicts':>9}{'threshold':>10}{'precision':>10}{'better':>8}{'then':>7}")
    for one in found:
        numbers = (one.precision, one.better, one.then)
        precision, better, then = ("-" if number is None else f"{number:.2f}" for number in numbers)
        say(f"{one.label:30}{one.verdicts:>9}{one.threshold:>10.2f}{precision:>10}{better:>8}{then:>7}")


def _suggest(found: Sequence["Calibration"], precision: float) -> None:
    """Print what to put into the config, rounded up, so that it keeps what it promises."""
    import math

    wanted = {one.label: math.ceil(one.better * 100) / 100 for one in found if one.better is not None}
    if wanted:
        say(f"\nfor a precision of {precision:g}, in the config:\n\nthresholds:")
        for name, score in wanted.items():
            say(f"  {json.dumps(name, ensure_ascii=False)}: {score:g}")
    for one in found:
        if one.better is None:
            say(f"{one.label}: no threshold makes it right so often")
