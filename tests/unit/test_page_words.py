"""The page's Chinese has all that the templates say, and nothing that they do not."""

import re
from pathlib import Path
from typing import get_args

import tagger.web.page
from tagger.search.conditions import NAMES
from tagger.store.core.schema import State
from tagger.web.heads import HeadState as HeadState
from tagger.web.page.words import CHINESE

TEMPLATES = Path(tagger.web.page.__file__).with_name("templates")
STATES = {*map(str, State), "ok", "silent", "black", "frozen", "blurred", "night", "blank", *NAMES}
PLACES = {"handed in", "decoded", "to be stored"}
HEALTH = {"brightness", "contrast", "sharpness", "colourfulness"}


def said() -> set[str]:
    texts = "".join(template.read_text(encoding="utf-8") for template in TEMPLATES.iterdir())
    direct = set(re.findall(r"""\bt\((?:"([^"]+)"|'([^']+)')\)""", texts))
    listed = re.findall(r"""\{% for \w+, (?:name|text) in \((.+)\) %\}""", texts)
    pairs = {text for one in listed for text in re.findall(r"""\("[^"]*", "([^"]+)"\)""", one)}
    branches = set(re.findall(r"""\bt\("([^"]+)"\)""", texts))
    return {a or b for a, b in direct} | pairs | branches


def test_every_word_of_the_page_is_there_in_chinese() -> None:
    assert said() | STATES | {*get_args(HeadState)} | PLACES | HEALTH == set(CHINESE)
