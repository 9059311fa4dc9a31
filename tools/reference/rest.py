"""docs/reference/rest.md: the endpoints, as FastAPI knows them, and those of the page, which it leaves out."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tagger.config.tagging import DecodeSettings
from tagger.config.web import WebSettings
from tagger.records import Standing
from tagger.store.core.database import Database
from tagger.web.app import create_app
from tagger.web.context import ReadingContext
from tagger.web.thumbnails import Thumbnails
from tools.reference import words

ABOUT = """
[api.md](../api.md) explains how the API is used, and who may ask; [clients.md](../clients.md) has programs to copy. `/openapi.json` says the
same as this page to programs.

An error is `application/problem+json`: an object with `type`, `title`, `status` and `detail`, which says what to do.
"""
BESIDES = """## Not in /openapi.json

These are for people, for programs that know other names, and for the page's own scripts. `/static/…` has the page's files.
"""
_BESIDES = {
    "GET /openapi.json": "this API, described for programs",
    "POST /api/v1/predict": "another name of `/predict`",
    "POST /": "what Amazon Rekognition is asked, in its words ([clients.md](../clients.md))",
    "GET /": "the gallery ([page.md](../page.md))",
    "GET /pictures/{id}": "a picture",
    "GET /pictures/{id}/alike": "what looks like it, a part of that page",
    "POST /label": "gives pictures a label of a head, as a form says",
    "GET /teach": "own labels: all heads",
    "GET /teach/{name}": "one head: how good it is, and its examples",
    "POST /teach/{name}": "has it learned",
    "GET /review/{name}": "pictures whose label would teach it most",
    "GET /status": "the status",
    "GET /status/chart": "its chart",
    "GET /status/cameras": "its cameras",
    "GET /try": "tags of a picture that is dropped there",
    "GET /docs": "the API, for people",
    "GET /login": "asks for the token; with `?token=`, takes it",
    "POST /login": "takes the token, and gives a cookie for it",
    "POST /logout": "takes the cookie from this browser",
}
_ANSWERS = {"200", "201", "202", "204"}


def page() -> str:
    with (
        closing(Database.open("sqlite://", create=True)) as database,
        closing(Thumbnails(Path("thumbnails"), DecodeSettings())) as thumbnails,  # none is made
    ):
        app = create_app(WebSettings(), _context(database, thumbnails))
    api = app.openapi()
    parts = ["# The API\n", words.MADE + ABOUT]
    for path, methods in api["paths"].items():
        parts += [_endpoint(f"{method.upper()} {path}", one) for method, one in methods.items()]
    parts += [BESIDES, words.table(("endpoint", "what it is"), _besides(app.routes))]
    parts += ["## Types\n", *(_type(name, one) for name, one in sorted(api["components"]["schemas"].items()))]
    return "\n".join(parts)


def _context(database: Database, thumbnails: Thumbnails) -> ReadingContext:
    standing = Standing("", "", "")
    return ReadingContext(database=database, min_score=0, top_k=0, thumbnails=thumbnails, standing=standing)


def _endpoint(name: str, one: Mapping[str, Any]) -> str:
    if not (about := one.get("description")):
        raise ValueError(f"{name}: its function says nothing of it; write a docstring there")
    parts = [f"## {name}\n", words.prose(about) + "\n"]
    if "parameters" in one:
        parts.append(
            words.table(("parameter", "value", "default", "meaning"), map(_parameter, one["parameters"]))
        )
    if "requestBody" in one:
        parts.append(f"Takes {_content(one['requestBody']['content'])}.\n")
    [answer] = [response for code, response in one["responses"].items() if code in _ANSWERS]
    return "\n".join([*parts, f"Answers {_content(answer['content'])}.\n"])


def _parameter(one: Mapping[str, Any]) -> tuple[str, ...]:
    schema = one["schema"]
    default = words.code(schema["default"]) if "default" in schema else ""
    where = "" if one["in"] == "query" else f", in the {one['in']}"
    return f"`{one['name']}`{where}", words.of(schema), default, words.prose(one.get("description", ""))


def _content(content: Mapping[str, Any]) -> str:
    """JSON by its type, anything else by its media type."""
    return ", or ".join(
        _json(one["schema"]) if media == "application/json" else f"`{media}`" + _fields(one["schema"])
        for media, one in content.items()
    )


def _json(schema: Mapping[str, Any]) -> str:
    return words.of(schema) if "properties" not in schema else "JSON" + _fields(schema)


def _fields(schema: Mapping[str, Any]) -> str:
    fields = [
        f"`{name}` ({one.get('description') or words.of(one)})"
        for name, one in schema.get("properties", {}).items()
    ]
    return f" with {', '.join(fields)}" if fields else ""


def _besides(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for route in _all(routes):
        for method in sorted(set(route.methods or ()) - {"HEAD"}):
            name = f"{method} {route.path}"
            if name not in _BESIDES:
                raise ValueError(
                    f"{name}: it is not in the schema; say what it is for in tools/reference/rest.py"
                )
            yield f"`{name}`", _BESIDES[name]


def _all(routes: Iterable[Any]) -> Iterator[Any]:
    """Those that no schema has. Some releases of FastAPI keep routers as they are, some their routes."""
    for route in routes:
        if router := getattr(route, "original_router", None):
            yield from _all(router.routes)
        elif not getattr(route, "include_in_schema", True):
            yield route


def _type(name: str, one: Mapping[str, Any]) -> str:
    parts = [f"### {name}\n", words.prose(one["description"]) + "\n" if "description" in one else ""]
    if "properties" in one:
        parts.append(
            words.table(("field", "value", "meaning"), (_field(*item) for item in one["properties"].items()))
        )
    else:
        parts.append(words.of(one) + "\n")
    return "\n".join(filter(None, parts))


def _field(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return f"`{name}`", words.of(one), words.prose(one.get("description", ""))
