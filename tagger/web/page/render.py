"""Templates are rendered in the reader's language and colours. What is shown is escaped: nothing of it is a template."""

import re
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from tagger.config.path_rules import UNDATED
from tagger.web.page.words import chinese, english
from tagger.web.proxies import prefix_of
from tagger.wording.escape import shown

_ADDRESS = re.compile(r'\s(?:href|src|action|data-(?:load|address|again|here|after))="(?=/)')
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
        self._templates.tests["undated"] = UNDATED.__eq__

    def page(self, request: Request, template: str, **values: Any) -> HTMLResponse:
        """Return a page. `lang` in the address chooses the language from now on."""
        lang = language(request)
        said: dict[str, Any] = {"lang": lang, "t": chinese if lang == "zh" else english, "request": request}
        said |= {"prefix": prefix_of(request)}
        said |= {"theme": _theme(request), "zh": lang == "zh"}
        text = self._templates.get_template(template).render(said | values)
        text = _below(prefix_of(request), text)
        answer = HTMLResponse(text, headers={"Cache-Control": "no-store"})
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie("lang", lang, max_age=_YEAR, path=prefix_of(request) or "/", samesite="lax")
        return answer


def _below(prefix: str, text: str) -> str:
    """Return a page with the proxy's path before each address. Text of others has no quotes left in it, so none of it is taken for one.

    Rejected: to write the prefix at each address of the templates, which a new one would be missing from.
    """
    return _ADDRESS.sub(rf"\g<0>{prefix}", text) if prefix else text


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
