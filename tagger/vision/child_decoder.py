"""Pictures in formats whose decoders are old, large or seldom met are decoded in child processes, which then are what dies.

A child takes one picture after the other, and starts with the first one: who has only JPEG, PNG and WebP never has any. There are as
many as threads ask at the same time, and one without work ends by itself. What is decoded there is the same to the last bit, and
takes a little longer for the way through two pipes. Rejected: a process for each picture, which takes half a second to start;
a fork of this one, which has threads and all that a picture should not see; children for every format, since nearly all pictures are
JPEG, PNG or WebP and would pay for it; a thread here that ends idle children, which may lie as `defunct` until the next one is wanted.
"""

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime
from threading import Lock

import numpy as np

from tagger.config.tagging import DecodeSettings
from tagger.errors import PictureError
from tagger.host import confinement
from tagger.records import Content, Facts, Failed, FailureKind, Picture
from tagger.supervision import queued
from tagger.vision import wire
from tagger.vision.budget import PixelBudget
from tagger.vision.child import Child, EndedError
from tagger.vision.models import Preprocessing
from tagger.wording.escape import shown
from tagger.wording.plural import counted

log = logging.getLogger(__name__)

_PLAIN = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_PROCESSOR_SHARE, _CLOCK_SHARE = 1 / 3, 0.45
"""The parts of `decode.deadline` that a picture may take in a child. It may be tried twice, and is not overdue here then."""
_NOISE_PERIOD, _MOST_TOLD = 60.0, 10
"""The seconds in which the log has so many lines of what decoders write to stderr."""
_READY_WITHIN = 60.0
"""Seconds that a child may take to start: on a machine with nothing else to do it takes half a second."""
_OPEN = "open the file itself"
_NONSENSE = "decoding it made its process answer nonsense"


def is_risky(data: bytes) -> bool:
    """Return whether a picture is anything but a JPEG, PNG or WebP, and so is decoded in a child."""
    return not (data.startswith(_PLAIN) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"))


class _UndecodedError(Exception):
    """A picture came to nothing in its child, for a `reason` in a sentence; `retryable` if another time it may."""

    def __init__(self, kind: FailureKind, reason: str, retryable: bool = False) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.retryable = kind, reason, retryable


class ChildDecoder:
    """Decodes in child processes. Threads may share one; close it when no more is asked."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._seconds, self._within = settings.deadline * _PROCESSOR_SHARE, settings.deadline * _CLOCK_SHARE
        self._command = (
            sys.executable, "-P", "-m", "tagger.vision.child_main",
            str(settings.max_memory), str(self._seconds),
        )  # fmt: skip
        # Of their own, so that a picture that hangs in a child holds up none that is decoded here.
        self._budget, self._lock = PixelBudget(), Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._noise, self._closed = _Noise(), False

    def decode(self, content: Content, preprocessing: Preprocessing) -> Picture | Failed:
        """Return the picture, or why there is none, as `Decoder.decode` does."""
        task = wire.Task(settings=self._settings, preprocessing=preprocessing, side=0, size=len(content.data))
        try:
            told, data = self._ask(content.target.path, task, content.data)
        except _UndecodedError as error:
            return Failed(content.target, "decode", error.reason, error.retryable, error.kind)
        if isinstance(told, wire.Refused):
            return Failed(content.target, "decode", told.reason, kind=told.failure)
        if not isinstance(told, wire.Decoded):
            return Failed(content.target, "decode", _NONSENSE, kind=FailureKind.CRASHED)
        taken_at = datetime.fromisoformat(told.taken_at) if told.taken_at else None
        facts = Facts(
            content.sha256,
            told.width,
            told.height,
            told.format,
            taken_at,
            told.health,
            told.from_camera,
            taken_from=told.taken_from,
        )
        frames = np.frombuffer(data, np.uint8).reshape(told.frames, preprocessing.crop, preprocessing.crop, 3)
        return Picture(content.target, facts, frames, content.top_k)

    def thumbnail(self, data: bytes, side: int, name: str) -> bytes:
        """Return a JPEG, as `Thumbnailer.make` does; `name` is the picture's, for the log. Raises PictureError."""
        task = wire.Task(settings=self._settings, preprocessing=None, side=side, size=len(data))
        try:
            told, made = self._ask(name, task, data)
        except _UndecodedError as error:
            raise PictureError("the picture", error.reason, _OPEN) from None
        if not isinstance(told, wire.Made) or not made.startswith(_PLAIN[0]):
            raise PictureError(
                "the picture", told.reason if isinstance(told, wire.Refused) else _NONSENSE, _OPEN
            )
        return made

    def close(self) -> None:
        """End the children; what one of them has in hand fails, to be tried again."""
        with self._lock:
            self._closed, left, self._idle = True, self._idle, []
            for child in self._busy:
                child.kill()
        for child in left:
            child.end()

    def _ask(self, name: str, task: wire.Task, data: bytes) -> tuple[wire.Result, bytes]:
        """Return what comes of a picture, and the bytes that belong to it. Raises _UndecodedError."""
        with suppress(EndedError):  # one death proves nothing: the system may have wanted the memory
            return self._asked_once(name, task, data)
        try:
            return self._asked_once(name, task, data)
        except EndedError as ended:
            was_wanted_elsewhere = ended.code == -signal.SIGKILL
            reason = f"decoding it ended its process twice: {ended}"
            raise _UndecodedError(FailureKind.CRASHED, reason, was_wanted_elsewhere) from None

    def _asked_once(self, name: str, task: wire.Task, data: bytes) -> tuple[wire.Result, bytes]:
        child = self._taken()
        try:
            answered = self._exchanged(child, task, data)
        except BaseException as error:
            self._noise.tell(name, child.words())
            with self._lock:
                self._busy.discard(child)
            child.end()
            raise self._judged(error) from None
        self._noise.tell(name, child.words())
        self._give_back(child)
        return answered

    def _exchanged(self, child: Child, task: wire.Task, data: bytes) -> tuple[wire.Result, bytes]:
        child.until = time.monotonic() + self._within
        child.write(wire.packed(task))
        child.write(data)
        told = wire.answer(child.read)
        if not isinstance(told, wire.Needs):
            return self._with_bytes(child, task, told)
        left = child.until - time.monotonic()
        with self._budget.hold(told.memory):
            child.until = time.monotonic() + left  # the wait was for others
            child.write(wire.GO)
            told = wire.answer(child.read)
            if isinstance(told, wire.Needs):
                raise ValueError("it asks twice")
            return self._with_bytes(child, task, told)

    @staticmethod
    def _with_bytes(child: Child, task: wire.Task, told: wire.Result) -> tuple[wire.Result, bytes]:
        if isinstance(told, wire.Decoded) and task.preprocessing:
            return told, child.read(told.frames * task.preprocessing.crop**2 * 3)
        return told, child.read(told.size) if isinstance(told, wire.Made) else b""

    def _judged(self, error: BaseException) -> BaseException:
        """Return the error that says why a child did not answer; that it ended is for `_ask` to judge."""
        if isinstance(error, EndedError) and error.code in (-signal.SIGPROF, -signal.SIGXCPU):
            return _UndecodedError(FailureKind.TIMEOUT, f"decoding it took more than {self._seconds:g} s")
        if isinstance(error, TimeoutError):  # it did not take the processor for so long: others may have
            reason = f"decoding it did not end within {self._within:g} s"
            return _UndecodedError(FailureKind.TIMEOUT, reason, retryable=True)
        return _UndecodedError(FailureKind.CRASHED, _NONSENSE) if isinstance(error, ValueError) else error

    def _taken(self) -> Child:
        """Return a child that waits for work, or else a new one. Raises _UndecodedError."""
        with self._lock:
            if self._closed:
                raise _UndecodedError(FailureKind.INTERRUPTED, "Tagger ends", retryable=True)
            while self._idle:
                child = self._idle.pop()
                if child.lives:
                    self._busy.add(child)
                    return child
                child.end()
        return self._started()

    def _started(self) -> Child:
        """Return a new child once it is ready. That none can be started is no picture's fault, and raises _UndecodedError."""
        try:
            child = Child(self._command, confinement.without_settings(os.environ))
        except OSError as error:
            reason = f"no process can be started to decode it: {error.strerror}"
            raise _UndecodedError(FailureKind.INTERRUPTED, reason, retryable=True) from None
        child.until = time.monotonic() + _READY_WITHIN
        try:
            with queued():
                child.read(len(wire.READY))
        except (EndedError, TimeoutError) as error:
            words = child.words()
            child.end()
            reason = f"the process to decode it in does not start: {words or error or 'it hangs'}"
            raise _UndecodedError(FailureKind.INTERRUPTED, reason, retryable=True) from None
        with self._lock:
            self._busy.add(child)
        return child

    def _give_back(self, child: Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if not self._closed:
                self._idle.append(child)
                return
        child.end()


class _Noise:
    """Logs what decoders write to stderr, for ten pictures a minute: any number may make them write."""

    def __init__(self) -> None:
        self._lock, self._since, self._told, self._untold = Lock(), -_NOISE_PERIOD, 0, 0

    def tell(self, name: str, words: str) -> None:
        if not words:
            return
        with self._lock:
            if time.monotonic() - self._since >= _NOISE_PERIOD:
                self._since, self._told, untold, self._untold = time.monotonic(), 0, self._untold, 0
                if untold:
                    log.info("decoders had words on %s more", counted(untold, "picture"))
            self._told += 1
            if self._told > _MOST_TOLD:
                self._untold += 1
                return
        log.info("%s: its decoder says: %s", shown(name), shown(words))
