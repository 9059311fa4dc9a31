"""Templates are rendered in the reader's language and colours. What is shown is escaped: nothing of it is a template."""

from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from tagger.web.page.words import chinese, english
from tagger.wording.escape import shown

_YEAR = int(timedelta(days=365).total_seconds())
LANGUAGES = ("en", "zh")


class Renderer:
    """Makes pages of the templates beside it."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("tagger.web.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"percent": _percent, "iso": _iso, "shown": shown, "count": _count}

    def page(self, request: Request, template: str, **values: Any) -> HTMLResponse:
        """Return a page. `lang` in the address chooses the language from now on."""
        lang = language(request)
        said = {"lang": lang, "t": chinese if lang == "zh" else english, "request": request}
        said |= {"theme": _theme(request), "zh": lang == "zh"}
        text = self._templates.get_template(template).render(said | values)
        answer = HTMLResponse(text, headers={"Cache-Control": "no-store"})
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie("lang", lang, max_age=_YEAR, samesite="lax")
        return answer


def language(request: Request) -> str:
    """Return what was chosen last, or else what the browser would like."""
    for chosen in (request.query_params.get("lang"), request.cookies.get("lang")):
        if chosen in LANGUAGES:
            return chosen
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"


def _theme(request: Request) -> str:
    theme = request.cookies.get("theme", "")
    return theme if theme in ("light", "dark") else ""


def _percent(score: float) -> str:
    """Return the score for people; one that is not quite 1 is not shown as if it were."""
    return "100 %" if score >= 1 else f"{min(99, round(score * 100))} %"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _count(number: float) -> str:
    return f"{number:,}"
