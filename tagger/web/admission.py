"""Admission decides whether a request knows the token: by its cookie, as a Bearer, as `X-API-Key`, or as the access key of Amazon's clients."""

import hmac
from collections.abc import Sequence

from starlette.requests import Request

from tagger.web.guesses import Guesses
from tagger.web.problems import ProblemError
from tagger.web.rate import whose

COOKIE = "tagger"
_COOKIES = 3
"""Of one request: below a path there may be one from each path above it, and each is a guess."""


class Admission:
    """Knows the token, which is empty where only this machine may ask: then everybody knows it. It is not for several threads."""

    def __init__(self, token: str) -> None:
        self._token, self.session = token, session(token)
        self.guesses = Guesses()

    def check(self, request: Request) -> None:
        """Raises ProblemError where the request does not say the token: 401, or 429 where its sender guesses."""
        if not self._token:
            return
        said = [*((one, self.session) for one in _cookies(request)), (_said(request), self._token)]
        given = [one for one in said if one[0]]
        if not self._knows(address_of(request), given):
            what = "say the token of the config: Authorization: Bearer TOKEN"
            raise ProblemError(401, what, {"WWW-Authenticate": "Bearer"})

    def is_said(self, request: Request) -> bool:
        """Return whether there is a token and the request itself says it, as no browser does for a page: its cookie comes of itself."""
        return bool(self._token) and is_same(_said(request), self._token)

    def is_right(self, request: Request, given: str) -> bool:
        """Return whether what somebody typed is the token. Raises ProblemError where its sender guesses."""
        return not self._token or (bool(given) and self._knows(address_of(request), [(given, self._token)]))

    def _knows(self, address: str, given: Sequence[tuple[str, str]]) -> bool:
        """Return whether something of what was given is what it should be, and count it as a guess where nothing is."""
        guesses = [one for one in given if not self.guesses.is_known(address, one[0])]
        if guesses and (wait := self.guesses.wait(address)):
            what = f"too many wrong tokens came from {address}; ask again in {wait} s"
            raise ProblemError(429, what, {"Retry-After": str(wait)})
        if any(is_same(*one) for one in guesses):
            return True
        for one, _ in given:
            self.guesses.wrong(address, one)
        return False


def address_of(request: Request) -> str:
    """Return the address of whoever connected, or for whom a trusted proxy did (`proxies`); who tells none shares one name."""
    return whose(request.client.host) if request.client else "an unknown address"


def session(token: str) -> str:
    """Return what a browser keeps in place of the token: whoever reads it there does not learn the token."""
    return hmac.new(token.encode(), b"Tagger's page", "sha256").hexdigest()


def is_same(given: str, secret: str) -> bool:
    """Return whether they are the same, in a time that tells nothing of the secret."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), secret.encode())


def _cookies(request: Request) -> list[str]:
    """Return what its cookies say. Below a proxy's path a stale one from above it is sent along, and must not hide the right one."""
    pairs = [one.partition("=") for all_ in request.headers.getlist("cookie") for one in all_.split(";")]
    return [value.strip() for name, _, value in pairs if name.strip() == COOKIE][:_COOKIES]


def _said(request: Request) -> str:
    kind, _, said = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return said
    if kind == "AWS4-HMAC-SHA256":
        return _access_key(said)
    return request.headers.get("x-api-key", "")


def _access_key(signed: str) -> str:
    """Return KEY of `Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…`; it may have a slash in it.

    The signature is not verified: it proves that a client has the secret which goes with its key, and here the key is
    the secret, said as openly as a Bearer's.
    """
    credential = signed.partition("Credential=")[2].partition("SignedHeaders=")[0]
    return credential.rstrip(", ").rsplit("/", 4)[0]
