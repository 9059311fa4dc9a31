"""A browser says the token once, at `/login`. `/login?token=…` is an address that can be handed over, as a container prints it.

To log out takes the cookie from this browser. It holds for whoever copied it: what ends that is another token. Rejected:
sessions with numbers of their own, which a restart would end, or which would need a table for what one person does once a year.
"""

from typing import Literal, TypedDict

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from tagger.web.admission import COOKIE, Admission
from tagger.web.page.render import Renderer
from tagger.web.problems import NO_CHARSET, ProblemError
from tagger.web.proxies import prefix_of
from tagger.web.small_body import SmallBody


class _Kind(TypedDict):
    path: str
    secure: bool
    httponly: bool
    samesite: Literal["strict"]


_WEEKS = 60 * 60 * 24 * 7 * 8


def router(admission: Admission) -> APIRouter:
    """Return the routes for anybody."""
    routes, renderer = APIRouter(include_in_schema=False), Renderer()

    def admitted(request: Request, given: str, to: str) -> Response:
        try:
            if admission.is_right(request, given):
                return _kept(request, admission, to)
            status, wait = 403 if given else 200, ""
        except ProblemError as error:
            status, wait = error.status_code, (error.headers or {}).get("Retry-After", "")
        form = renderer.page(request, "login.html", wrong=status == 403, wait=wait, to=to)
        form.status_code = status
        form.headers.update({"Retry-After": wait} if wait else {})
        return form

    # Not in a thread: guesses are counted in that of all other requests.
    @routes.get("/login")
    async def asked(request: Request, token: str = "", to: str = "/") -> Response:
        return admitted(request, token, to)

    @routes.post("/login")
    async def given(request: Request) -> Response:
        try:
            form = await request.form()
        except UnicodeError:
            raise ProblemError(400, NO_CHARSET) from None
        return admitted(request, str(form.get("token", "")).strip(), str(form.get("to", "/")))

    return routes


def leaving() -> APIRouter:
    """Return the routes for those who are in."""
    routes = APIRouter(include_in_schema=False, route_class=SmallBody)

    @routes.post("/logout")
    def left(request: Request) -> Response:
        answer = RedirectResponse(f"{prefix_of(request)}/login", 303)
        answer.delete_cookie(COOKIE, **_kind(request))
        return answer

    return routes


def _kept(request: Request, admission: Admission, to: str) -> Response:
    inside = to if to.startswith("/") and not to.startswith("//") else "/"
    answer = RedirectResponse(prefix_of(request) + inside, 303)
    answer.set_cookie(COOKIE, admission.session, max_age=_WEEKS, **_kind(request))
    return answer


def _kind(request: Request) -> _Kind:
    """Return what the cookie is like: below the proxy's path alone, and for TLS alone where the browser has it."""
    return {
        "path": prefix_of(request) or "/",
        "secure": request.scope["scheme"] == "https",
        "httponly": True,
        "samesite": "strict",
    }
