"""The API says these; the OpenAPI page shows them as they stand here, by their titles."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tagger.records import Category, Label
from tagger.store.search.pictures import Scored

Language = Literal["en", "zh"]
_DAMAGED = "whether the file ends before its picture does"


def name_in(lang: Language, one: Label | Category | Scored) -> str:
    """Return what it is called in that language; in English where it has no name in it."""
    return one.name_zh or one.name if lang == "zh" else one.name


class ModelAnswer(BaseModel):
    """A model; `version` is the sha256 of its weights."""

    model_config = ConfigDict(title="Model")

    name: str
    version: str


class TagAnswer(BaseModel):
    """A label of a picture: `label` is its English name, `name` that in the language asked for; `key` stays whatever it is called."""

    model_config = ConfigDict(title="Tag")

    label: str
    name: str
    score: float = Field(description="probability, 0 to 1")
    key: str
    categories: list[str] = []
    by: str = "model"


class HeadTagAnswer(BaseModel):
    """What a head says of a picture: `label` is one of its labels, `none` or `unsure`; `name` is that in the language asked for.

    `state` is flagged, unsure or clear, where the head has labels that must not be missed.
    """

    model_config = ConfigDict(title="HeadTag")

    head: str
    label: str
    name: str
    score: float = Field(description="probability, 0 to 1")
    key: str
    by: str = "model"
    state: str | None = None


class CategoryAnswer(BaseModel):
    model_config = ConfigDict(title="Category")

    category: str
    name: str
    score: float
    key: str


class HealthAnswer(BaseModel):
    """What the picture's pixels tell of the camera, whatever they show."""

    model_config = ConfigDict(title="Health", from_attributes=True)

    brightness: float
    contrast: float
    sharpness: float
    colourfulness: float
    is_blank: bool
    flatness: float | None = None


class Result(BaseModel):
    """What became of one picture: its tags, or what is wrong with it."""

    file: str
    tags: list[TagAnswer]
    categories: list[CategoryAnswer] = []
    health: HealthAnswer | None = None
    conditions: list[str] = []
    error: str | None = None
    is_sure: bool = Field(
        default=False, description="whether the best label scores `search.min_score` or more"
    )
    instead: CategoryAnswer | None = Field(
        default=None, description="the category that is shown where the best label is not sure"
    )
    damaged: bool = Field(default=False, description=_DAMAGED)
    heads: list[HeadTagAnswer] = []


class Prediction(BaseModel):
    model: ModelAnswer
    results: list[Result]


class Image(BaseModel):
    """A picture in the database. Times are UTC; `seq` is None where it has no tags."""

    id: int
    seq: int | None
    path: str
    source: str
    state: str
    captured_at: datetime | None
    seen_at: datetime
    tagged_at: datetime | None
    camera: str | None
    app_id: str | None
    width: int | None
    height: int | None
    tags: list[TagAnswer]
    categories: list[CategoryAnswer]
    health: HealthAnswer | None
    conditions: list[str] = []
    damaged: bool = Field(default=False, description=_DAMAGED)
    heads: list[HeadTagAnswer] = []


class Page(BaseModel):
    """Some pictures; `next` is the cursor of those that come after, None at the end."""

    images: list[Image]
    next: str | None


class NamedAnswer(BaseModel):
    model_config = ConfigDict(title="Named", from_attributes=True)

    key: str
    name: str
    name_zh: str


class SourceAnswer(BaseModel):
    model_config = ConfigDict(title="Source")

    name: str
    root: str
    files: dict[str, int]


class StatsAnswer(BaseModel):
    """How the work stands. Files wait since `paused_since` (UTC), or not where that is None. `wrong_tokens` are, by address, how many came of late."""

    model_config = ConfigDict(title="Stats")

    files: dict[str, int]
    misdated: int
    model: ModelAnswer | None
    paused_since: datetime | None = None
    wrong_tokens: dict[str, int] = {}


class Version(BaseModel):
    """What tags: `model` is as the config calls it, `why` says why it tags, `other` what would bring a better one."""

    version: str
    model: str = ""
    why: str = ""
    other: str = ""


_Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]


class GivenVerdicts(BaseModel):
    """What people say of a picture: names of labels, in any language."""

    model_config = ConfigDict(title="Verdicts")

    add: _Names = []
    remove: _Names = []
    clear: _Names = []


class AlikeAnswer(BaseModel):
    """A look-alike; `score` is the cosine of the two pictures' features: 1 for the same picture."""

    model_config = ConfigDict(title="Alike")

    score: float
    image: Image


class FailureAnswer(BaseModel):
    """A file that could not be tagged. It is tried again at `next_try_at` (UTC), or not by itself where that is None."""

    model_config = ConfigDict(title="Failure")

    path: str
    source: str
    state: str
    stage: str
    error: str
    attempts: int
    next_try_at: datetime | None


class Corrected(BaseModel):
    images: int = Field(description="how many have other tags now, copies included")
