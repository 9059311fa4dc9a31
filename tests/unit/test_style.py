"""How the source is written, where no linter looks: names, sizes and docstrings of `tagger`."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tagger

ROOT = Path(tagger.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LONGEST_FILE, LONGEST_CONSTRUCTOR, FEWEST_WORDS = 350, 40, 3

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def classes() -> Iterator[tuple[str, Path]]:
    for path in FILES:
        yield from ((one.name, path) for one in ast.walk(tree(path)) if isinstance(one, ast.ClassDef))


def documented(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Yield the docstring of a module and of all that is public in it, each with its name."""
    if isinstance(node, ast.Module | Definition) and (text := ast.get_docstring(node)):
        yield name, text
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, Definition) and not inner.name.startswith("_"):
            yield from documented(inner, f"{name}.{inner.name}")


def is_a_sentence(docstring: str) -> bool:
    """Return whether it begins as a sentence does: with a capital or with code, in some words, up to a period."""
    first = re.match(r"[A-Z`].*?\.(?=\s|$)", docstring.split("\n\n")[0], re.DOTALL)
    return first is not None and len(first[0].split()) >= FEWEST_WORDS


def test_no_two_classes_have_one_name() -> None:
    counts = Counter(name for name, _ in classes())
    assert [(name, str(path)) for name, path in classes() if counts[name] > 1] == []


def test_no_file_is_too_long_to_be_read_at_one_go() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_constructors_only_assign() -> None:
    lengths = {
        f"{path}:{one.lineno}": (one.end_lineno or 0) - one.lineno + 1
        for path in FILES
        for one in ast.walk(tree(path))
        if isinstance(one, ast.FunctionDef) and one.name == "__init__"
    }
    assert {place: length for place, length in lengths.items() if length > LONGEST_CONSTRUCTOR} == {}


def test_docstrings_begin_with_a_whole_sentence() -> None:
    said = (one for path in FILES for one in documented(tree(path), str(path.relative_to(ROOT))))
    assert [(name, text) for name, text in said if not is_a_sentence(text)] == []
