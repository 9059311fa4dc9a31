"""A proxy says what a request was before it came through: from whom (`X-Forwarded-For`), to which name, scheme and port
(`-Host`, `-Proto`, `-Port`), and below which path the proxy shows Tagger (`-Prefix`).

Anybody can write these, so they are believed from `web.trusted_proxies` alone, and from who opens `web.socket`. While that list is not set,
proxies on this machine are believed in all but `-For`: the others only shape what is answered to the request itself, and no page
of another site can have a browser send them, but who asks from which address has budgets of its own.
Who opens the socket is known by the config, not by its missing address: who closes a connection at once has none either.
Rejected: uvicorn's proxy_headers, which know neither names nor prefixes, and take an address that is none.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from tagger.config.web import PREFIX, Network, WebSettings
from tagger.web.problems import ProblemError
from tagger.wording.escape import shown

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_PREFIX, _NAMES = "tagger.prefix", "tagger.names"
_NAME = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
_ADDRESS = re.compile(
    r"\[(?P<ipv6>[0-9A-Fa-f:.]+)\](?::\d+)?|(?P<ipv4>[0-9.]+)(?::\d+)?|(?P<bare>[0-9A-Fa-f:.]+)"
)


def prefix_of(request: Request) -> str:
    """Return the path below which the client sees Tagger, such as `/tagger`; empty where there is none."""
    return str(request.scope.get(_PREFIX, ""))


@dataclass(frozen=True, slots=True)
class PublicName:
    """`authority` is a name of Tagger's, with its port where it is not the usual one; `said_by` is the header or key that says so."""

    authority: str
    said_by: str


def names_of(request: Request) -> list[PublicName]:
    """Return the names that a browser may have asked for, beside that in Host; the surest last."""
    names: list[PublicName] = request.scope[_NAMES]
    return names


class Proxies:
    """Knows which proxies are believed, and the address at which people see Tagger, if the config tells."""

    def __init__(self, web: WebSettings) -> None:
        self._trusted: Sequence[Network] = _LOOPBACK if web.trusted_proxies is None else web.networks
        self._is_socket = web.socket is not None
        self._tells_addresses = self._is_socket or web.trusted_proxies is not None
        self._public = urlsplit(web.public_url)

    def seen(self, scope: Scope) -> Scope:
        """Return the request as its client made it. Raises ProblemError where a believed header cannot be."""
        said = self._said(scope)
        seen = {**scope, _PREFIX: self._public.path or said.prefix(), _NAMES: self._names(said)}
        seen |= {"scheme": said.scheme() or self._scheme(scope), "path": self._bare(scope["path"])}
        if self._tells_addresses:
            seen["client"] = self._client(scope, said)
        return seen

    def _names(self, said: "_Said") -> list[PublicName]:
        public = PublicName(self._public.netloc, "web.public_url")
        return [one for one in (said.name(), public) if one.authority]

    def _scheme(self, scope: Scope) -> str:
        """Return the scheme of `web.public_url` where its name is asked for, and otherwise that of the connection."""
        is_public = Headers(scope=scope).get("host", "").lower() == self._public.netloc.lower()
        return (is_public and self._public.scheme) or str(scope["scheme"])

    def _bare(self, path: str) -> str:
        """Return the path without that of `web.public_url`, which a proxy may leave there or take away."""
        below = self._public.path
        if below and (path == below or path.startswith(f"{below}/")):
            return path.removeprefix(below) or "/"
        return path

    def _said(self, scope: Scope) -> "_Said":
        client = scope.get("client")
        is_believed = self._is_socket or bool(client and self._is_trusted(client[0]))
        return _Said(Headers(scope=scope), is_believed)

    def _client(self, scope: Scope, said: "_Said") -> tuple[str, int] | None:
        """Return the nearest address that is no trusted proxy's: what lies beyond it, anybody may have written."""
        client: tuple[str, int] | None = scope.get("client")
        for given in reversed(said.all("x-forwarded-for")):
            client = (_address(given), 0)
            if not self._is_trusted(client[0]):
                break
        return client

    def _is_trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._trusted)


@dataclass(frozen=True, slots=True)
class _Said:
    """What headers say, of which nothing is there where their sender is not believed. Of several, the nearest proxy's is the last."""

    headers: Headers
    is_believed: bool

    def all(self, key: str) -> list[str]:
        values = self.headers.getlist(key) if self.is_believed else []
        return [one.strip() for value in values for one in value.split(",") if one.strip()]

    def name(self) -> PublicName:
        """Return the name with the port; an empty one where nothing is said of either. A port beside a name that has one says nothing."""
        host = self._only("x-forwarded-host", _NAME, "a name with a port")
        port = self._only("x-forwarded-port", re.compile("[1-9][0-9]{0,4}"), "a port")
        if not host and not port:
            return PublicName("", "")
        by = "X-Forwarded-Host" if host else "Host with X-Forwarded-Port"
        authority = host or self.headers.get("host", "")
        has_port = ":" in authority.rpartition("]")[2]
        return PublicName(f"{authority}:{port}" if port and not has_port else authority, by)

    def scheme(self) -> str:
        return self._only("x-forwarded-proto", re.compile("https?", re.IGNORECASE), "http or https").lower()

    def prefix(self) -> str:
        return self._only("x-forwarded-prefix", PREFIX, "a path such as /tagger").rstrip("/")

    def _only(self, key: str, form: re.Pattern[str], what: str) -> str:
        value = (self.all(key) or [""])[-1]
        if value and not form.fullmatch(value):
            raise _wrong(key, value, what)
        return value


def _address(given: str) -> str:
    found = _ADDRESS.fullmatch(given)
    try:
        return str(ipaddress.ip_address(found["ipv6"] or found["ipv4"] or found["bare"] if found else ""))
    except ValueError:
        raise _wrong("x-forwarded-for", given, "an address") from None


def _wrong(key: str, value: str, what: str) -> ProblemError:
    hint = "have the proxy set it, and not pass on what its client says"
    return ProblemError(400, f"{key.title()}: {shown(value[:80])} is not {what}; {hint}")
