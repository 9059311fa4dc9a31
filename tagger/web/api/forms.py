"""A form's parts are read as clients send them. RFC 7578 leaves a file's name out where there is none, so whatever is called `image`
is a file: small devices and Node's libraries send it without a name, or with an encoded one alone (`filename*`).
"""

import re
from contextlib import aclosing
from urllib.parse import unquote

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from tagger.web.problems import NO_CHARSET, ProblemError
from tagger.wording.escape import shown

_FIELDS = 100
_ENCODED = re.compile(rb";\s*filename\*\s*=\s*(?P<charset>[\w-]+)'[\w-]*'(?P<name>[^;\s]+)", re.IGNORECASE)
_UNQUOTABLE = re.compile(r'[\x00-\x1f"\\\x7f]')


class _Parser(MultiPartParser):
    """Keeps a part called `image` as a file, however large it is."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        given = part.content_disposition or b""
        options = parse_options_header(given)[1]
        if options.get(b"name") == b"image" and b"filename" not in options:
            part.content_disposition = given + f'; filename="{_name(given)}"'.encode()
        super().on_headers_finished()

    @property
    def where(self) -> str:
        """The field in which the form could not be read on; empty before the first one."""
        return str(getattr(self._current_part, "field_name", ""))


async def read(request: Request, most: int) -> FormData:
    """Return the form, of which no more than `most` files are read. Raises ProblemError where it is none."""
    async with aclosing(request.stream()) as stream:
        parser = _Parser(request.headers, stream, max_files=most, max_fields=_FIELDS)
        try:
            return await parser.parse()
        except MultiPartException as error:
            what = str(error.__cause__ or error.message)
        except FormParserError as error:  # which older releases of Starlette let through
            what = str(error)
        except UnicodeError:
            raise ProblemError(400, NO_CHARSET) from None
    if "boundary" in what.lower() and not parser.where:
        hint = "let the client's library set this header"
        raise ProblemError(400, f"Content-Type: the form cannot be read: {what.rstrip('.')}; {hint}")
    field = f"the field {shown(parser.where[:80])}: " if parser.where else ""
    raise ProblemError(400, f"{field}the form cannot be read: {what}")


def _name(disposition: bytes) -> str:
    """Return the name that `filename*` encodes, or none."""
    found = _ENCODED.search(disposition)
    try:
        name = unquote(found["name"].decode("ascii"), found["charset"].decode("ascii")) if found else ""
    except (LookupError, UnicodeDecodeError):
        name = ""
    return _UNQUOTABLE.sub("_", name)
