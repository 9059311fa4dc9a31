"""Thumbnails are made when first asked for, by one thread that yields to all others, and kept on disk.

Who scrolls asks for hundreds and looks at the last: so the newest request comes first. They are kept by content, so a
picture that moves has its thumbnail already. Rejected: to make them as pictures are tagged, which most never need.
"""

import hashlib
import logging
import os
import threading
import zlib
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tagger.config.tagging import DecodeSettings
from tagger.errors import PictureError
from tagger.host.replace import replacing
from tagger.pipeline.predict_queue import BusyError
from tagger.store.search.pictures import Original
from tagger.supervision import Closed
from tagger.vision.child_decoder import ChildDecoder
from tagger.vision.thumbnail import Thumbnailer
from tagger.web.original import opened

log = logging.getLogger(__name__)

WAITING = 1000
"""Requests that may wait: a few screens' worth of several readers."""

KEPT = 1 << 30
"""Bytes of thumbnails on disk, some 80,000 of the small ones."""

_FOLDERS = 256
_NICE = 10
_CHECK = 4
"""Bytes after each kept one that tell whether it is still what was written: a disk may have lost its middle."""
_ENDS_WITHIN = 1.0
"""Seconds that a stop waits for the one in hand, which may lie on a server that is silent."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A thumbnail that is asked for; `side` is the most pixels that it may have in either direction."""

    original: Original
    side: int

    @property
    def name(self) -> str:
        """Return what it is kept by: its content, not its place."""
        return f"{self.original.sha256}-{self.side}"


class Thumbnails:
    """Makes them, and keeps `most` bytes of them in `folder`, which may be lost at any time, or not be writable at all."""

    def __init__(self, folder: Path, decode: DecodeSettings, most: int = KEPT) -> None:
        # Not those that decode files: a child is as nice as the thread that starts it.
        self._children = ChildDecoder(decode)
        self._folder, self._thumbnailer, self._most = (
            folder,
            Thumbnailer(decode, children=self._children),
            most,
        )
        self._asked: dict[str, tuple[Wanted, Future[bytes]]] = {}
        self._changed = threading.Condition()
        self._closed = self._has_complained = False
        self._thread = threading.Thread(target=self._work, name="thumbnails", daemon=True)
        self._thread.start()

    def ask(self, wanted: Wanted) -> "Future[bytes]":
        """Return a JPEG's bytes, in future, which fails with PictureError or GoneError where none can be made.

        Raises BusyError where too many wait, and Closed.
        """
        with self._changed:
            if self._closed:
                raise Closed
            known = self._asked.pop(wanted.name, None)
            if known is None and len(self._asked) >= WAITING:
                raise BusyError
            answer: Future[bytes] = known[1] if known else Future()
            self._asked[wanted.name] = wanted, answer  # the last in a dictionary, and so the next
            self._changed.notify()
            return answer

    def close(self) -> None:
        """End the thread; whoever waits is told Closed."""
        with self._changed:
            self._closed = True
            left, self._asked = self._asked, {}
            self._changed.notify()
        for _, answer in left.values():
            if answer.set_running_or_notify_cancel():
                answer.set_exception(Closed())
        self._thread.join(_ENDS_WITHIN)
        self._children.close()

    def _work(self) -> None:
        with suppress(OSError, AttributeError):  # Linux alone has a priority for each thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        with suppress(Closed):
            while True:
                wanted, answer = self._next()
                if not answer.set_running_or_notify_cancel():
                    continue
                try:
                    answer.set_result(self._kept(wanted) or self._made(wanted))
                except Exception as error:
                    answer.set_exception(error)

    def _next(self) -> tuple[Wanted, "Future[bytes]"]:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._asked)
            if self._closed:
                raise Closed
            return self._asked.popitem()[1]

    def _kept(self, wanted: Wanted) -> bytes | None:
        try:
            data = self._place(wanted).read_bytes()
        except OSError:
            return None
        made = data[:-_CHECK]
        return made if made and data == _checked(made) else None

    def _made(self, wanted: Wanted) -> bytes:
        with opened(wanted.original) as file:
            data = self._read(file)
        made = self._thumbnailer.make(data, wanted.side, wanted.original.path)
        if (
            hashlib.sha256(data).hexdigest() == wanted.original.sha256
        ):  # else it has changed, and is tagged anew soon
            self._keep(wanted, made)
        return made

    def _read(self, file: BinaryIO) -> bytes:
        data = file.read(self._thumbnailer.max_bytes + 1)
        if len(data) > self._thumbnailer.max_bytes:
            raise PictureError(
                "the picture", "is larger than decode.max_bytes allows", "open the file itself"
            )
        return data

    def _keep(self, wanted: Wanted, made: bytes) -> None:
        place = self._place(wanted)
        try:
            for folder in (self._folder, place.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with replacing(place, mode=0o600, survives_power_cut=False) as file:
                file.write(_checked(made))
            with suppress(FileNotFoundError):  # another process thins out, too
                _thin_out(place.parent, self._most // _FOLDERS)
        except OSError as error:
            if not self._has_complained:
                log.warning("thumbnails are not kept: %s: %s", self._folder, error.strerror)
            self._has_complained = True

    def _place(self, wanted: Wanted) -> Path:
        return self._folder / wanted.name[:2] / f"{wanted.name}.jpg"


def _checked(made: bytes) -> bytes:
    return made + zlib.crc32(made).to_bytes(_CHECK, "big")


def _thin_out(folder: Path, most: int) -> None:
    """Delete the oldest until a quarter is free again."""
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
    size = sum(one[1] for one in files)
    if size <= most:
        return
    for _, its, path in files:
        if size <= most * 3 // 4:
            break
        Path(path).unlink()
        size -= its
