"""`POST /predict` answers what the model says of pictures that are not in any folder. Nothing is stored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request

from tagger.heads.head import Head, HeadTag
from tagger.records import Category, Failed, Tag, Tagged
from tagger.search.conditions import conditions_of
from tagger.vision.certainty import certainty_of
from tagger.web.api.answers import (
    CategoryAnswer,
    HeadTagAnswer,
    HealthAnswer,
    Language,
    ModelAnswer,
    Prediction,
    Result,
    TagAnswer,
    name_in,
)
from tagger.web.api.uploads import Upload, uploads
from tagger.web.api.wishes import Wishes, wished
from tagger.web.context import TaggerContext
from tagger.web.problems import READS_ONLY, RESPONSES, ProblemError

_WISHES = {
    "top_k": {"type": "integer", "minimum": 1, "maximum": 100},
    "min_score": {"type": "number", "minimum": 0, "maximum": 1},
    "lang": {"type": "string", "enum": ["en", "zh"]},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        **_WISHES,
                    },
                    "required": ["image"],
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "string", "description": "base64, or a list of such"},
                        **_WISHES,
                    },
                    "required": ["image"],
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

_Predict = Callable[[Request, int | None, float, Language], Awaitable[Prediction]]


def router(context: TaggerContext) -> APIRouter:
    """Return the route where a daemon tags."""
    queue, results = context.predict_queue, Results(context)
    model = ModelAnswer(name=context.model.name, version=context.model.weights_sha256)

    async def predicted(request: Request, top_k: int | None, least: float, lang: Language) -> Prediction:
        sent = await uploads(request)
        wishes = wished(Wishes(top_k=top_k, min_score=least, lang=lang), request.query_params, sent.fields)
        most = wishes.top_k or context.top_k
        waiting = [asyncio.wrap_future(queue.ask(one.data, most)) for one in sent.pictures]
        answered = zip(sent.pictures, await asyncio.gather(*waiting), strict=True)
        answers = [results.of(*one, wishes.min_score, wishes.lang) for one in answered]
        return Prediction(model=model, results=answers)

    return _routes(predicted)


def refusals() -> APIRouter:
    """Return the same route, which refuses."""
    return _routes(_refused)


def _routes(predicted: _Predict) -> APIRouter:
    routes = APIRouter(responses=RESPONSES)

    @routes.post("/api/v1/predict", include_in_schema=False)
    @routes.post("/predict", openapi_extra=_BODY)
    async def predict(
        request: Request,
        top_k: Annotated[int | None, Query(ge=1, le=100)] = None,
        min_score: Annotated[float, Query(ge=0, le=1)] = 0,
        lang: Language = "en",
    ) -> Prediction:
        """Return the labels of one or more pictures. One that cannot be read fails alone."""
        return await predicted(request, top_k, min_score, lang)

    return routes


async def _refused(*_: object) -> Prediction:
    raise ProblemError(503, READS_ONLY)


class Results:
    """Says what became of pictures in the API's words."""

    def __init__(self, context: TaggerContext) -> None:
        self._taxonomy, self._within = context.taxonomy, context.taxonomy.by_label()
        self._categories = {one.key: one for one in context.taxonomy.categories}
        self._min_score, self._conditions = context.min_score, context.conditions
        self._labelling = context.labelling

    def of(self, picture: Upload, outcome: Tagged | Failed, least: float, lang: Language) -> Result:
        """Return what the model says of a picture, its labels that score less than `least` left out, what heads say, or why it says nothing."""
        if isinstance(outcome, Failed):
            return Result(file=picture.name, tags=[], error=outcome.reason)
        health, reading = outcome.facts.health, outcome.reading
        sure = certainty_of(reading, self._taxonomy, self._min_score)
        categories = {key: _category(self._categories[key], score, lang) for key, score in reading.categories}
        return Result(
            file=picture.name,
            tags=[self._tag(one, lang) for one in reading.tags if one.score >= least],
            categories=list(categories.values()),
            health=HealthAnswer.model_validate(health) if health else None,
            is_sure=sure.is_sure,
            instead=categories[sure.category] if sure.category else None,
            conditions=list(conditions_of(outcome.facts, reading.outdoor, self._conditions)),
            damaged=outcome.facts.damaged,
            heads=[_head_tag(head, tag, lang) for head, tag in self._labelling.said(outcome)],
        )

    def _tag(self, tag: Tag, lang: Language) -> TagAnswer:
        label, score = tag.label, tag.score
        within = [name_in(lang, self._categories[key]) for key in self._within.get(label.key, ())]
        name = name_in(lang, label)
        return TagAnswer(label=label.name, name=name, score=score, key=label.key, categories=within)


def _head_tag(head: Head, tag: HeadTag, lang: Language) -> HeadTagAnswer:
    label, state = head.label(tag.label), head.state(tag.label)
    name = name_in(lang, label)
    return HeadTagAnswer(
        head=head.name, label=label.name, name=name, score=tag.score, key=label.key, state=state
    )


def _category(one: Category, score: float, lang: Language) -> CategoryAnswer:
    return CategoryAnswer(category=one.name, name=name_in(lang, one), score=score, key=one.key)
