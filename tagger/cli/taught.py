"""What `tagger teach` says of a head that was learned, in plain words."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tagger.heads.names import NONE
from tagger.wording.escape import shown
from tagger.wording.plural import counted

if TYPE_CHECKING:
    from tagger.config.settings import Settings
    from tagger.runtime.teach.crop_lesson import CropLesson
    from tagger.runtime.teach.squash import Squash
    from tagger.runtime.teach.teaching import Taught
    from tagger.teach.evaluate import Evaluation, Share

_NAMED = 10
"""Pictures that are named; of more, the number is enough."""
_CORNER, _NARROWEST = "shows / is told", 6
"""Of the table of confusions: the text of its corner, and characters of a column."""


def told(taught: "Taught", settings: "Settings", is_daemon_running: bool) -> Iterator[str]:
    """Yield what is said, in lines and paragraphs."""
    yield from _pictures("left out", taught.left_out)
    yield from _pictures("no longer there, and not learned from", list(taught.missing.items()))
    for one in taught.lessons:
        if len(taught.lessons) > 1:
            yield f"\ncrop {one.crop}, of {', '.join(source.name for source in one.sources)}"
        yield from _lesson(one)
    for name in taught.also_of_the_model:
        yield f"\nthe model has a label {name}, too: {taught.head.name}:{name} finds yours"
    if taught.squash:
        yield _squash(taught.squash, taught.head.name)
    yield f"\nstored in {taught.file}"
    yield from _now(taught, settings, is_daemon_running)


def _lesson(one: "CropLesson") -> Iterator[str]:
    report = one.report
    yield f"{one.given:,} given, {len(one.contents):,} different"
    yield from _counts(report)
    yield ""
    yield from _accuracy(report)
    if any(row[at] != sum(row) for at, row in enumerate(report.confusion)):
        yield ""
        yield from _confusion(report)
    yield from _suspects(one)
    steps = [*report.next, *_about_none(report)]
    if steps:
        yield "\nto do better:"
        yield from (f"  {line}" for line in steps)


def _counts(report: "Evaluation") -> Iterator[str]:
    width = max(map(_width, report.examples))
    for label, count in report.examples.items():
        share = report.per_label.get(label)
        right = f"   {share.value:.0%} right" if share else ""
        if count or label != NONE:
            yield f"  {_padded(label, width)}{count:>8,}{right}"


def _accuracy(report: "Evaluation") -> Iterator[str]:
    if report.accuracy is None:
        yield "too few examples to tell how often it is right: give each label two or more"
    else:
        judged = "session or day" if report.by_groups else "picture"
        yield f"right: {_share(report.accuracy)} of the examples, each {judged} told by what was learned of the others"
    if report.half:
        yield f"with half of the examples: {_share(report.half)}"
    if report.foreign:
        yield f"labelled though they show none of this, of pictures of the library: {_share(report.foreign)}"
    for label, one in report.recalls.items():
        yield f"{label}: {_share(one.found)} are found, of {one.wanted:.0%} wanted; {one.unsure:.1%} of clear pictures are unsure"
        if not one.is_proven:
            few = f"  {one.found.of:,} examples are too few to prove that: with {1 / (1 - one.wanted):.0f} it could fail"
            yield few


def _share(share: "Share") -> str:
    return f"{share.value:.1%} (between {share.low:.0%} and {share.high:.0%})"


def _confusion(report: "Evaluation") -> Iterator[str]:
    """Yield a table: a row for what pictures show, a column for what is said of them."""
    names = [*report.labels, NONE]
    first = max(map(_width, [_CORNER, *names]))
    widths = [max(_width(name), _NARROWEST) for name in names]
    yield _padded(_CORNER, first) + "".join(map(_right, names, widths))
    for name, row in zip(names, report.confusion, strict=True):
        if sum(row):
            yield _padded(name, first) + "".join(map(_right, (str(count or "·") for count in row), widths))


def _width(text: str) -> int:
    """Return how many columns of a terminal it takes; Chinese characters take two each."""
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _right(text: str, width: int) -> str:
    return "  " + " " * (width - _width(text)) + text


def _suspects(one: "CropLesson") -> Iterator[str]:
    suspects = one.report.suspects
    if suspects:
        yield "\nlook at these examples; they are wrong, or harm most:"
    for its in suspects[:_NAMED]:
        said = f"given as {its.label}"
        if its.instead:
            said += f", and looks like {its.instead}"
        if its.misleads:
            said += f", and {counted(its.misleads, 'other picture')} {'is' if its.misleads == 1 else 'are'} taken for it"
        yield f"  {shown(one.paths[its.example])}: {said}"


def _about_none(report: "Evaluation") -> Iterator[str]:
    if report.examples.get(NONE):
        return
    if report.foreign is None:
        yield "Tag pictures of other things, too: hardly anything in the library is surely none of the labels."
    yield "What is like the labels, but none of them, needs examples of its own: give some as none."


def _squash(squash: "Squash", head: str) -> str:
    named = ", ".join(source.name for source in squash.sources)
    right = f"{squash.squashed:.1%} right with crop squash, {squash.centred:.1%} with center"
    return (
        f"\nof whole frames it learns better: {right}, of {squash.of:,} examples\n"
        f"  set crop: squash in the config for {named}, which tags that anew; then tagger teach {head}"
    )


def _now(taught: "Taught", settings: "Settings", is_daemon_running: bool) -> Iterator[str]:
    """Yield what to do so that it labels pictures."""
    name = taught.head.name
    there = f"{counted(taught.waiting, 'picture')} that {'is' if taught.waiting == 1 else 'are'} tagged already, and all"
    labels = f"labels {there if taught.waiting else 'all'} that come"
    if not settings.sources:
        yield f"name the folders to label in the config, with heads: [{name}], then tagger run or tagger scan"
    elif not any(name in settings.heads_of(source) for source in settings.sources):
        heads = ", ".join([*settings.heads, name])
        then = "tagger reload" if is_daemon_running else "tagger scan or tagger run"
        yield f"to label with it, put heads: [{heads}] into the config; then {then} {labels}"
    elif is_daemon_running:
        yield f"the running tagger {labels}"
    else:
        yield f"tagger scan or tagger run {labels}"


def _pictures(what: str, named: Sequence[tuple[str, str]]) -> Iterator[str]:
    if named:
        yield f"{counted(len(named), 'picture')} {what}:"
    yield from (f"  {shown(path)}: {why}" for path, why in named[:_NAMED])
    if len(named) > _NAMED:
        yield f"  … and {len(named) - _NAMED:,} more"
