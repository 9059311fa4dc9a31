"""What a client of `/predict` wishes is said in the address, in a form's fields or in JSON, and each thing once."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tagger.web.api.answers import Language
from tagger.web.problems import ProblemError
from tagger.wording.escape import shown
from tagger.wording.nearest import closest, did_you_mean


class Wishes(BaseModel):
    """How many labels, from which score on, and in which language; `top_k` is None where the config says it."""

    model_config = ConfigDict(frozen=True)

    top_k: int | None = Field(None, ge=1, le=100)
    min_score: float = Field(0, ge=0, le=1)
    lang: Language = "en"


def wished(asked: Wishes, address: Container[str], body: Mapping[str, Sequence[Any]]) -> Wishes:
    """Return what the address asks for and, beside that, the body's fields. Raises ProblemError for a field that there is not, or that
    is said twice, and RequestValidationError for a value that may not be.
    """
    for name, values in body.items():
        _check(name, len(values) + (name in address))
    said = asked.model_dump() | {name: values[0] for name, values in body.items() if values[0] is not None}
    try:
        return Wishes.model_validate(said)
    except ValidationError as error:
        wrong = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(wrong) from None


def _check(name: str, times: int) -> None:
    known = [*Wishes.model_fields, "image"]
    where = shown(name[:80])
    if name not in Wishes.model_fields:
        hint = did_you_mean(closest(name[:80], known), f"there are {', '.join(known)}")
        raise ProblemError(422, f"{where}: no such field; {hint}")
    if times > 1:
        raise ProblemError(422, f"{where}: said {times} times; say it once, in the address or in the body")
