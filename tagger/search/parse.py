"""The text of a search → its tree. lark costs a search 50 ms; no other command imports it."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from tagger.search import mistakes
from tagger.search.mistakes import TIMES, UNITS, span
from tagger.search.moment import moment
from tagger.search.query import (
    Everything,
    Field,
    In,
    Name,
    Not,
    Query,
    QueryError,
    Since,
    Uncertain,
    Until,
    all_of,
    any_of,
    said,
)

LONGEST = 4_000
DEEPEST = 50
"""How many brackets and `not`s may stand in one another, so that whoever walks the tree may recurse."""
MOST_PARTS = 200
"""Different names and clauses: each picture may have to be looked at for each of them."""
MOST_PATTERNS = 20
"""Different values with `*`, `?` or `[`: no index helps with those, so each is a look at each picture."""
MOST_WILDCARDS = 50
LONGEST_CLASS = 100
"""In one pattern, and characters between `[` and `]`: SQLite's GLOB tries each at each place of a path."""

_WILDCARD = re.compile(r"[*?\[]")
_LONG_CLASS = re.compile(rf"\[\^?\]?[^\]]{{{LONGEST_CLASS + 1}}}")


def parse(text: str, now: datetime) -> Query:
    """Return the tree of a query; durations count back from `now`. Raises QueryError, which says where and what to do."""
    if len(text) > LONGEST:
        what = f"a query of {len(text)} characters is too long"
        raise QueryError(text, LONGEST, len(text), what, f"keep it to {LONGEST}, or ask in several queries")
    reader = _Reader(text, now)
    return reader.query(_tree(text, reader), depth=0)


@cache
def _lark() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual")


def _tree(text: str, reader: "_Reader") -> "Tree[Token]":
    """Return lark's tree of the text. Raises QueryError. lark does not recurse, however deep the query is."""
    parser, read = _lark().parse_interactive(text), list[Token]()
    try:
        for token in parser.iter_parse():
            read.append(token)
            reader.check(token)  # here, so that the first mistake is the one that is told
        tree: Tree[Token] = parser.feed_token(Token("$END", "", len(text)))
    except UnexpectedToken as error:
        before = [token for token in read if token is not error.token]
        raise mistakes.unexpected(text, before, error.token) from None
    except UnexpectedCharacters as error:
        raise mistakes.unreadable(text, error.pos_in_stream or 0) from None
    return tree


class _Reader:
    """Makes our tree of lark's, and keeps the query within its bounds."""

    def __init__(self, text: str, now: datetime) -> None:
        self._text, self._now = text, now
        self._parts, self._patterns = set[Query](), set[Query]()

    def check(self, token: Token) -> None:
        """Do nothing. Raises QueryError where something is wrong with a word by itself."""
        match token.type:
            case "SCORE":
                self._score(token)
            case "MOMENT":
                self._moment(token)
            case "PHRASE":
                self._plain(token)

    def query(self, tree: "Tree[Token]", depth: int) -> Query:
        """Return the tree of a part; `depth` counts the brackets and `not`s around it. Raises QueryError past a bound."""
        words = [child for child in tree.children if isinstance(child, Token)]
        trees = [child for child in tree.children if isinstance(child, Tree)]
        if not trees:
            return self._counted(self._leaf(tree.data, words), words)
        if words and depth == DEEPEST:
            what = f"more than {DEEPEST} brackets and 'not's stand in one another"
            raise self._error(words[0], what, "take some of them away, or ask in several queries")
        parts = [self.query(part, depth + bool(words)) for part in trees]
        match tree.data:
            case "both":
                return all_of(parts)
            case "either":
                return any_of(parts)
            case "negation":
                return Not(parts[0])
        return parts[0]

    def _counted(self, leaf: Query, words: list[Token]) -> Query:
        """Return the name or clause as it is. Raises QueryError where it is one too many."""
        self._parts.add(leaf)
        if isinstance(leaf, Field) and _WILDCARD.search(leaf.value):
            self._patterns.add(leaf)
            self._check_pattern(words[1], leaf.value)
        if len(self._parts) > MOST_PARTS:
            what = f"more than {MOST_PARTS} different names and clauses are asked for"
            raise self._error(words[0], what, "take some of them away, or ask in several queries")
        return leaf

    def _check_pattern(self, word: Token, pattern: str) -> None:
        if len(self._patterns) > MOST_PATTERNS:
            what = f"more than {MOST_PATTERNS} different patterns are asked for"
            raise self._error(word, what, "let one pattern stand for several, or ask in several queries")
        if len(_WILDCARD.findall(pattern)) > MOST_WILDCARDS:
            what = f"a pattern with more than {MOST_WILDCARDS} of *, ? and [ is too much"
            raise self._error(word, what, "let one * stand for all that is between two names")
        if _LONG_CLASS.search(pattern):
            what = f"more than {LONGEST_CLASS} characters stand between [ and ]"
            raise self._error(word, what, "write ranges, as in [a-z], or let ? stand for any character")

    def _leaf(self, kind: str, words: list[Token]) -> Query:
        if not words:
            return Everything()
        last = words[-1]
        match kind:
            case "since":
                return Since(self._moment(last))
            case "until":
                return Until(self._moment(last))
            case "source":
                return In(self._plain(last), *span(last))
            case "field":
                return self._field(words)
            case "uncertain":
                return Uncertain()
        return self._name(words)

    def _field(self, words: list[Token]) -> Field:
        name, value = words[:2]
        score = self._score(words[2]) if len(words) > 2 else None
        return Field(name[:-1].lower(), self._plain(value), score, span(name)[0], span(value)[1])

    def _name(self, words: list[Token]) -> Name:
        score = self._score(words.pop()) if words[-1].type == "SCORE" else None
        text = " ".join(self._plain(word) for word in words)
        return Name(text, score, span(words[0])[0], span(words[-1])[1])

    def _plain(self, word: Token) -> str:
        """Return a word as it is, a phrase without its quotes. Raises QueryError for an empty phrase."""
        if word.type != "PHRASE":
            return str(word)
        if not word[1:-1].strip():
            hint = "write a name there, or remove them"
            raise self._error(word, "nothing stands between these quotes", hint)
        return re.sub(r'\\(["”＂\\])', r"\1", word[1:-1])

    def _score(self, word: Token) -> float:
        number = re.fullmatch(r"(\d+\.?\d*|\.\d+)(\s*[%％])?", word, re.ASCII)
        score = float(number[1]) / (100 if number[2] else 1) if number else -1
        if 0 <= score <= 1:
            return score
        hint = "write dog >= 0.5 or dog >= 50%"
        if not number:
            hint += "; names are joined by 'and' or 'or'"
        raise self._error(word, f"{said(word)} is no score from 0 to 1", hint)

    def _moment(self, word: Token) -> datetime:
        try:
            return moment(word, self._now)
        except KeyError as unit:
            what, hint = f"{said(unit.args[0])} is no unit of time", UNITS
        except OverflowError:
            what, hint = f"{said(word)} is out of the years 1 to 9999", TIMES
        except (ValueError, OSError):
            what, hint = f"{said(word)} is neither a duration nor a time", TIMES
        raise self._error(word, what, hint)

    def _error(self, word: Token, what: str, hint: str) -> QueryError:
        return QueryError(self._text, *span(word), what, hint)
