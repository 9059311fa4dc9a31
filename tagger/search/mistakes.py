"""What is wrong with a query, in words: the word that does not fit, seen with what stands before it."""

import re

from lark import Token

from tagger.search.query import QueryError, said

TIMES = "say 30m, 2h or 7d, today or yesterday, or an ISO time such as 2026-03-26T13:00"
UNITS = "units of time: s, m, h, d and w, as in 30m, 2h or 7d"

_OPERAND = ("no name and no clause", "write one behind it, or quote it where it is part of a name")
_TIME = ("no time", TIMES)
_MISSING = {
    "_AND": _OPERAND,
    "_OR": _OPERAND,
    "NOT": _OPERAND,
    "SINCE": _TIME,
    "UNTIL": _TIME,
    "IN": ("no source", 'write its name behind it; quote a name of several words, as in "cam 1"'),
    "FIELD": ("no value", "write it right behind the colon, as in path:*.jpg; quote a name that has a colon"),
    "_AT_LEAST": ("no score", "write one from 0 to 1 behind it, as in dog >= 0.5"),
}
"""What must follow a word, and what to do where it does not."""

_COMPARISON = re.compile("[<>=≤＜＞＝]+")
_CLOSING = {'"': '"', "“": "”", "＂": "＂"}


def span(token: Token) -> tuple[int, int]:
    """Return where a token starts and ends in the text."""
    start = token.start_pos or 0
    return start, start + len(token)


def unexpected(text: str, read: list[Token], found: Token) -> QueryError:
    """Return the error for `found`, which does not fit behind the tokens that were `read`."""
    if read and read[-1].type in _MISSING:
        what, hint = _MISSING[read[-1].type]
        return QueryError(text, *span(read[-1]), f"{said(read[-1])} is followed by {what}", hint)
    match found.type:
        case "$END":
            return _left_open(text, read)
        case "RIGHT":
            return _closed_too_soon(text, read, found)
        case "_AND" | "_OR" | "_AT_LEAST":
            return _nothing_before(text, read, found)
    what = f"nothing joins {said(found)} to what is before it"
    return QueryError(text, *span(found), what, _join(read, found))


def unreadable(text: str, start: int) -> QueryError:
    """Return the error for what is no token: a comparison that is not `>=`, or a quote without its other half."""
    if comparison := _COMPARISON.match(text, start):
        hint = "only NAME >= 0.5 is; for less than that, write not NAME >= 0.5"
        return QueryError(text, start, comparison.end(), f"{said(comparison[0])} is not understood", hint)
    if closing := _CLOSING.get(text[start]):
        what, hint = "this quote is never closed", f"put {closing} behind the phrase"
    else:
        what, hint = "this quote closes nothing", "remove it, or put “ before the phrase"
    return QueryError(text, start, start + 1, what, hint)


def _left_open(text: str, read: list[Token]) -> QueryError:
    """Return the error for the innermost bracket that is not closed."""
    closed = 0
    for token in reversed(read):
        closed += {"RIGHT": 1, "LEFT": -1}.get(token.type, 0)
        if closed < 0:
            break
    hint = 'put ) where it ends; quote a name with brackets, as in "crane (bird)"'
    return QueryError(text, *span(token), "this bracket is never closed", hint)


def _closed_too_soon(text: str, read: list[Token], found: Token) -> QueryError:
    start, end = span(found)
    if read and read[-1].type == "LEFT":
        hint = "write a name or a clause between them, or remove them"
        return QueryError(text, span(read[-1])[0], end, "these brackets are empty", hint)
    return QueryError(text, start, end, "this bracket closes nothing", "remove it, or put ( where it begins")


def _nothing_before(text: str, read: list[Token], found: Token) -> QueryError:
    if found.type == "_AT_LEAST":
        what = f"{said(found)} stands behind no name"
        hint = "a score belongs behind one name, as in (dog >= 0.5 or cat >= 0.5)"
    elif not read or read[-1].type == "LEFT":
        what = f"{said(found)} has nothing before it"
        hint = "write a name or a clause there, or quote it where it is part of a name"
    else:
        what = f"{said(found)} behind a clause could mean two things"
        hint = "say which by brackets: (dog since 2h) or cat, or: dog and (since 2h or cat)"
    return QueryError(text, *span(found), what, hint)


def _join(read: list[Token], found: Token) -> str:
    last = read[-1]
    if found.type == "NOT":
        return "put 'and' before it"
    if found.type == "LEFT":
        return "put 'and' or 'or' before it, or quote a name with brackets, as in \"crane (bird)\""
    if re.fullmatch(r"[\d-]{8,10} \d\d:[\d:]{2,5}", f"{last} {found}"):
        return f"a date and its time have a T between them: {last}T{found}"
    if len(read) > 1 and read[-2].type == "IN":
        return "put 'and' or 'or' before it, or quote a source of several words, such as \"cam 1\""
    if len(read) > 1 and read[-2].type == "FIELD":
        return f"put 'and' or 'or' before it, or quote a value of several words: {read[-2]}\"{last} {found}\""
    return "put 'and' or 'or' before it"
