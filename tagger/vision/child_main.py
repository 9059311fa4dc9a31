"""`python -m tagger.vision.child_main MEMORY SECONDS`: a child that decodes pictures, one after the other, for `child_decoder`.

Each may take so many bytes of memory, and no more than its headers tell; a picture whose frame is larger than it claims then finds
no memory, and fails. It may take so many seconds of a processor; the kernel ends the process where it takes more. The child ends
by itself when its parent does, and when it has had nothing to do for a while: then nobody has to look after it.
"""

import importlib
import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO

from PIL import AvifImagePlugin, Image

from tagger.config.tagging import DecodeSettings
from tagger.errors import TaggerError
from tagger.host import confinement
from tagger.records import Content, Failed, Stamp
from tagger.vision import cores, wire
from tagger.vision.decode import Decoder
from tagger.vision.memory import give_back_what_is_freed
from tagger.vision.models import Preprocessing
from tagger.vision.thumbnail import Thumbnailer

_IDLE = 30.0
"""Seconds without work after which it ends: to start takes a half, and it holds 60 MB."""
BESIDE = 256 << 20
"""Bytes of address space that a picture may take beside those that its headers tell, for heaps and the threads of decoders."""
_AVIF_THREADS = 8
"""Most threads that decode one AVIF: each takes 1.3 MB of address space, and a machine may have hundreds of cores."""
_NOBODY = Stamp("", "", 0, 0, 0)
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A service manager and a terminal send them to every process; the parent then ends in order, and this one with it."""


class _Parent:
    """The process that asks. `hold` makes it a MemoryBudget: the parent grants memory, and the kernel gives no more than that."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO, memory: confinement.MemoryBound) -> None:
        self._requests, self._answers, self._memory = requests, answers, memory

    def ready(self) -> None:
        self._answers.write(wire.READY)
        self._answers.flush()

    def tasks(self) -> Iterator[tuple[wire.Task, bytes]]:
        while select.select((self._requests,), (), (), _IDLE)[0]:
            task = wire.task(self._requests.read)
            if task is None:
                return
            yield task, self._requests.read(task.size)

    def answer(self, words: wire.Needs | wire.Result, data: bytes = b"") -> None:
        self._answers.write(wire.packed(words))
        self._answers.write(data)
        self._answers.flush()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        self.answer(wire.Needs(memory=size))
        if not self._requests.read(1):
            raise SystemExit
        with self._memory.lowered_to(size + BESIDE):
            yield


def main() -> None:
    most, seconds = int(sys.argv[1]), float(sys.argv[2])
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    channels = _channels()
    _get_ready()
    memory = confinement.MemoryBound(most + BESIDE)
    memory.impose()
    confinement.give_up_files_and_dumps()
    confinement.give_up_capabilities()
    parent = _Parent(*channels, memory)
    parent.ready()
    for task, data in parent.tasks():
        signal.setitimer(signal.ITIMER_PROF, seconds)
        _do(task, data, parent)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _channels() -> tuple[BinaryIO, BinaryIO]:
    """Return where requests come from and answers go to. What a library reads or prints by itself is no part of either."""
    requests, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return io.BufferedReader(requests), answers


def _get_ready() -> None:
    """Import what Pillow and Python import only when a picture first needs it: no file is opened later."""
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(cores.available(), _AVIF_THREADS)
    for name in ("_strptime", "PIL.ImageCms", "PIL.ImageColor", "PIL.ImagePalette", "imagecodecs._tiff"):
        importlib.import_module(name)
    give_back_what_is_freed()


def _do(task: wire.Task, data: bytes, parent: _Parent) -> None:
    try:
        if task.preprocessing is None:
            made = Thumbnailer(task.settings, parent).make(data, task.side)
            parent.answer(wire.Made(size=len(made)), made)
        else:
            _decode(_decoder(task.settings, task.preprocessing, parent), data, parent)
    except TaggerError as error:
        parent.answer(wire.Refused(reason=error.what[: wire.MOST_REASON]))


@lru_cache(maxsize=16)
def _decoder(settings: DecodeSettings, preprocessing: Preprocessing, budget: _Parent) -> Decoder:
    return Decoder(
        preprocessing,
        settings.max_pixels,
        budget,
        settings.mode,
        max_frames=settings.max_frames,
        max_memory=settings.max_memory,
    )


def _decode(decoder: Decoder, data: bytes, parent: _Parent) -> None:
    outcome = decoder.decode(Content(_NOBODY, data, ""))
    if isinstance(outcome, Failed):
        parent.answer(wire.Refused(reason=outcome.reason[: wire.MOST_REASON], failure=outcome.kind))
        return
    facts = outcome.facts
    told = wire.Decoded(
        width=facts.width,
        height=facts.height,
        format=facts.format,
        taken_at=facts.taken_at.isoformat() if facts.taken_at else None,
        taken_from=facts.taken_from,
        health=facts.health,
        from_camera=facts.from_camera,
        frames=len(outcome.frames),
    )
    parent.answer(told, outcome.frames.tobytes())


if __name__ == "__main__":
    main()
