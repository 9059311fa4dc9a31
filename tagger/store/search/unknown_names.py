"""Names in a query that the database does not know: the error that says what is known, or how to ask for such a thing."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, exists, select

from tagger.heads.names import NONE, UNSURE
from tagger.search import suggestions
from tagger.search.conditions import NAMES
from tagger.search.query import Field, In, Name, QueryError, said
from tagger.search.suggestions import written
from tagger.store.core import pathtext
from tagger.store.core.heads import head
from tagger.store.core.schema import State, file, file_attribute, source, word
from tagger.store.search import fields
from tagger.wording.nearest import did_you_mean, spelled

_SOME = 7
"""Names that are told where none is like what was asked for."""


def unknown_name(connection: Connection, text: str, name: Name) -> QueryError:
    """Return what to say of a word that neither a label nor a category is called."""
    what = f"no label or category is called {said(name.text)}"
    hint, instead = _advice(connection, name.text)
    return QueryError(text, name.start, name.end, what, hint, tuple(instead))


def _advice(connection: Connection, given: str) -> tuple[str, Sequence[str]]:
    if scored := suggestions.with_its_score(given):
        return f"write {scored}; in a shell, put the whole query in single quotes", [scored]
    clause = suggestions.as_clause(given)
    if ways := [*([clause] if clause else []), *_clauses(connection, given)]:
        return f"that is asked for by: {', or '.join(ways)}", ways
    if suggestions.is_about_a_time(given):
        return suggestions.HOW_TIMES_ARE_ASKED, []
    known = dict.fromkeys(connection.scalars(select(word.c.text).order_by(word.c.rank)))
    if near := [written(one) for one in suggestions.names_like(given.casefold(), known)]:
        return did_you_mean(near), near
    some = ", ".join(map(written, list(known)[:_SOME])) or "none yet"
    return f"{suggestions.UNTAUGHT}; it knows {some}{' and others' * (len(known) > _SOME)}", []


def _clauses(connection: Connection, given: str) -> Iterator[str]:
    """Yield the clauses that ask for a source, a camera, a group of `path_pattern` or a folder of that name, or for what heads have no label for."""
    stored, value = pathtext.storable(given), _value(given)
    names = connection.scalars(select(source.c.name))
    yield from (f"in {_value(name)}" for name in names if name.casefold() == given.casefold())
    if given.casefold() in (NONE, UNSURE):
        yield from (f"{name}:{given.casefold()}" for name in connection.scalars(select(head.c.name)))
    of_source = file.c.source_id == source.c.id
    if connection.scalar(select(exists(select(source.c.id).where(of_source, file.c.camera == stored)))):
        yield f"camera:{value}"
    its = file_attribute.c
    for name in connection.scalars(select(its.name).where(its.value == stored).distinct()):
        yield f"{name}:{value}"
    folder = Field("path", f"*/{given}/*")
    below = select(file.c.id).join(source, of_source).where(fields.path_is(folder, source.c.root))
    if not fields.is_pattern(given) and connection.scalar(select(exists(below))):
        yield f"path:{_value(folder.value)}"


def _value(text: str) -> str:
    plain = written(text)
    return f'"{plain}"' if plain == text and len(text.split()) > 1 else plain


def unknown_source(connection: Connection, text: str, part: In, sources: Iterable[str]) -> QueryError:
    """Return what to say of a source that there is not; a camera or a folder may be what was meant."""
    what = f"there is no source {said(part.source)}"
    if ways := list(_clauses(connection, part.source)):
        hint = f"that is asked for by: {', or '.join(ways)}"
        return QueryError(text, part.start, part.end, what, hint)
    hint, near = _near("sources", part.source, list(sources))
    return QueryError(text, part.start, part.end, what, hint, tuple(map(_value, near)))


def unknown_field(connection: Connection, text: str, field: Field) -> QueryError:
    """Return what to say of a field that no file has."""
    names = connection.scalars(select(file_attribute.c.name).distinct())
    heads = connection.scalars(select(head.c.name))
    hint, near = _near("fields", field.name, [*fields.OWN, "is", *names, *heads])
    value = text[field.start : field.end].partition(":")[2] or _value(field.value)
    instead = tuple(f"{name}:{value}" for name in near)
    return QueryError(text, field.start, field.end, f"there is no field {said(field.name)}", hint, instead)


def unknown_label(text: str, field: Field, labels: Sequence[str]) -> QueryError:
    """Return what to say of a label that a head has not; `labels` are what its labels are called."""
    hint, near = _near("its labels", field.value, labels)
    what = f"the head {field.name} has no label {said(field.value)}"
    instead = tuple(f"{field.name}:{_value(one)}" for one in near)
    return QueryError(text, field.start, field.end, what, hint, instead)


def unknown_state(text: str, field: Field) -> QueryError:
    """Return what to say of a state that no file can be in."""
    hint, near = _near("states", field.value, list(State))
    instead = tuple(f"state:{state}" for state in near)
    return QueryError(text, field.start, field.end, f"there is no state {said(field.value)}", hint, instead)


def unknown_condition(text: str, field: Field) -> QueryError:
    """Return what to say of a condition that no picture can be in: the nearest, and all that there are."""
    near = spelled(field.value.casefold(), NAMES)
    hint = f"{did_you_mean(near[:1])} conditions: {', '.join(NAMES)}".lstrip()
    what = f"there is no condition {said(field.value)}"
    return QueryError(text, field.start, field.end, what, hint, tuple(f"is:{name}" for name in near))


def _near(kind: str, given: str, names: Sequence[str]) -> tuple[str, list[str]]:
    plain = {name.casefold(): name for name in names}
    near = [plain[one] for one in spelled(given.casefold(), plain)]
    some = ", ".join(map(_value, names[:_SOME])) or "none yet"
    return did_you_mean(map(_value, near), f"{kind}: {some}"), near
