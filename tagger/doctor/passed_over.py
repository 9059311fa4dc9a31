"""What a scan of a folder passes over, and why, in words."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from tagger.config.sources import Source
from tagger.doctor.finding import Finding
from tagger.ingest.scan import SkipReason
from tagger.wording.escape import shown
from tagger.wording.plural import counted

PathsByReason = Mapping[SkipReason, Sequence[str]]

PATIENCE = 5
"""What links lead to is asked in another process, which has so many seconds: it may lie on a dead server."""

AT_ONCE = 100
"""Links that one process is asked about; their paths are its arguments."""


def in_words(passed_over: PathsByReason) -> str:
    """Return how much is passed over for each reason, as the end of a sentence; "" where nothing is."""
    counts = [counted(len(paths), reason.value) for reason, paths in passed_over.items() if paths]
    return f"; passed over: {', '.join(counts)}" if counts else ""


def findings(source: Source, pictures: int, passed_over: PathsByReason) -> Iterator[Finding]:
    """Yield what can be done about links, and about what cannot be looked at."""
    links = [*passed_over.get(SkipReason.LINK, ()), *passed_over.get(SkipReason.FOLDER_LINK, ())]
    if links:
        what = f"symbolic links in {source.name} are not followed, such as {shown(links[0])}"
        hint = "name the folder that they lead to in follow_links of this source, or as a source of its own"
        yield Finding("note" if pictures else "warning", what, hint)
    if unreadable := passed_over.get(SkipReason.UNREADABLE):
        what = f"{counted(len(unreadable), 'path')} in {source.name} cannot be looked at, such as {shown(unreadable[0])}"
        yield Finding(
            "warning", what, "tagger scan logs why; a path of more than 4,095 bytes needs shorter names"
        )


def linked_folders(links: Sequence[str]) -> list[str]:
    """Return those links that lead to folders, as far as what they lead to answers."""
    found = list[str]()
    for first in range(0, len(links), AT_ONCE):
        paths = links[first : first + AT_ONCE]
        command = ("find", "-L", *paths, "-maxdepth", "0", "-type", "d", "-print0")
        try:
            done = subprocess.run(command, timeout=PATIENCE, capture_output=True, check=False)  # noqa: S603 - looks at paths
        except subprocess.TimeoutExpired:
            break
        found += [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]
    return found
