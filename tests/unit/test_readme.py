"""README.md is short, and README.zh.md has the same commands, outputs, links and sections."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = (
    (ROOT / name).read_text(encoding="utf-8").replace("README.zh.md", "README.md")
    for name in ("README.md", "README.zh.md")
)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(r"^```.*?^```$", id="commands and outputs"),
        pytest.param(r"\]\(([^)]+)\)", id="links"),
        pytest.param(r"^#+ ", id="sections"),
        pytest.param(r"^\| `tagger [^|]*\|", id="rows of the table"),
    ],
)
def test_the_chinese_readme_has_the_same(part: str) -> None:
    found = re.compile(part, re.MULTILINE | re.DOTALL).findall
    assert found(ENGLISH)
    assert found(ENGLISH) == found(CHINESE)


def test_the_commands_in_the_text_are_the_same() -> None:
    code = re.compile(r"(?<!`)`[^`\n]+`(?!`)").findall
    assert set(code(ENGLISH)) <= set(code(CHINESE))


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(ENGLISH.splitlines()) <= 110
