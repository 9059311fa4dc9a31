"""What heads and their labels may be called: words that a search can have before a colon, and between others."""

import unicodedata

from tagger.config.head_names import LONGEST, head_name
from tagger.errors import ConfigError

NONE, UNSURE = "none", "unsure"
"""Labels that every head has, and nobody teaches: nothing of the head's, and what people should look at."""

FLAGGED, CLEAR = "flagged", "clear"
"""States of pictures, with UNSURE, where a head has labels that must not be missed."""


def check_head(name: str) -> None:
    """Raise ConfigError where a head cannot be called so."""
    try:
        head_name(name)
    except ValueError as error:
        raise ConfigError("the name of a head", str(error)) from None


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
