"""A head's report, as it is read: its file may come from anywhere, so what is shown of it was looked at first."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, lt=2**53)]


class _ReportPart(BaseModel):
    model_config = ConfigDict(frozen=True)


class ToldShare(_ReportPart):
    """A part of `of` pictures, with the interval of 95 % that it is in."""

    model_config = ConfigDict(title="Share")

    value: _Part
    low: _Part
    high: _Part
    of: _Count


class ToldSuspect(_ReportPart):
    """An example that looks wrong or harms: it looks like `instead`, or `misleads` so many pictures; `score` is that of its own label."""

    model_config = ConfigDict(title="Suspect")

    label: str
    instead: str
    score: _Part
    misleads: _Count
    sha256: str
    path: str


class ToldRecall(_ReportPart):
    """Of a label that must not be missed: the parts of its pictures that are flagged or unsure, and of clear ones that are unsure."""

    model_config = ConfigDict(title="Recall")

    wanted: _Part
    found: ToldShare
    unsure: _Part
    is_proven: bool


class ToldReport(_ReportPart):
    """How good a head is, told of its examples: see `tagger teach`. `confusion` has a row for what is true, and `none` last."""

    model_config = ConfigDict(title="Report")

    labels: list[str]
    examples: dict[str, _Count]
    accuracy: ToldShare | None
    half: ToldShare | None
    per_label: dict[str, ToldShare]
    confusion: list[list[_Count]]
    foreign: ToldShare | None
    suspects: list[ToldSuspect]
    recalls: dict[str, ToldRecall]
    next: list[str]


def told(report: Mapping[str, Any]) -> ToldReport | None:
    """Return a head's report; None where it has none that is known here."""
    try:
        return ToldReport.model_validate(report)
    except ValidationError:
        return None
