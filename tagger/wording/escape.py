"""Text that others wrote, such as paths, as it may be shown: on a terminal, in a log, in an error.

A name can clear a screen, turn the line around, or look like a line of the log. Whatever is said to people passes through
here once more where it leaves: `errors`, `cli.output` and `cli.logs`.
"""

import re

_PASSWORD = re.compile(r"(://[^/@\s:]*):[^\s@]*@")
_NAMED_PASSWORD = re.compile(r"([?&]\w*password=)[^&\s]*", re.IGNORECASE)


def shown(text: str) -> str:
    """Return the text with all that would not print, or would move the cursor, escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def shown_lines(text: str, indent: str = "") -> str:
    """Return text of several lines, each as `shown` has it; those after the first begin with `indent`."""
    return f"\n{indent}".join(shown(line) for line in text.split("\n"))


def without_password(text: str) -> str:
    """Return the text with no password in any URL."""
    return _NAMED_PASSWORD.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


def cut(text: str, longest: int) -> str:
    """Return the text; only its beginning and end where it has more than `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[3 - longest // 2 :]}"
