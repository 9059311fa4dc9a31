"""What heads and their labels may be called: words that a search can have before a colon, and between others."""

import re
import unicodedata

from tagger.errors import ConfigError

NONE, UNSURE = "none", "unsure"
"""Labels that every head has, and nobody teaches: nothing of the head's, and what people should look at."""

LONGEST = 60
"""Characters of a name."""
_HEAD = re.compile(r"[a-z][a-z0-9_-]*")
_TAKEN = frozenset({
    "and", "or", "not", "since", "until", "in", "uncertain", "is", "path", "camera", "source", "state", "app",
    "size", "width", "height", "format", "has", "like", "by", NONE, UNSURE,
})  # fmt: skip
_FIELDS = "see docs/heads.md"


def check_head(name: str) -> None:
    """Raise ConfigError where a head cannot be called so."""
    if len(name) > LONGEST or not _HEAD.fullmatch(name):
        raise ConfigError(
            name, "is no name of a head", "use small letters, digits, - and _, such as scene or game_mood"
        )
    if name in _TAKEN:
        raise ConfigError(name, "is a word of the search language", "call the head something else")


def check_label(name: str) -> str:
    """Return the name of a label in the form in which it is kept. Raises ConfigError where a label cannot be called so."""
    tidy = unicodedata.normalize("NFC", " ".join(name.split()))
    if not tidy or len(tidy) > LONGEST:
        raise ConfigError(
            name, f"is no name of a label: it has no character, or more than {LONGEST}", "shorten it"
        )
    if any(one in tidy for one in '/"\\') or not tidy.isprintable():
        raise ConfigError(
            name, "a label's name has no /, \", \\ or control characters", "call it something else"
        )
    return tidy
