"""Whatever happens to a folder, in the end each of its pictures has the tags of what it shows.

A real daemon watches while hypothesis writes, moves, links and deletes, kills the daemon and lets its queue of events
overflow. There are no rescans but those that the daemon itself finds needful. The oracle is the final tree.
"""

import os
import shutil
import signal
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from PIL import Image

from tests.e2e.command import Daemon, rows, running, tagger

pytestmark = pytest.mark.long

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
FOLDERS = ("", "a", "a/b", "c")
NAMES = ("1.png", "2.png", "grün.png")
QUICK = {"TAGGER_RESCAN": "86400", "TAGGER_LOG_LEVEL": "debug"}

folders = st.sampled_from(FOLDERS)
paths = st.builds(os.path.join, folders, st.sampled_from(NAMES))
colours = st.sampled_from(sorted(COLOURS))


class Tree(RuleBasedStateMachine):
    daemon: Daemon

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.home = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        self.inbox, self.aside, self.database = (
            self.home / "inbox",
            self.home / "aside",
            self.home / "tags.db",
        )
        self.inbox.mkdir()
        self.made = 0
        self.overflowed = False

    @initialize()
    def start(self) -> None:
        self.running = ExitStack()
        self.daemon = self.running.enter_context(
            running(self.home, "inbox", "--database", self.database, **QUICK)
        )

    @rule(path=paths, colour=colours)
    def write(self, path: str, colour: str) -> None:
        (self.inbox / path).parent.mkdir(parents=True, exist_ok=True)
        self._picture(colour).save(self.inbox / path)

    @rule(path=paths, colour=colours)
    def write_in_pieces(self, path: str, colour: str) -> None:
        self._picture(colour).save(self.home / "whole.png")
        whole = (self.home / "whole.png").read_bytes()
        (self.inbox / path).parent.mkdir(parents=True, exist_ok=True)
        with (self.inbox / path).open("wb", buffering=0) as file:
            for start in range(0, len(whole), 50):
                file.write(whole[start : start + 50])

    @rule(path=paths, colour=colours)
    def replace(self, path: str, colour: str) -> None:
        self._picture(colour).save(self.home / "new.png")
        (self.inbox / path).parent.mkdir(parents=True, exist_ok=True)
        (self.home / "new.png").replace(self.inbox / path)

    @rule(path=paths)
    def append(self, path: str) -> None:
        with suppress(FileNotFoundError), (self.inbox / path).open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"behind the picture")

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        with suppress(FileNotFoundError):
            (self.inbox / old).replace(self.inbox / new)

    @rule(old=paths, new=paths)
    def link(self, old: str, new: str) -> None:
        with suppress(FileNotFoundError, FileExistsError):
            os.link(self.inbox / old, self.inbox / new)

    @rule(path=paths)
    def delete(self, path: str) -> None:
        (self.inbox / path).unlink(missing_ok=True)

    @rule(path=paths)
    def close_and_open(self, path: str) -> None:
        with suppress(FileNotFoundError):
            (self.inbox / path).chmod(0)
            (self.inbox / path).chmod(0o644)

    @rule(old=st.sampled_from(FOLDERS[1:]), new=st.sampled_from(("d", "a/d", "c/d")))
    def move_tree(self, old: str, new: str) -> None:
        with suppress(OSError):
            (self.inbox / old).rename(self.inbox / new)

    @rule(folder=st.sampled_from(FOLDERS[1:]))
    def move_tree_out(self, folder: str) -> None:
        shutil.rmtree(self.aside, ignore_errors=True)
        with suppress(OSError):
            (self.inbox / folder).rename(self.aside)

    @rule(folder=st.sampled_from(("d", "a/e")))
    def move_tree_in(self, folder: str) -> None:
        with suppress(OSError):
            self.aside.rename(self.inbox / folder)

    @rule(folder=st.sampled_from(FOLDERS[1:]))
    def delete_tree(self, folder: str) -> None:
        shutil.rmtree(self.inbox / folder, ignore_errors=True)

    @rule(number=st.sampled_from((signal.SIGKILL, signal.SIGTERM)))
    def end_and_start(self, number: int) -> None:
        self.daemon.stop(number)
        self.running.close()
        self.start()

    @precondition(lambda self: not self.overflowed)
    @rule(path=paths, colour=colours)
    def overflow(self, path: str, colour: str) -> None:
        self.overflowed = True
        self.daemon.process.send_signal(signal.SIGSTOP)
        self.daemon.wait_until_stopped()
        room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        files = [(self.inbox / f"noise{number}.txt").open("wb", buffering=0) for number in range(2)]
        for number in range(room + 10):
            files[number % 2].write(b"!")
        for file in files:
            file.close()
        self.write(path, colour)
        self.daemon.process.send_signal(signal.SIGCONT)

    def teardown(self) -> None:
        with self.cleanup, self.running:
            while not self._is_true():
                self.daemon.wait_for("stored")
            assert self.daemon.stop(signal.SIGTERM) == 0
            for _ in range(2):
                done = tagger(self.home, "scan", "inbox", "--database", self.database)
                assert done.stdout.startswith("0 new"), done.stdout
            self._expect_no_ghosts()

    def _is_true(self) -> bool:
        found = dict(rows(self.database, "SELECT path, label FROM top_tag"))
        return all(found.get(str(path)) == self._shown(path) for path in self.inbox.rglob("*.png"))

    def _expect_no_ghosts(self) -> None:
        """What is gone is known to be missing, unless the folder is empty and proves nothing, or so much is gone at once that a
        scan a minute later is to agree: that is where the daemon ended before it had heard of it."""
        here = {str(path.relative_to(self.inbox)) for path in self.inbox.rglob("*.png")}
        states = dict(rows(self.database, "SELECT path, coalesce(missing_since, state) FROM file"))
        in_doubt = rows(self.database, "SELECT name FROM source WHERE vanished_at IS NOT NULL")
        if any(self.inbox.iterdir()) and not in_doubt:
            assert {path for path, state in states.items() if state == "done"} == here

    def _picture(self, colour: str) -> Image.Image:
        self.made += 1
        pixels = np.full((48, 64, 3), COLOURS[colour], np.uint8)
        pixels[0, 0] = [self.made >> 8, self.made & 255, 0]
        return Image.fromarray(pixels)

    def _shown(self, path: Path) -> str:
        with Image.open(path) as image:
            middle = image.getpixel((30, 30))
        return next(name for name, colour in COLOURS.items() if colour == middle)


TestFinalTree = Tree.TestCase
TestFinalTree.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
