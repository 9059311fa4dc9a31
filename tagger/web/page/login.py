"""Where a browser says the token once. `/login?token=…` is an address that can be handed over, as a container prints it."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from tagger.web.guard import COOKIE, is_same, session
from tagger.web.page.render import Renderer

_WEEKS = 60 * 60 * 24 * 7 * 8


def router(token: str) -> APIRouter:
    routes, renderer = APIRouter(include_in_schema=False), Renderer()

    def admitted(request: Request, given: str, to: str) -> Response:
        if token and not is_same(given, token):
            form = renderer.page(request, "login.html", wrong=bool(given), to=to)
            form.status_code = 403 if given else 200
            return form
        answer = RedirectResponse(to if to.startswith("/") and not to.startswith("//") else "/", 303)
        answer.set_cookie(COOKIE, session(token), max_age=_WEEKS, httponly=True, samesite="strict")
        return answer

    @routes.get("/login")
    def asked(request: Request, token: str = "", to: str = "/") -> Response:
        return admitted(request, token, to)

    @routes.post("/login")
    async def given(request: Request) -> Response:
        form = await request.form()
        return admitted(request, str(form.get("token", "")).strip(), str(form.get("to", "/")))

    return routes
