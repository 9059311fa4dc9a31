"""`web`: where the page and the API answer, and whom."""

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from tagger.config.section import AbsolutePath, Section, without_nul
from tagger.errors import ConfigError
from tagger.host import regular

SHORTEST_TOKEN = 16
"""Characters: of random ones, nobody guesses so many."""
PREFIX = re.compile(r"(?=.{1,200}$)(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
"""Of a path below which a proxy shows Tagger: no part of it is empty, or hidden, or leads upwards."""

Network = IPv4Network | IPv6Network

_LARGEST_TOKEN = 4096
_ORIGIN = re.compile(r"https?://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[1-9][0-9]{0,4})?")
_MAKE_ONE = "`openssl rand -hex 16` makes one"
_FILL_IT = "put the token into it; where there is no such file, the start of `tagger run` makes one"


def _public(value: str) -> str:
    """Return the address without a slash at its end. Raises ValueError where it is none."""
    found = _ORIGIN.match(value)
    rest = value[found.end() :] if found else value
    is_path = rest in ("", "/") or PREFIX.fullmatch(rest)
    if value and not (found and is_path and _can_be(found[0])):
        raise ValueError(f"{value[:80]!r} is no address such as https://tagger.example.com/pictures")
    return value.rstrip("/")


def _origin(value: str) -> str:
    """Return the site as browsers say it: small letters, no usual port. Raises ValueError where it is none."""
    if not _ORIGIN.fullmatch(value) or not _can_be(value):
        raise ValueError(
            f"{value[:80]!r} is no site such as https://home.example.com: no path, no slash, no *"
        )
    site = value.lower()
    return site.removesuffix(":443" if site.startswith("https:") else ":80")


def _can_be(site: str) -> bool:
    """Return whether its address, if it is one, and its port can be."""
    try:
        return urlsplit(site).port != 0
    except ValueError:
        return False


def _network(value: str) -> str:
    """Return the text of an address or a network as it is. Raises ValueError where it is none."""
    import ipaddress

    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{error}; name addresses or networks such as 172.18.0.0/16") from None
    return value


class WebSettings(Section):
    enabled: bool = False
    host: Annotated[str, AfterValidator(without_nul)] = "127.0.0.1"
    port: int = Field(default=5000, ge=0, le=65535)
    socket: AbsolutePath | None = None
    token: str = ""
    token_file: AbsolutePath | None = None
    max_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    rate: float = Field(default=0, ge=0)
    public_url: Annotated[str, AfterValidator(_public)] = ""
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...] | None, Field(strict=False)
    ] = None
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], Field(strict=False)] = ()

    @property
    def is_local(self) -> bool:
        """Whether it can be reached from this machine alone."""
        return self.socket is not None or _is_loopback(self.host)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The addresses of the proxies that are trusted."""
        import ipaddress

        return tuple(ipaddress.ip_network(one) for one in self.trusted_proxies or ())

    @property
    def secret(self) -> str:
        """The token, from wherever it is; empty where none is needed. Raises ConfigError where its file cannot be used."""
        if self.token or self.token_file is None:
            return self.token
        try:
            secret = regular.text(self.token_file, _LARGEST_TOKEN).strip()
        except OSError as error:
            what = f"cannot be read: {self.token_file}: {error.strerror or error}"
            raise ConfigError("web.token_file", what, _FILL_IT) from None
        if len(secret) < SHORTEST_TOKEN:
            raise ConfigError("web.token_file", f"holds fewer than {SHORTEST_TOKEN} characters", _MAKE_ONE)
        return secret

    @model_validator(mode="after")
    def _guarded(self) -> "WebSettings":
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise ValueError(f"token: has fewer than {SHORTEST_TOKEN} characters; {_MAKE_ONE}")
        if not (self.token or self.token_file) and not self.is_local:
            raise ValueError(
                f"host: {self.host} can be reached from elsewhere, so a token is needed; {_MAKE_ONE}"
            )
        return self


def _is_loopback(host: str) -> bool:
    import ipaddress  # here, because few ask, and it takes its time

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
