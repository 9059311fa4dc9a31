"""Requests are checked for the name by which Tagger is asked (`Host`), and the page that asks (`Origin`).

A page of another site must not reach Tagger through its visitor's browser: without a token only names of this machine
are answered (a name that was bent to 127.0.0.1 is not one), and what changes something must come from the page itself.
What is no name at all is refused before anything looks at it: programs differ in what they make of `a/b?c@d`.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv6Address

from starlette.datastructures import Headers

from tagger.web.problems import ProblemError
from tagger.web.proxies import PublicName
from tagger.wording.escape import shown

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_PORTS = {"http": "80", "https": "443"}

_AUTHORITY = r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{0,5}))?"
_HOST = re.compile(_AUTHORITY)
_ORIGIN = re.compile(rf"null|[A-Za-z][A-Za-z0-9+.-]*://(?P<host>{_AUTHORITY})?")


def check(headers: Headers, names: frozenset[str] | None) -> None:
    """Raises ProblemError: 400 for a header that cannot be, 421 for a name that is none of `names`.

    `names` is None where any will do, and none: a proxy that looks whether Tagger is alive may say HTTP/1.0 and no name.
    """
    _check_host(_only(headers, "host"), names)
    origin = _only(headers, "origin")
    if origin is not None:
        _name(_ORIGIN.fullmatch(origin), "Origin", origin)


def check_page(headers: Headers, method: str, also: Sequence[PublicName]) -> None:
    """Raises ProblemError, 403, where the page of another site changes something: one whose Origin is not Host's, nor one of `also`."""
    origin = headers.get("origin")
    if origin is None or method in SAFE:
        return
    names = [PublicName(headers.get("host", ""), "Host"), *also]
    if not any(_is_same(origin, name.authority) for name in names):
        said = f"Origin is {shown(origin[:80])}, and {names[-1].said_by} is {shown(names[-1].authority[:80]) or 'not said'}"
        hint = "if that is Tagger's own page behind a proxy, web.public_url and web.trusted_proxies tell Tagger so"
        raise ProblemError(403, f"a page of another site may not ask this: {said}; {hint}")


def _is_same(origin: str, authority: str) -> bool:
    """Return whether a page's origin has that name and port; the port that its scheme has of itself need not be said."""
    found, name = _ORIGIN.fullmatch(origin), _HOST.fullmatch(authority)
    if found is None or name is None or not found["host"]:
        return False
    usual = _PORTS.get(origin.partition(":")[0].lower(), "")
    return _plain(found, usual) == _plain(name, usual)


def _plain(found: re.Match[str], usual: str) -> tuple[str, str]:
    return (found["ip"] or found["name"]).lower(), (found["port"] or usual).lstrip("0")


def _check_host(host: str | None, names: frozenset[str] | None) -> None:
    name = "" if host is None else _name(_HOST.fullmatch(host), "Host", host)
    if names is not None and host is None:
        raise ProblemError(400, "the request says no Host; HTTP/1.1 has one, such as Host: localhost")
    if names is not None and name not in names:
        raise ProblemError(
            421,
            f"Tagger does not answer to the name {name!r}; ask for it at 127.0.0.1, or name it in web.public_url",
        )


def _only(headers: Headers, key: str) -> str | None:
    """Return the header's value; None where there is none. Raises ProblemError where there are several."""
    values = headers.getlist(key)
    if len(values) > 1:
        raise ProblemError(400, f"the request says {key.capitalize()} {len(values)} times; say it once")
    return values[0] if values else None


def _name(found: re.Match[str] | None, key: str, value: str) -> str:
    """Return the name in small letters, without the port. Raises ProblemError where it is none."""
    if found is None or not _is_port(found["port"]) or not _is_ip(found["ip"]):
        what = f"{key}: {shown(value[:80])} is no name with a port"
        raise ProblemError(400, f"{what}; a client makes it from the address that it is given")
    return (found["ip"] or found["name"] or "").lower()


def _is_port(port: str | None) -> bool:
    return not port or 0 < int(port) < 1 << 16


def _is_ip(ip: str | None) -> bool:
    try:
        return ip is None or bool(IPv6Address(ip))
    except ValueError:
        return False
